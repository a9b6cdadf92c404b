"""Nothing that holds data goes away unless it was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.plan import Plan, ResourceChange
    from penstock.policy.question import Question

HOLDS_DATA = {
    "aws_dynamodb_table": "table",
    "aws_sqs_queue": "queue",
    "aws_s3_bucket": "bucket",
    "aws_secretsmanager_secret": "secret",
    "aws_ssm_parameter": "parameter",
    "aws_rds_cluster": "database",
    "aws_db_instance": "database",
    "aws_efs_file_system": "file system",
    "aws_opensearch_domain": "search domain",
}


def loses_no_data_but(change: ResourceChange, plan: Plan) -> bool:
    """Whether a change loses no data, or only what was named: the resource itself, or the module around it."""
    if change.type not in HOLDS_DATA or change.action not in ("delete", "replace"):
        return True
    return any(change.address == allowed or change.address.startswith(f"{allowed}.") for allowed in plan.allow_destroy)


def destruction(question: Question) -> Iterable[Objection]:
    """Refuse deletes and replacements of data-bearing resources that were not accepted by address."""
    for change in question.plan.changes:
        kind = HOLDS_DATA.get(change.type)
        if kind is None or loses_no_data_but(change, question.plan):
            continue
        verb = "deletes" if change.action == "delete" else "replaces (deletes and makes anew)"
        yield Objection(
            gate="destruction",
            what=f"the plan {verb} the {kind} {change.address}, with the data in it",
            hint=f"if that is meant: penstock deploy -e {question.environment.name} --allow-destroy '{change.address}'",
        )
