"""Secrets Manager in memory."""

from __future__ import annotations


class FakeSecrets:
    """Secrets; a container without a value is there with None."""

    def __init__(self) -> None:
        self._values: dict[str, str | None] = {}

    def configure(self, name: str) -> None:
        """Make the container, as Terraform does."""
        self._values.setdefault(name, None)

    def has_value(self, name: str) -> bool:
        """Whether the secret exists and has a current value."""
        return self._values.get(name) is not None

    def put(self, name: str, value: str) -> None:
        """Set the current value, creating the container when it is missing."""
        self._values[name] = value

    def value(self, name: str) -> str | None:
        """The current value, or None where there is none."""
        return self._values.get(name)
