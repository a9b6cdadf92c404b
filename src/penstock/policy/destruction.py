"""Nothing that holds data goes away unless it was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def destruction(question: Question) -> Iterable[Objection]:
    """Refuse deletes and replacements of data-bearing resources that were not accepted by address."""
    for change in question.plan.changes:
        kind = HOLDS_DATA.get(change.type)
        if kind is None or change.action not in ("delete", "replace") or change.address in question.allow_destroy:
            continue
        verb = "deletes" if change.action == "delete" else "replaces (deletes and makes anew)"
        yield Objection(
            gate="destruction",
            what=f"the plan {verb} the {kind} {change.address}, with the data in it",
            hint=f"if that is meant: penstock deploy -e {question.environment.name} --allow-destroy '{change.address}'",
        )
