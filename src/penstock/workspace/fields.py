"""Types of single values in the two files. Each pattern stands with the words for somebody who missed it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from penstock.workspace.catalog import RETENTION_DAYS, RUNTIMES, RUNTIMES_REVIEWED

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORKSPACE_NAME: Final = r"^[a-z][a-z0-9-]{0,29}$"
_NAME: Final = r"^[a-z][a-z0-9_-]{0,47}$"
_ACCOUNT: Final = r"^[0-9]{12}$"
_REGION: Final = r"^[a-z]{2}(-[a-z]+){1,2}-[0-9]{1,2}$"
_DURATION: Final = r"^([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
_ENV_NAME: Final = r"^[A-Za-z][A-Za-z0-9_]{1,127}$"
_TEXT: Final = r"^[^\x00]*$"
_PLAIN: Final = r"^[^\x00-\x1f\x7f]{1,200}$"
_HANDLER: Final = r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*\.[A-Za-z_][A-Za-z0-9_]*$"
_ROUTE: Final = (
    r"^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|ANY) "
    r"(/|(/(\.?[A-Za-z0-9_~:-][A-Za-z0-9._~:-]*|\{[A-Za-z_][A-Za-z0-9_-]*\}))+(/\{[A-Za-z_][A-Za-z0-9_-]*\+\})?|/\{[A-Za-z_][A-Za-z0-9_-]*\+\})$"
)
_ASKED: Final = r"^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{0,2000}$"
_REFERENCE: Final = (
    r"^(data\.)?[a-z][a-z0-9_]*\.[A-Za-z_][A-Za-z0-9_-]*"
    r"(\[[0-9]{1,4}\])?(\.[A-Za-z_][A-Za-z0-9_-]*(\[[0-9]{1,4}\])?){0,12}$"
)
_ACTION: Final = r"^[a-z0-9-]{1,40}:[A-Za-z0-9*?]{1,80}$"
_RESOURCE: Final = r"^(\*|arn:[A-Za-z0-9*?:/_.,+=@#-]{1,500})$"
_LAYER: Final = r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$"
_SCHEDULE: Final = (
    r"^(rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]{1,5}) (minutes|hours|days))\)"
    r"|cron\([A-Z0-9*?,/#L-]+( [A-Z0-9*?,/#L-]+){5}\))$"
)
_PATH: Final = r"^[A-Za-z0-9_@-][A-Za-z0-9._@-]*(/[A-Za-z0-9_@-][A-Za-z0-9._@-]*)*$"
_BRANCH: Final = r"^[A-Za-z0-9*_][A-Za-z0-9._/*-]*$"
_NOTIFY: Final = r"^sns:[A-Za-z0-9_-]{1,256}$"
_ENDPOINT: Final = r"^(local|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)$"
_EXISTING: Final = r"^[A-Za-z0-9_./+=@-]{1,512}$"
_ATTRIBUTE: Final = r"^[A-Za-z0-9_.:#-]{1,255}$"
_TAG_KEY: Final = r"^[A-Za-z0-9_.:/=+@ -]{1,128}$"
_TAG_VALUE: Final = r"^[A-Za-z0-9_.:/=+@ -]{0,256}$"
_S3_EVENT: Final = r"^s3:[A-Za-z]+:[A-Za-z*]+$"
_DAY: Final = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_URL: Final = r"^https?://[!-~]+$"
_HEADER: Final = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"
_TERM: Final = r"^[a-z][a-z0-9_]{0,47}$"
_STATISTIC: Final = (
    r"^(Average|IQM|Maximum|Minimum|SampleCount|Sum|(p|tc|tm|ts|wm)[0-9]{1,3}(\.[0-9]{1,10})?"
    r"|(PR|TC|TM|TS|WM)\([0-9.%]*:[0-9.%]*\))$"
)
_NAMING: Final = r"^[A-Za-z0-9_{}-]{1,200}$"

WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        _WORKSPACE_NAME: ("is not a name", "write a lower-case letter, then at most 29 letters, digits and hyphens"),
        _NAME: ("is not a name", "write a lower-case letter, then at most 47 letters, digits, _ and -"),
        _ACCOUNT: ("is not an AWS account", 'write its 12 digits in quotes, as "111111111111"'),
        _REGION: ("is not an AWS region", 'write one such as "eu-west-1"'),
        _DURATION: ("is not a duration", 'write one such as "90s", "5m" or "1h"'),
        _DAY: ("is not a day", 'write one such as "2026-01-31"'),
        _ENV_NAME: ("is not a variable's name", "write a letter, then letters, digits and _"),
        _TEXT: ("contains a NUL character", "take it out"),
        _PLAIN: ("contains control characters, or is empty or too long", "write at most 200 printable characters"),
        _HANDLER: ("is not a handler", 'write the file and the function in it, as "users.app.handler"'),
        _ROUTE: ("is not a route", 'write a method and a path, as "GET /users/{id}"'),
        _ASKED: ("is not a request", 'write a method and a path, as "GET /users/u-1?full=1"'),
        _REFERENCE: ("is not a Terraform attribute", 'write one as "aws_sqs_queue.jobs.arn"'),
        _ACTION: ("is not an IAM action", 'write a service and an action, as "es:ESHttpGet"'),
        _RESOURCE: ("is not an ARN", 'write an ARN, "*", or { terraform = "…" }'),
        _LAYER: ("is not the ARN of a layer's version", 'write it as "arn:aws:lambda:REGION:ACCOUNT:layer:NAME:1"'),
        _SCHEDULE: ("is not a schedule", 'write "rate(5 minutes)" or "cron(0 12 * * ? *)"'),
        _PATH: ("is not a path inside the workspace", 'write a relative path without "..", as "events/ping.json"'),
        _BRANCH: ("is not a branch pattern", 'write one such as "main" or "release/*"'),
        _NOTIFY: ("is not a target", 'write one such as "sns:releases"'),
        _ENDPOINT: ("is not an endpoint", 'write "local" or a URL, or leave it out for AWS'),
        _EXISTING: ("is not a physical name", "write the name as AWS shows it"),
        _ATTRIBUTE: ("is not an attribute's name", "write letters, digits, _, -, . and :"),
        _TAG_KEY: ("is not a tag's key", "write letters, digits, spaces and _.:/=+-@, at most 128"),
        _TAG_VALUE: ("is not a tag's value", "write letters, digits, spaces and _.:/=+-@, at most 256"),
        _S3_EVENT: ("is not an S3 event", 'write one such as "s3:ObjectCreated:*"'),
        _URL: ("is not a URL", 'write one such as "https://qa.example.com/penstock"'),
        _HEADER: ("is not a header's name", 'write letters, digits and hyphens, as "Authorization"'),
        _TERM: ("is not a term's name", "write a lower-case letter, then at most 47 letters, digits and _"),
        _STATISTIC: ("is not a statistic of CloudWatch's", 'write one such as "Sum", "Average" or "p95"'),
        _NAMING: ("is not a naming template", 'write one such as "{workspace}-{environment}-{function}"'),
    }
)
"""For every pattern: what a text that misses it is, and what to write instead."""

_READABLE_RUNTIMES = [name for name, end in RUNTIMES.items() if end > RUNTIMES_REVIEWED]

WorkspaceName = Annotated[str, Field(pattern=_WORKSPACE_NAME)]
Name = Annotated[str, Field(pattern=_NAME)]
Account = Annotated[str, Field(pattern=_ACCOUNT)]
Region = Annotated[str, Field(pattern=_REGION)]
Duration = Annotated[str, Field(pattern=_DURATION, min_length=2)]
Day = Annotated[str, Field(pattern=_DAY)]
EnvName = Annotated[str, Field(pattern=_ENV_NAME)]
Text = Annotated[str, Field(pattern=_TEXT)]
Plain = Annotated[str, Field(pattern=_PLAIN)]
Handler = Annotated[str, Field(pattern=_HANDLER, max_length=128)]
RouteText = Annotated[str, Field(pattern=_ROUTE, max_length=512)]
Asked = Annotated[str, Field(pattern=_ASKED)]
Reference = Annotated[str, Field(pattern=_REFERENCE, max_length=256)]
Action = Annotated[str, Field(pattern=_ACTION)]
Resource = Annotated[str, Field(pattern=_RESOURCE)]
Layer = Annotated[str, Field(pattern=_LAYER)]
Schedule = Annotated[str, Field(pattern=_SCHEDULE, max_length=256)]
RelativePath = Annotated[str, Field(pattern=_PATH, max_length=256)]
Branch = Annotated[str, Field(pattern=_BRANCH, max_length=200)]
Notify = Annotated[str, Field(pattern=_NOTIFY, max_length=256)]
Endpoint = Annotated[str, Field(pattern=_ENDPOINT, max_length=200)]
Existing = Annotated[str, Field(pattern=_EXISTING)]
Attribute = Annotated[str, Field(pattern=_ATTRIBUTE)]
TagKey = Annotated[str, Field(pattern=_TAG_KEY)]
TagValue = Annotated[str, Field(pattern=_TAG_VALUE)]
S3Event = Annotated[str, Field(pattern=_S3_EVENT)]
Url = Annotated[str, Field(pattern=_URL)]
Header = Annotated[str, Field(pattern=_HEADER)]
Term = Annotated[str, Field(pattern=_TERM)]
Statistic = Annotated[str, Field(pattern=_STATISTIC)]
Naming = Annotated[str, Field(pattern=_NAMING)]
RuntimeName = Annotated[str, Field(json_schema_extra={"enum": list(_READABLE_RUNTIMES)})]
Retention = Annotated[int, Field(json_schema_extra={"enum": list(RETENTION_DAYS)})]
AttributeType = Literal["S", "N", "B"]
TableAccess = Literal["read", "check", "write", "read-write"]
BucketAccess = Literal["read", "write", "read-write"]
