"""Least privilege, tried: every role x action x thing, with the credentials that Lambda gives to the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeys.privileges import administrators, declared, matrix

if TYPE_CHECKING:
    from journeys.shop import Shop


def test_roles_may_do_what_the_manifests_say_and_nothing_else(everywhere: Shop) -> None:
    tried = matrix(everywhere)
    assert {cell for cell, allowed in tried.items() if allowed} == declared(everywhere)
    foreign = [allowed for (_, _, thing), allowed in tried.items() if thing.startswith("staging ")]
    assert len(foreign) > 250
    assert not any(foreign)


def test_what_is_denied_is_there_and_answers_the_administrator(everywhere: Shop) -> None:
    ended = administrators(everywhere)
    assert {cell: outcome for cell, outcome in ended.items() if outcome != "passed"} == {}


def test_one_line_of_uses_flips_exactly_its_cells(everywhere: Shop) -> None:
    before = matrix(everywhere)
    everywhere.append("services/catalog_service/service.toml", '\n[uses]\ntables = { users = "check" }\n')
    everywhere.shipped()
    after = matrix(everywhere)
    assert {cell for cell in after if after[cell] != before[cell]} == {
        ("catalog_service", "ConditionCheckItem", "dev table users")
    }
    assert {cell for cell, allowed in after.items() if allowed} == declared(everywhere)
