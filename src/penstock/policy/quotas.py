"""AWS's quotas as numbers, before AWS says no half-way.

Source: Amazon API Gateway quotas, "Resources per API: 300" (can be raised on request).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.policy.question import Question

RESOURCES_PER_API = 300


def quotas(question: Question) -> Iterable[Objection]:
    """Refuse an API document with more resources than one REST API may have."""
    if question.api_resources > RESOURCES_PER_API:
        yield Objection(
            gate="quotas",
            what=f"the API has {question.api_resources} resources; API Gateway allows {RESOURCES_PER_API} "
            "(quota “Resources per API”)",
            hint="use a greedy path such as /users/{proxy+}, split the workspace, or have the quota raised",
        )
