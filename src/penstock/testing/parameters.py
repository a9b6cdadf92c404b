"""Parameter Store in memory."""

from __future__ import annotations


class FakeParameters:
    """Parameters; `values` is open to tests."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The value, or None."""
        return self.values.get(name)

    def put(self, name: str, value: str) -> None:
        """Write, whatever is there."""
        self.values[name] = value

    def delete(self, name: str) -> None:
        """Delete; done when it is not there."""
        self.values.pop(name, None)
