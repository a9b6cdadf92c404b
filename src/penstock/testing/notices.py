"""SNS in memory."""

from __future__ import annotations

from penstock.model.errors import NotFound


class FakeNotices:
    """Topics by name, and what they were told: subject and message."""

    def __init__(self, *topics: str) -> None:
        self._topics: dict[str, list[tuple[str, str]]] = {topic: [] for topic in topics}

    def configure(self, topic: str) -> None:
        """Make the topic, as Terraform does."""
        self._topics.setdefault(topic, [])

    def publish(self, topic: str, *, subject: str, message: str) -> None:
        """Tell a topic. Raises NotFound when there is none."""
        if topic not in self._topics:
            raise NotFound("NotFound: Topic does not exist", where=topic)
        self._topics[topic].append((subject, message))

    def told(self, topic: str) -> list[tuple[str, str]]:
        """Everything that the topic was told, oldest first; for assertions."""
        return list(self._topics.get(topic, []))
