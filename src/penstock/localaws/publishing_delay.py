"""CloudWatch's delay: data points appear some time after what they count, so nothing newer is read or alarms anybody.

On AWS, Lambda's metrics take a minute or more to appear. Here the delay is 0 unless ``--metrics-delay`` says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_SIGNATURE = "(params, cbor_data, is_cbor, is_json=)"


def install(ministack: Ministack, settings: Settings) -> None:
    """End every question for metrics where CloudWatch's knowledge ends."""
    cloudwatch = ministack.cloudwatch

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(params: dict[str, Any], cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
            if not settings.metrics_delay:
                plain: Response = original(params, cbor_data, is_cbor, is_json)
                return plain
            typed = is_cbor or is_json
            asked = cbor_data.get("EndTime") if typed else cloudwatch._p(params, "EndTime")
            end = cloudwatch._parse_ts(asked)
            known = settings.clock.now() - settings.metrics_delay
            cut = known if end is None else min(end, known)
            if typed:
                cbor_data = {**cbor_data, "EndTime": cut}
            else:
                params = {**params, "EndTime": [str(cut)]}
            answer: Response = original(params, cbor_data, is_cbor, is_json)
            return answer

        return read

    ministack.wrap(cloudwatch, "_get_metric_data", _SIGNATURE, around)
    ministack.wrap(cloudwatch, "_get_metric_statistics", _SIGNATURE, around)
