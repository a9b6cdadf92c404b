"""One environment's way into AWS: endpoint, region, credentials, and clients made when they are first needed.

An environment with an endpoint lives in an emulator: the access key is the account's number, the secret a fixed
word, unless a caller of the emulator is named on purpose (`adapters.local_caller`); neither credentials, profiles,
proxies nor endpoint variables of this machine have a say. An environment
without one is AWS: the ordinary credential chain decides who acts, and whose account that is gets compared with the
environment's before the first call, so that a forgotten profile can never touch the wrong account.

botocore is imported with the first client only; boto3 adds nothing that is needed here and costs start-up time.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Literal, overload

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.light import LightAws
from penstock.adapters.local_caller import KEY, administrator
from penstock.model.errors import Refused

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

    from penstock.adapters.local_caller import LocalCaller

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
ATTEMPTS = 5
"""Attempts of one call, with the jittered back-off of botocore's standard mode (1, 2, 4, 8 s at most).

Together at most 5 x (5 + 20) + 15 = 140 s, within `release.lease.CALL_TIMEOUT`: a call ends before its lease is
given to somebody else.
"""
LOCAL_ATTEMPTS = 3
"""An emulator that refuses connections on this machine will not begin to answer by itself."""
CONNECTIONS = 16

INVOKE_TIMEOUT = 910.0
"""Seconds: Lambda's longest function timeout is 900."""


class AwsSession:
    """Clients for one environment; safe to share between threads.

    Args:
        account: the environment's account number, twelve digits.
        region: the environment's region.
        endpoint: the emulator's URL (`http://127.0.0.1:4747`), or None for AWS.
        caller: who acts in the emulator; None for the account's administrator. Of no account in AWS.
    """

    def __init__(
        self, *, account: str, region: str, endpoint: str | None = None, caller: LocalCaller | None = None
    ) -> None:
        self.account = account
        self.region = region
        self.endpoint = endpoint.rstrip("/") if endpoint else None
        self._caller = caller or administrator(account)
        self._named = caller is not None
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, float], Any] = {}
        self._session: Session | None = None
        self._checked = False

    @overload
    def client(self, service: Literal["apigateway"]) -> APIGatewayClient: ...
    @overload
    def client(self, service: Literal["cloudwatch"]) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["kms"]) -> KMSClient: ...
    @overload
    def client(self, service: Literal["lambda"], *, read_timeout: float = READ_TIMEOUT) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["scheduler"]) -> Any: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["sns"]) -> Any: ...
    @overload
    def client(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: str, *, read_timeout: float = READ_TIMEOUT) -> Any:
        """The client of that service. Raises Refused when the credentials belong to another account.

        With a read timeout of its own the client makes one attempt only: a call that may run for minutes has
        effects that must not be repeated behind the caller's back.
        """
        with self._lock:
            if service != "sts":
                self._check_account()
            found = self._clients.get((service, read_timeout))
            if found is None:
                found = self._clients[(service, read_timeout)] = self._create(service, read_timeout)
            return found

    @property
    def light(self) -> LightAws | None:
        """Reads without botocore, where credentials are known beforehand and botocore is not there already."""
        if self.endpoint is None or self._session is not None or not self._is_trusted:
            return None
        return LightAws(endpoint=self.endpoint, region=self.region, caller=self._caller)

    def credentials(self) -> tuple[str, str, str | None]:
        """Access key, secret and session token to sign a request with, refreshed when they are about to expire.

        Raises AccessDenied when there are none, Refused when they belong to another account.
        """
        if self.endpoint is not None:
            self._check_account()
            return self._caller.access_key, self._caller.secret_key, self._caller.token
        with self._lock:
            self._check_account()
            with calling("sts:GetSessionToken", self.account):
                from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - lazy: start-up time

                found = self._botocore().get_credentials()
                if found is None:
                    raise NoCredentialsError
                frozen = found.get_frozen_credentials()
        return str(frozen.access_key), str(frozen.secret_key), frozen.token

    @property
    def _is_trusted(self) -> bool:
        """Whether the credentials are known to be the account's: the emulator's administrator bears its number."""
        return self._checked or (self.endpoint is not None and not self._named)

    def _check_account(self) -> None:
        if self._is_trusted:
            return
        with calling("sts:GetCallerIdentity"):
            found = self.client("sts").get_caller_identity()["Account"]
        if found != self.account:
            raise Refused(
                f"the credentials at hand belong to account {found}, the environment to account {self.account}",
                where="sts:GetCallerIdentity",
                hint=f"choose credentials of {self.account}, for example: "
                + (f"{KEY}=… penstock …" if self.endpoint else "AWS_PROFILE=… penstock …"),
            )
        self._checked = True

    def _botocore(self) -> Session:
        if self._session is None:
            from botocore.session import Session  # noqa: PLC0415 - lazy: start-up time

            from penstock.adapters.aws.models import ModelLoader  # noqa: PLC0415

            if self.endpoint is None:
                self._session = Session()
            else:
                # No profile, no shared file: what lies around on this machine must not matter, nor break us.
                nothing = (None, None, None, None)
                files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
                self._session = Session(session_vars={"profile": nothing, **files})
                self._session.set_credentials(self._caller.access_key, self._caller.secret_key, self._caller.token)
            self._session.register_component("data_loader", ModelLoader())
        return self._session

    def _create(self, service: str, read_timeout: float) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - lazy: start-up time

        attempts = LOCAL_ATTEMPTS if self.endpoint else ATTEMPTS
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": attempts if read_timeout == READ_TIMEOUT else 1},
            # An environment is local or AWS by its `endpoint` alone: AWS_ENDPOINT_URL is not asked.
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # the stubs do not know it
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            proxies={} if self.endpoint else None,
        )
        with calling(f"{service}:connect", self.region):
            return self._botocore().create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                config=config,
            )
