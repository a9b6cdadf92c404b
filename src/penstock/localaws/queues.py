"""SQS queues of a state that was saved on another port: there they are again, for event sources as for callers.

ministack keeps each queue under its URL, with host and port. Callers who name an old URL are answered, because it looks
for the queue's name then; a mapping that reads the queue for a function makes the URL of the port of now, finds
nothing, and says nothing: messages wait for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings


def install(ministack: Ministack, _settings: Settings) -> None:
    """Keep restored queues under the URLs of this server."""
    sqs = ministack.sqs

    def around_load(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def load_persisted_state(data: Any) -> None:
            original(data)
            for key, queue in sqs._queues.all_items():
                scope = sqs._queue_scope_from_record(key, queue)
                if scope is None:
                    continue
                account, region, name, url = scope
                here = sqs._queue_url_for_account(account, name)
                if url != here:
                    sqs._queues.pop_scoped(account, region, url)
                    queue["url"] = here
                    sqs._queues.set_scoped(account, region, here, queue)
                    sqs._queue_name_to_url.set_scoped(account, region, name, here)

        return load_persisted_state

    ministack.wrap(sqs, "load_persisted_state", "(data)", around_load)
