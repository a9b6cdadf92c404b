"""botocore's errors, turned into ours in one place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock.model.errors import AccessDenied, Busy, Conflict, NotFound, PenstockError, RemoteFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError

NOT_FOUND = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchKey",
        "NotFound",
        "NotFoundException",
        "ParameterNotFound",
        "ProvisionedConcurrencyConfigNotFoundException",
        "ResourceNotFoundException",
    }
)
CONFLICT = frozenset(
    {
        "409",
        "412",
        "AlreadyExistsException",
        "BucketAlreadyExists",
        "ConditionalRequestConflict",
        "ConflictException",
        "PreconditionFailed",
        "PreconditionFailedException",
        "ResourceConflictException",
    }
)
DENIED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
SERVER_ERROR = 500
"""The first HTTP status that is AWS's own fault."""
TOO_MANY = 429
"""The HTTP status of whoever asks too often, whatever its code: API Gateway's is `LimitExceededException`."""
THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
    }
)
"""Codes that say the same with another status: Parameter Store's `TooManyUpdates` is a 400."""


@contextmanager
def calling(operation: str, resource: str = "") -> Iterator[None]:
    """Run calls of botocore; its errors leave as RemoteFault, NotFound, Conflict or AccessDenied.

    Args:
        operation: what is called, as IAM names it: `lambda:PublishVersion`.
        resource: on what: `shop-dev-user_service`.
    """
    where = f"{operation} {resource}".rstrip()
    try:
        yield
    except PenstockError:
        raise
    except Exception as error:
        translated = _translate(error, where)
        if translated is None:
            raise
        raise translated from error


def error_code(error: BaseException | None) -> str:
    """AWS's code of a botocore ClientError (`ResourceNotFoundException`); empty for anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _translate(error: Exception, where: str) -> RemoteFault | None:
    from botocore import exceptions  # noqa: PLC0415 - lazy: start-up time

    if isinstance(error, exceptions.ClientError):
        return _from_answer(error, where)
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return AccessDenied(
            "there are no AWS credentials", where=where, hint="aws configure sso, or set AWS_PROFILE; then try again"
        )
    if isinstance(error, (exceptions.ProfileNotFound, exceptions.TokenRetrievalError, exceptions.SSOError)):
        return AccessDenied(str(error).rstrip("."), where=where, hint="aws sso login, or set AWS_PROFILE")
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError)):
        return Busy(
            f"no answer: {str(error).rstrip('.')}",
            where=where,
            hint="look at the network; for an environment on this machine: penstock local status",
        )
    if isinstance(error, exceptions.BotoCoreError):
        return RemoteFault(str(error).rstrip("."), where=where)
    return None


def _from_answer(error: ClientError, where: str) -> RemoteFault:
    code = error_code(error)
    text = str(error.response.get("Error", {}).get("Message") or code).strip().rstrip(".") or code
    what = text if code in text or code.isdigit() else f"{code}: {text}"
    if code in NOT_FOUND:
        return NotFound(what, where=where)
    if code in CONFLICT:
        return Conflict(what, where=where, hint="somebody else was first; run the command again")
    if code in DENIED:
        return AccessDenied(what, where=where, hint="look at the caller: penstock doctor")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLED or status == TOO_MANY:
        return Busy(f"AWS throttles: {what}", where=where, hint="wait a minute and run the command again")
    if status >= SERVER_ERROR:
        return Busy(what, where=where, hint="wait a minute and run the command again")
    return RemoteFault(what, where=where)
