"""Tells customers about their orders: consumes the stream of the orders' table.

A stream delivers at least once, and again from the first record that failed. So a notification's id is its
event's id, and a record that was told already counts as done.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from notifications.dynamo import DynamoNotifications
from notifications.model import Notification, PlacedOrder
from notifications.signing import Signer, secret_token

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from notifications.repository import Notifications

logger = Logger(service="notification_service")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Consume one batch of the stream, or answer how the worker is."""
    return _worker().handle(event, context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Turns placed orders into notifications."""

    notifications: Notifications
    signer: Signer

    def handle(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Consume a batch; the answer names the records that failed (ReportBatchItemFailures).

        An event ``{"verify": {"deep": false}}`` writes nothing and says which version answers; with
        ``deep`` it also reads the table and the secret, and fails when it may not.
        """
        if "verify" in event:
            return self._verify(context, deep=bool(event["verify"].get("deep")))
        processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
        return dict(
            process_partial_response(
                event=event, record_handler=self._tell, processor=processor, context=context
            )
        )

    def _tell(self, record: DynamoDBRecord) -> None:
        if record.event_name is None or record.event_name.name != "INSERT":
            return  # an order that changes or goes is not news yet
        try:
            order = PlacedOrder.model_validate(record.dynamodb.new_image if record.dynamodb else None)
            new = self.notifications.add(self._notification(str(record.event_id), order))
        except Exception:
            logger.exception("order not announced", extra={"event_id": record.event_id})
            raise
        logger.info(
            "order announced" if new else "order had been announced",
            extra={"event_id": record.event_id, "order_id": order.id},
        )

    def _notification(self, event_id: str, order: PlacedOrder) -> Notification:
        members = {
            "id": event_id,
            "user_id": order.user_id,
            "order_id": order.id,
            "message": f"Thank you: order {order.id} over {order.total_cents / 100:.2f} EUR is placed.",
            "created_at": order.placed_at,
        }
        return Notification(**members, signature=self.signer.sign(members))

    def _verify(self, context: LambdaContext, *, deep: bool) -> dict[str, Any]:
        if deep:
            self.notifications.check()
            self.signer.sign({})
        return {"status": "ok", "service": "notification_service", "version": context.function_version}


@functools.cache
def _worker() -> Worker:
    """Build the worker once per container: importing this module needs no environment."""
    return Worker(notifications=DynamoNotifications.from_environment(), signer=Signer(secret_token))
