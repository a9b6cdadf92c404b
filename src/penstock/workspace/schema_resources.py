"""The shape of what services own and use: tables, queues, buckets, secrets and grants, as both files may name them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Discriminator, Field, Tag, with_config
from typing_extensions import TypedDict

from penstock.workspace.fields import (
    Action,
    Attribute,
    AttributeType,
    BucketAccess,
    Duration,
    Existing,
    Name,
    Plain,
    Reference,
    Resource,
    TableAccess,
    Text,
)

STRICT = ConfigDict(strict=True, extra="forbid")


def _text_or_table(value: Any) -> str:
    return "table" if isinstance(value, dict) else "text"


@with_config(STRICT)
class ReferenceTable(TypedDict):
    """A value that your own Terraform beside the generated root provides."""

    terraform: Annotated[Reference, Field(description="Attribute of a resource, as `aws_sqs_queue.jobs.arn`.")]


EnvValue = Annotated[
    Annotated[Text, Tag("text")] | Annotated[ReferenceTable, Tag("table")], Discriminator(_text_or_table)
]
ResourceValue = Annotated[
    Annotated[Resource, Tag("text")] | Annotated[ReferenceTable, Tag("table")], Discriminator(_text_or_table)
]

Key = Annotated[dict[Attribute, AttributeType], Field(min_length=1, max_length=2)]
Range = Annotated[list[Annotated[int, Field(ge=1, le=40_000)]], Field(min_length=2, max_length=2)]


@with_config(STRICT)
class CapacityTable(TypedDict):
    """Provisioned capacity that follows its use."""

    read: Annotated[Range, Field(description="Least and most read units, as `[5, 100]`.")]
    write: Annotated[Range, Field(description="Least and most write units.")]
    target: NotRequired[Annotated[int, Field(ge=20, le=90, description="Percent of use to hold. Default 70.")]]


@with_config(STRICT)
class TableTable(TypedDict):
    """A DynamoDB table."""

    existing: NotRequired[Annotated[Existing, Field(description="A table's own name: used, never created.")]]
    key: NotRequired[Annotated[Key, Field(description='Hash key, then range key: `{ id = "S" }`.')]]
    indexes: NotRequired[
        Annotated[dict[Attribute, Key], Field(max_length=20, description="Global secondary indexes by name.")]
    ]
    capacity: NotRequired[
        Annotated[
            Annotated[Literal["on-demand"], Tag("text")] | Annotated[CapacityTable, Tag("table")],
            Discriminator(_text_or_table),
            Field(description="`on-demand` (default), or provisioned with autoscaling."),
        ]
    ]
    stream: NotRequired[
        Annotated[
            Literal["new-image", "old-image", "new-and-old-images", "keys-only"],
            Field(description="What its stream carries; none without it."),
        ]
    ]
    ttl: NotRequired[Annotated[Attribute, Field(description="Attribute that holds the time of expiry.")]]
    protected: NotRequired[Annotated[bool, Field(description="Refuse deletion. Default false.")]]
    backups: NotRequired[Annotated[bool, Field(description="Point-in-time recovery. Default false.")]]


@with_config(STRICT)
class DeadLetterTable(TypedDict):
    """Where messages go that cannot be handled."""

    after: Annotated[int, Field(ge=1, le=1000, description="Receives before a message moves.")]


@with_config(STRICT)
class QueueTable(TypedDict):
    """An SQS queue."""

    existing: NotRequired[Annotated[Existing, Field(description="A queue's own name: used, never created.")]]
    fifo: NotRequired[Annotated[bool, Field(description="First in, first out. Default false.")]]
    visibility: NotRequired[
        Annotated[Duration, Field(description="Time a consumer has; at least its timeout, at most 12h. Default 60s.")]
    ]
    dead_letter: NotRequired[Annotated[DeadLetterTable, Field(description="A dead-letter queue.")]]


@with_config(STRICT)
class PlainTable(TypedDict):
    """An SNS topic or S3 bucket."""

    existing: NotRequired[Annotated[Existing, Field(description="Its own name: used, never created.")]]


@with_config(STRICT)
class SecretTable(TypedDict):
    """A secret's container; `penstock secrets set` fills it."""

    existing: NotRequired[Annotated[Existing, Field(description="A secret's own name: used, never created.")]]
    generate: NotRequired[
        Annotated[Literal["dev-only"], Field(description="The embedded AWS makes up a value by itself.")]
    ]


@with_config(STRICT)
class ParameterTable(TypedDict):
    """A value in Parameter Store."""

    existing: NotRequired[Annotated[Existing, Field(description="A parameter's own name: used, never created.")]]
    value: NotRequired[
        Annotated[Text, Field(min_length=1, max_length=4096, description="First content; people keep it afterwards.")]
    ]


@with_config(STRICT)
class StatementTable(TypedDict):
    """An IAM statement by hand."""

    actions: Annotated[list[Action], Field(min_length=1, description="As `es:ESHttpGet`.")]
    resources: Annotated[list[ResourceValue], Field(min_length=1, description="ARNs, or `{ terraform = … }`.")]
    reason: Annotated[Plain, Field(description="Why; shown in reviews.")]


@with_config(STRICT)
class UsesTable(TypedDict):
    """What a service may touch besides what it owns."""

    tables: NotRequired[Annotated[dict[Name, TableAccess], Field(description="Access by table.")]]
    buckets: NotRequired[Annotated[dict[Name, BucketAccess], Field(description="Access by bucket.")]]
    queues: NotRequired[Annotated[list[Name], Field(description="Queues it sends to.")]]
    topics: NotRequired[Annotated[list[Name], Field(description="Topics it publishes to.")]]
    secrets: NotRequired[Annotated[list[Name], Field(description="Secrets it reads.")]]
    parameters: NotRequired[Annotated[list[Name], Field(description="Parameters it reads.")]]
    services: NotRequired[Annotated[list[Name], Field(description="Services it calls directly.")]]
    statements: NotRequired[Annotated[list[StatementTable], Field(description="Anything else, with a reason.")]]


@with_config(STRICT)
class Resources(TypedDict):
    """Resources by name; names are unique in the workspace."""

    tables: NotRequired[Annotated[dict[Name, TableTable], Field(description="DynamoDB tables.")]]
    queues: NotRequired[Annotated[dict[Name, QueueTable], Field(description="SQS queues.")]]
    topics: NotRequired[Annotated[dict[Name, PlainTable], Field(description="SNS topics.")]]
    buckets: NotRequired[Annotated[dict[Name, PlainTable], Field(description="S3 buckets.")]]
    secrets: NotRequired[Annotated[dict[Name, SecretTable], Field(description="Secrets.")]]
    parameters: NotRequired[Annotated[dict[Name, ParameterTable], Field(description="Parameters.")]]
