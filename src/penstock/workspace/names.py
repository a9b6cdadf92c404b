"""Physical names: what AWS calls the things that the workspace names. The one place that decides them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of one environment."""

    workspace: str
    environment: str
    account: str
    naming: str

    @property
    def prefix(self) -> str:
        """`shop-dev`."""
        return f"{self.workspace}-{self.environment}"

    def function(self, service: str, key: str) -> str:
        """By the `naming` template; `key` is the function's name within the workspace."""
        text = self.naming
        values = {"workspace": self.workspace, "environment": self.environment, "service": service, "function": key}
        for field, value in values.items():
            text = text.replace(f"{{{field}}}", value)
        return text

    def plain(self, name: str) -> str:
        """Tables, queues, topics, roles: `shop-dev-users`."""
        return f"{self.prefix}-{name}"

    def queue(self, name: str, *, fifo: bool) -> str:
        """As `plain`; AWS wants `.fifo` at the end of a FIFO queue's name."""
        return f"{self.prefix}-{name}.fifo" if fifo else self.plain(name)

    def bucket(self, name: str) -> str:
        """Bucket names are unique in the whole of AWS and know no underscore: `shop-dev-uploads-111111111111`."""
        return f"{self.prefix}-{name.replace('_', '-')}-{self.account}"

    def secret(self, name: str) -> str:
        """`shop/dev/stripe_key`."""
        return f"{self.workspace}/{self.environment}/{name}"

    def parameter(self, name: str) -> str:
        """`/shop/dev/feature_flags`."""
        return f"/{self.workspace}/{self.environment}/{name}"
