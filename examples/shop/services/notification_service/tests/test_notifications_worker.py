"""The worker, on notifications in memory."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from notifications.in_memory import InMemoryNotifications
from notifications.signing import Signer
from notifications.worker import Worker
from shop_common.dynamo import to_item
from shop_common.testing import Context

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

TOKEN = "a token that nobody may see"  # noqa: S105
CONTEXT = cast("LambdaContext", Context())
ORDER = {"id": "o1", "user_id": "ada", "total_cents": 1250, "placed_at": "2026-01-01T00:00:00.000+00:00"}


@pytest.fixture
def notifications() -> InMemoryNotifications:
    return InMemoryNotifications()


@pytest.fixture
def worker(notifications: InMemoryNotifications) -> Worker:
    return Worker(notifications=notifications, signer=Signer(lambda: TOKEN))


def record(event_id: str, order: dict[str, Any], kind: str = "INSERT") -> dict[str, Any]:
    return {
        "eventID": event_id,
        "eventName": kind,
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": to_item({"id": order["id"]}),
            "NewImage": to_item(order),
            "SequenceNumber": f"seq-{event_id}",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def test_a_placed_order_becomes_a_signed_notification(
    worker: Worker, notifications: InMemoryNotifications
) -> None:
    assert worker.handle({"Records": [record("e1", ORDER)]}, CONTEXT) == {"batchItemFailures": []}
    told = notifications.kept["e1"].model_dump()
    signature = told.pop("signature")
    assert told == {
        "id": "e1",
        "user_id": "ada",
        "order_id": "o1",
        "message": "Thank you: order o1 over 12.50 EUR is placed.",
        "created_at": ORDER["placed_at"],
    }
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    assert signature == hmac.new(TOKEN.encode(), canonical, hashlib.sha256).hexdigest()


def test_an_event_that_comes_twice_is_told_once(worker: Worker, notifications: InMemoryNotifications) -> None:
    event = {"Records": [record("e1", ORDER)]}
    worker.handle(event, CONTEXT)
    first = notifications.kept["e1"]
    assert worker.handle(event, CONTEXT) == {"batchItemFailures": []}
    assert notifications.kept == {"e1": first}


def test_only_the_records_that_failed_are_reported(
    worker: Worker, notifications: InMemoryNotifications
) -> None:
    broken = {"id": "o2"}
    event = {"Records": [record("e1", ORDER), record("e2", broken), record("e3", {**ORDER, "id": "o3"})]}
    assert worker.handle(event, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "seq-e2"}]}
    assert notifications.kept.keys() == {"e1", "e3"}


def test_when_the_store_is_away_the_whole_batch_comes_again(
    worker: Worker, notifications: InMemoryNotifications
) -> None:
    notifications.reachable = False
    event = {"Records": [record("e1", ORDER), record("e2", {**ORDER, "id": "o2"})]}
    failures = worker.handle(event, CONTEXT)["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failures] == ["seq-e1", "seq-e2"]
    notifications.reachable = True
    assert worker.handle(event, CONTEXT) == {"batchItemFailures": []}


@pytest.mark.parametrize("kind", ["MODIFY", "REMOVE"])
def test_changes_of_an_order_are_not_announced(
    worker: Worker, notifications: InMemoryNotifications, kind: str
) -> None:
    assert worker.handle({"Records": [record("e1", ORDER, kind)]}, CONTEXT) == {"batchItemFailures": []}
    assert not notifications.kept


def test_verification_tells_the_version_and_touches_nothing(notifications: InMemoryNotifications) -> None:
    def unreadable() -> str:
        raise PermissionError

    notifications.reachable = False
    worker = Worker(notifications=notifications, signer=Signer(unreadable))
    answer = worker.handle({"verify": {"deep": False}}, CONTEXT)
    assert answer == {"status": "ok", "service": "notification_service", "version": "7"}
    with pytest.raises(ConnectionError):
        worker.handle({"verify": {"deep": True}}, CONTEXT)
    notifications.reachable = True
    with pytest.raises(PermissionError):
        worker.handle({"verify": {"deep": True}}, CONTEXT)


def test_the_token_is_in_no_log_line_and_no_representation(
    worker: Worker, notifications: InMemoryNotifications, caplog: pytest.LogCaptureFixture
) -> None:
    worker.handle({"Records": [record("e1", ORDER), record("e2", {"id": "broken"})]}, CONTEXT)
    assert "order not announced" in caplog.text
    assert TOKEN not in caplog.text + repr(worker) + repr(notifications.kept)
