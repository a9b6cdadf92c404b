"""What the environment variables of a process must be to work in one environment, and in no other.

Used for Terraform, for the hooks after a deploy and by `penstock env`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.local_caller import local_caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import Environment

LOOPBACK = "127.0.0.1"

_ELSEWHERE = (
    # Each of these could send a call, or its credentials, to another place than the environment says.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def has_credentials(environ: Mapping[str, str]) -> bool:
    """Whether credentials of AWS are in sight: in variables or files. A machine's own role is not looked for."""
    home = Path(environ.get("HOME") or "/nonexistent") / ".aws"
    files = (
        Path(environ.get("AWS_CONFIG_FILE") or home / "config"),
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"),
    )
    return any(environ.get(name) for name in _CREDENTIALS) or any(file.is_file() for file in files)


def overrides(environment: Environment, endpoint: str | None, inherited: Mapping[str, str]) -> dict[str, str | None]:
    """Variables to set, and (None) to remove.

    Args:
        environment: where to work.
        endpoint: the URL of the embedded AWS or of the environment's own `endpoint`; None for AWS itself.
        inherited: the process's environment, for who acts, for what must go and for NO_PROXY.
    """
    region: dict[str, str | None] = {"AWS_REGION": environment.region, "AWS_DEFAULT_REGION": environment.region}
    # Endpoints of single services win over AWS_ENDPOINT_URL, so that they must go in either case.
    endpoints: dict[str, str | None] = {name: None for name in sorted(inherited) if name.startswith("AWS_ENDPOINT_URL")}
    if endpoint is None:
        return {**region, **endpoints}
    given: dict[str, str | None] = {**dict.fromkeys(_ELSEWHERE), **endpoints, **region, "AWS_ENDPOINT_URL": endpoint}
    caller = local_caller(environment.account, inherited)
    given["AWS_ACCESS_KEY_ID"] = caller.access_key
    given["AWS_SECRET_ACCESS_KEY"] = caller.secret_key
    if caller.token:
        given["AWS_SESSION_TOKEN"] = caller.token
    given["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in inherited.get(name, "").split(",") if host]
        given[name] = ",".join(hosts if LOOPBACK in hosts else [*hosts, LOOPBACK])
    return given
