"""The shape of a rollout's gates: metrics that must stay within limits, and webhooks that are asked."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from penstock.workspace.fields import Duration, Header, Name, Plain, Statistic, Term, Text, Url
from penstock.workspace.schema_resources import STRICT

Dimensions = Annotated[dict[Plain, Plain], Field(max_length=30)]
Limit = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


@with_config(STRICT)
class TermTable(TypedDict):
    """One series of CloudWatch's, under the name that an expression gives it."""

    namespace: Annotated[Plain, Field(description="`AWS/Lambda`, or your own.")]
    metric: Annotated[Plain, Field(description="Name of the metric.")]
    statistic: Annotated[Statistic, Field(description="`Sum`, `Average`, `p95` and so on.")]
    dimensions: NotRequired[
        Annotated[Dimensions, Field(description="All of them; `{candidate}` and `{stable}` are the slots' names.")]
    ]


@with_config(STRICT)
class MetricTable(TypedDict):
    """A number of CloudWatch's that must stay within limits: one series, or an expression."""

    name: Annotated[Name, Field(description="What people call it.")]
    namespace: NotRequired[Annotated[Plain, Field(description="Of one series: `AWS/Lambda`, or your own.")]]
    metric: NotRequired[Annotated[Plain, Field(description="Of one series: its name.")]]
    statistic: NotRequired[Annotated[Statistic, Field(description="Of one series: `Sum`, `Average`, `p95` and so on.")]]
    dimensions: NotRequired[
        Annotated[
            Dimensions,
            Field(description="Of one series: all of them; `{candidate}` and `{stable}` are the slots' names."),
        ]
    ]
    expression: NotRequired[
        Annotated[
            Text,
            Field(
                min_length=1,
                max_length=2048,
                description="Instead of one series: metric math over `terms`, or a query of Metrics Insights.",
            ),
        ]
    ]
    terms: NotRequired[
        Annotated[dict[Term, TermTable], Field(min_length=1, max_length=20, description="What is in the expression.")]
    ]
    period: NotRequired[
        Annotated[
            Duration,
            Field(
                description="Of one point, whole minutes; at most `30m` with `max_rise` or `max_fall`. Default `1m`."
            ),
        ]
    ]
    max: NotRequired[Annotated[Limit, Field(description="A larger value is a failing point.")]]
    min: NotRequired[Annotated[Limit, Field(description="A smaller value is a failing point.")]]
    max_rise: NotRequired[
        Annotated[
            Share,
            Field(description="Share by which it may be above its median of the hour before the rollout: 0.2 is 20 %."),
        ]
    ]
    max_fall: NotRequired[
        Annotated[Share, Field(description="Share by which it may be below its median of the hour before.")]
    ]
    missing: NotRequired[
        Annotated[
            Literal["inconclusive", "zero", "fail"],
            Field(
                description="What a point without data is: nothing that can be told, 0, or a failing point. Default "
                "`inconclusive`."
            ),
        ]
    ]
    failures: NotRequired[
        Annotated[int, Field(ge=1, le=60, description="Failing points in a row that take traffic back. Default 2.")]
    ]


@with_config(STRICT)
class SecretReferenceTable(TypedDict):
    """A value that is kept in Secrets Manager."""

    secret: Annotated[Name, Field(description="Name of a secret of the workspace.")]


@with_config(STRICT)
class WebhookTable(TypedDict):
    """Something that is asked over HTTP whether the rollout may go on."""

    name: Annotated[Name, Field(description="What people call it.")]
    url: Annotated[Url, Field(max_length=2000, description="`https`; it gets a POST with JSON.")]
    when: Annotated[
        Literal["before-traffic", "each-step", "promotion"],
        Field(
            description="Before any traffic; after each bake and before all traffic; or only before all traffic.",
        ),
    ]
    timeout: NotRequired[Annotated[Duration, Field(description="Of one request, at most `20s`. Default `10s`.")]]
    retries: NotRequired[
        Annotated[
            int,
            Field(
                ge=0,
                le=3,
                description="Further requests soon after one without a usable answer; then one a minute. Default 2.",
            ),
        ]
    ]
    deadline: NotRequired[
        Annotated[Duration, Field(description="When traffic goes back if it has not said yes. Default `10m`.")]
    ]
    headers: NotRequired[
        Annotated[
            dict[Header, SecretReferenceTable],
            Field(max_length=10, description='Headers whose values are secrets: `{ secret = "qa_token" }`.'),
        ]
    ]
    secret: NotRequired[
        Annotated[Name, Field(description="Secret that signs the body, in `X-Hub-Signature-256`, as GitHub does it.")]
    ]
