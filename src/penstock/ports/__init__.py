"""Everything that can be done to the world, as small Protocols.

`operations/` sees the world only through these. Each has one adapter in `adapters/` and one shipped fake in
`testing/`; the same contract tests (`tests/ports/`) run on both. Every call may raise the errors of
`penstock.model.errors`; those that callers are expected to handle are named in the docstrings.
All writes set absolute state, so that doing one twice is doing it once.
"""

from penstock.ports.account import (
    FunctionHealth,
    Health,
    Identity,
    Notices,
    Parameters,
    Schedules,
    Secrets,
    TableHealth,
)
from penstock.ports.functions import AliasState, Functions, FunctionState, Invocation, Provisioned
from penstock.ports.gateway import CanaryState, Gateway, HttpAnswer, StageState
from penstock.ports.machine import Clock, Command, CommandResult, Commands, EventSink, Files
from penstock.ports.metrics import Alarms, AlarmState, AlarmValue, Answered, MetricQuery, MetricQuestion, Metrics
from penstock.ports.store import ObjectStore, Signature, Signer, StoredObject
from penstock.ports.tools import Interpreters, LocalAws, LocalStatus, Terraform, TerraformPlan
from penstock.ports.webhooks import Webhooks

__all__ = [
    "AlarmState",
    "AlarmValue",
    "Alarms",
    "AliasState",
    "Answered",
    "CanaryState",
    "Clock",
    "Command",
    "CommandResult",
    "Commands",
    "EventSink",
    "Files",
    "FunctionHealth",
    "FunctionState",
    "Functions",
    "Gateway",
    "Health",
    "HttpAnswer",
    "Identity",
    "Interpreters",
    "Invocation",
    "LocalAws",
    "LocalStatus",
    "MetricQuery",
    "MetricQuestion",
    "Metrics",
    "Notices",
    "ObjectStore",
    "Parameters",
    "Provisioned",
    "Schedules",
    "Secrets",
    "Signature",
    "Signer",
    "StageState",
    "StoredObject",
    "TableHealth",
    "Terraform",
    "TerraformPlan",
    "Webhooks",
]
