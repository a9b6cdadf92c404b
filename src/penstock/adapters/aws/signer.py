"""The environment's signing key in KMS. Signing and checking happen there: no key, and no cryptography, here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from penstock.adapters.aws.faults import calling, error_code
from penstock.model.errors import AccessDenied, Conflict, NotFound, RemoteFault
from penstock.ports import Signature

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from penstock.adapters.aws.session import AwsSession

ALGORITHM: Final = "ECDSA_SHA_256"
WRONG = "KMSInvalidSignatureException"
UNUSED_FOR = 7
"""Days until a key that lost the race for its alias is deleted: the shortest that KMS takes."""


class AwsSigner:
    """One KMS key, by its alias (`alias/shop-dev-artifacts`)."""

    def __init__(self, session: AwsSession, alias: str) -> None:
        self._session = session
        self._alias = alias

    def key(self) -> str | None:
        """The key's ARN, or None."""
        try:
            with calling("kms:DescribeKey", self._alias):
                return self._client.describe_key(KeyId=self._alias)["KeyMetadata"]["Arn"]
        except NotFound:
            return None

    def create(self) -> None:
        """Make the key and give it its alias; done when it is there.

        Of two who do so at once one gets the alias; the other's key is scheduled for deletion. Raises AccessDenied.
        """
        if self.key() is not None:
            return
        try:
            with calling("kms:CreateKey", self._alias):
                made = self._client.create_key(
                    KeySpec="ECC_NIST_P256",
                    KeyUsage="SIGN_VERIFY",
                    Description=f"penstock signs artifacts ({self._alias})",
                )["KeyMetadata"]["KeyId"]
        except AccessDenied as denied:
            raise AccessDenied(
                denied.what,
                where=denied.where,
                hint='allow kms:CreateKey and kms:CreateAlias, or set signing = "local" for the environment',
            ) from denied
        try:
            with calling("kms:CreateAlias", self._alias):
                self._client.create_alias(AliasName=self._alias, TargetKeyId=made)
        except Conflict:
            with calling("kms:ScheduleKeyDeletion", made):
                self._client.schedule_key_deletion(KeyId=made, PendingWindowInDays=UNUSED_FOR)

    def sign(self, message: bytes) -> Signature:
        """Sign the message's SHA-256: messages may be longer than the 4,096 bytes that KMS takes. Raises NotFound."""
        with calling("kms:Sign", self._alias):
            answer = self._client.sign(
                KeyId=self._alias, Message=_digest(message), MessageType="DIGEST", SigningAlgorithm=ALGORITHM
            )
        return Signature(key=answer["KeyId"], value=answer["Signature"])

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the key made that signature; False also when there is no key."""
        if not signature:
            return False
        try:
            with calling("kms:Verify", self._alias):
                return self._client.verify(
                    KeyId=self._alias,
                    Message=_digest(message),
                    MessageType="DIGEST",
                    Signature=signature,
                    SigningAlgorithm=ALGORITHM,
                )["SignatureValid"]
        except NotFound:
            return False
        except RemoteFault as fault:
            if error_code(fault.__cause__) == WRONG:
                return False
            raise

    @property
    def _client(self) -> KMSClient:
        return self._session.client("kms")


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()
