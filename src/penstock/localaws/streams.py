"""DynamoDB streams: records survive a restart, and a mapping retries, splits and gives up as it was told to.

ministack saves how far a mapping has read, but not the records: after a restart the next records were skipped. Its
poller retries a bad batch for ever, and one slow function holds up all mappings.

Reference: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_KEPT = ("_stream_records", "_stream_trimmed", "_closed_streams")
_OURS = "penstock_streams"
_TRIED_FOR_EVER = -1


def install(ministack: Ministack, _settings: Settings) -> None:
    """Save records beside positions; poll each mapping on its own."""
    dynamodb = ministack.dynamodb
    poller = StreamPoller(ministack)

    def around_state(original: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        return lambda: {**original(), _OURS: {name: getattr(dynamodb, name) for name in _KEPT}}

    def around_load(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def load_persisted_state(data: Mapping[str, Any]) -> None:
            original({name: value for name, value in data.items() if name != _OURS})
            for name, store in data.get(_OURS, {}).items():
                getattr(dynamodb, name).update(store)
            dynamodb._stream_seq_counter = max(
                (
                    int(record["dynamodb"]["SequenceNumber"])
                    for records in dynamodb._stream_records.to_dict().values()
                    for record in records
                ),
                default=dynamodb._stream_seq_counter,
            )

        return load_persisted_state

    ministack.wrap(dynamodb, "get_state", "()", around_state)
    ministack.wrap(dynamodb, "load_persisted_state", "(data)", around_load)
    ministack.wrap(ministack.lambdas, "_poll_dynamodb_streams", "()", poller.around_poll)


@dataclass(slots=True)
class Progress:
    """How the batch at a mapping's position went so far."""

    failures: int = 0
    limit: int | None = None


class StreamPoller:
    """Reads for every mapping on a DynamoDB stream; at most one batch of a mapping is under way, so order holds."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self._progress: dict[str, Progress] = {}

    def around_poll(self, _original: Callable[[], bool]) -> Callable[[], bool]:
        """Poll our way."""

        def poll_dynamodb_streams() -> bool:
            return self.poll()

        return poll_dynamodb_streams

    def poll(self) -> bool:
        """Start a batch for each idle mapping that has records; whether any was started."""
        lambdas = self._ministack.lambdas
        started = False
        for account, region, mapping in lambdas._iter_all_esms():
            source = str(mapping.get("EventSourceArn", ""))
            if ":dynamodb:" not in source or "/stream/" not in source or not mapping.get("Enabled", True):
                continue
            with self._ministack.responses.request_scope(account, region):
                started = self._begin(mapping, source) or started
        return started

    def _begin(self, mapping: dict[str, Any], source: str) -> bool:
        lambdas, dynamodb = self._ministack.lambdas, self._ministack.dynamodb
        identity = mapping["UUID"]
        table_name = source.partition(":table/")[2].partition("/")[0]
        table = dynamodb._tables.get(table_name)
        if (
            table is None
            or table.get("LatestStreamArn") != source
            or lambdas._esm_inflight.get(identity)
            or lambdas._esm_backoff_until.get(identity, 0) > time.time()
        ):
            return False
        lambdas._init_stream_position(identity, source, mapping.get("StartingPosition", "LATEST"))
        position = max(lambdas._dynamodb_stream_positions[identity], dynamodb.stream_start_position(table_name))
        progress = self._progress.setdefault(identity, Progress())
        size = min(int(mapping.get("BatchSize") or 100), progress.limit or 10_000)
        records = dynamodb.stream_records_since(table_name, position, size)
        if not records:
            return False
        lambdas._dispatch_esm_batch(identity, self._run, mapping, source, position, records)
        return True

    def _run(self, mapping: dict[str, Any], source: str, position: int, records: list[dict[str, Any]]) -> None:
        lambdas = self._ministack.lambdas
        identity = mapping["UUID"]
        progress = self._progress.setdefault(identity, Progress())
        wanted = lambdas._apply_filter_criteria(records, mapping)
        done: int | None = len(records)
        if wanted:
            func, _ = lambdas._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
            if func is None:
                lambdas._esm_backoff_until[identity] = time.time() + 1
                return
            result = lambdas._execute_function(func, {"Records": wanted})
            done = self._judge(mapping, records, progress, result)
            if done is None:
                given_up = self._failed_again(mapping, source, wanted, func, result)
                done = len(records) if given_up else 0
        if done:
            with lambdas._dynamodb_stream_positions_lock:
                lambdas._dynamodb_stream_positions[identity] = position + done

    def _judge(
        self,
        mapping: dict[str, Any],
        records: list[dict[str, Any]],
        progress: Progress,
        result: Mapping[str, Any],
    ) -> int | None:
        """How many records are done with; 0: try fewer at once; None: the same ones failed again."""
        failed = _first_failure(mapping, records, result)
        if failed is None or failed > 0:
            progress.failures, progress.limit = 0, None
            mapping["LastProcessingResult"] = "OK" if failed is None else "PROBLEM: Function call failed"
            return len(records) if failed is None else failed
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        if mapping.get("BisectBatchOnFunctionError") and len(records) > 1:
            progress.limit = (len(records) + 1) // 2
            return 0
        progress.failures += 1
        return None

    def _failed_again(
        self,
        mapping: dict[str, Any],
        source: str,
        wanted: list[dict[str, Any]],
        func: Mapping[str, Any],
        result: Mapping[str, Any],
    ) -> bool:
        """Wait and try again, or give up: then the failure is reported and the records are passed over."""
        lambdas = self._ministack.lambdas
        progress = self._progress[mapping["UUID"]]
        condition = _given_up(mapping, wanted, progress)
        if condition is None:
            lambdas._esm_backoff_until[mapping["UUID"]] = time.time() + lambdas._ESM_BACKOFF_SECONDS
            return False
        lambdas._send_ddb_stream_failure_record(mapping, func, wanted, source, result, condition)
        progress.failures, progress.limit = 0, None
        return True


def _first_failure(mapping: Mapping[str, Any], records: list[dict[str, Any]], result: Mapping[str, Any]) -> int | None:
    """The index of the first failed record; None when all went well."""
    if result.get("error") or result.get("throttle"):
        return 0
    body = result.get("body")
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []) or not isinstance(body, dict):
        return None
    reported = {str(item.get("itemIdentifier")) for item in body.get("batchItemFailures") or []}
    numbers = [str(record["dynamodb"]["SequenceNumber"]) for record in records]
    if not reported:
        return None
    return min((numbers.index(number) for number in reported if number in numbers), default=0)


def _given_up(mapping: Mapping[str, Any], wanted: list[dict[str, Any]], progress: Progress) -> str | None:
    """Why the batch is not tried again; None: it is."""
    retries = mapping.get("MaximumRetryAttempts")
    if retries is not None and int(retries) != _TRIED_FOR_EVER and progress.failures > int(retries):
        return "RetryAttemptsExhausted"
    age = mapping.get("MaximumRecordAgeInSeconds")
    oldest = min(float(record["dynamodb"].get("ApproximateCreationDateTime") or time.time()) for record in wanted)
    if age is not None and int(age) > 0 and time.time() - oldest > int(age):
        return "RecordAgeExceeded"
    return None
