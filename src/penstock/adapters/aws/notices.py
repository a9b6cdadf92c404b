"""SNS topics: who has subscribed learns what became of a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.adapters.aws.faults import calling

if TYPE_CHECKING:
    from penstock.adapters.aws.session import AwsSession

LONGEST_SUBJECT = 99
"""Characters; SNS allows less than 100 (API reference, "Publish")."""


class AwsNotices:
    """Topics of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def publish(self, topic: str, *, subject: str, message: str) -> None:
        """Tell a topic, by its physical name. Raises NotFound when there is none."""
        arn = f"arn:aws:sns:{self._session.region}:{self._session.account}:{topic}"
        with calling("sns:Publish", topic):
            self._session.client("sns").publish(TopicArn=arn, Subject=subject[:LONGEST_SUBJECT], Message=message)
