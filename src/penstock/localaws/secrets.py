"""A secret that was created without a value has none: no version, and reading it is an error, as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_SIGNATURE = (
    "(name, secret_string=, secret_binary=, description=, tags=, kms_key_id=, rotation_lambda_arn=, rotation_rules=)"
)


def install(ministack: Ministack, _settings: Settings) -> None:
    """Take away the empty version that ministack gives every new secret."""
    module = ministack.secretsmanager

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def store(name: str, secret_string: str | None = None, secret_binary: Any = None, **rest: Any) -> Any:
            made = original(name, secret_string=secret_string, secret_binary=secret_binary, **rest)
            if secret_string is None and secret_binary is None:
                secret = module._secrets[name]
                # The whole record is set anew: state is saved by what was assigned.
                module._secrets[name] = {**secret, "Versions": {}}
            return made

        return store

    ministack.wrap(module, "_store_new_secret", _SIGNATURE, around)
