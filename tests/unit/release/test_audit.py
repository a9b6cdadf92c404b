"""What a ledger tells: commands with their ends, and DORA's figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock.cli.verbs.audit import figures_text
from penstock.release.audit import figures, runs
from penstock.release.ledger import Head, follow, head_of

Said = tuple[str, str, str, dict[str, Any]]
ALICE = "arn:aws:iam::111111111111:user/alice"


def chain(*said: Said) -> list[Any]:
    """Entries of these times (minutes and seconds past noon), runs, kinds and data."""
    head, entries = Head(), []
    for time, run, kind, data in said:
        entries.append(
            follow(head, at=f"2026-01-01T12:{time}.000000+00:00", actor=ALICE, run=run, kind=kind, data=data)
        )
        head = head_of(entries[-1])
    return entries


def moved(release: str, previous: str | None, why: str) -> dict[str, Any]:
    return {"release": release, "previous": previous, "why": why}


SHIPPED: tuple[Said, ...] = (
    ("00:00", "1", "began", {"purpose": "deploy release one"}),
    ("00:01", "1", "approved", {"plan": "p", "by": [ALICE]}),
    ("00:02", "1", "traffic-moved", moved("one", None, "promotion")),
    ("00:03", "1", "ended", {"purpose": "deploy release one"}),
)
BACK: tuple[Said, ...] = (
    ("10:00", "2", "began", {"purpose": "deploy release two"}),
    ("10:02", "2", "traffic-moved", moved("two", "one", "promotion")),
    ("10:03", "2", "ended", {"purpose": "deploy release two"}),
    ("12:00", "3", "began", {"purpose": "rollback"}),
    ("12:02", "3", "traffic-moved", moved("one", "two", "rollback")),
    ("12:03", "3", "ended", {"purpose": "rollback"}),
)
JUDGED: tuple[Said, ...] = (
    ("20:00", "4", "began", {"purpose": "deploy release three"}),
    ("20:10", "4", "rollout", {"release": "three", "what": "10 % of the traffic goes to it", "weight": 10,
                               "evidence": {"sentence": "nothing yet"}}),
    ("21:10", "4", "rollout", {"release": "three", "what": "goes back: users", "weight": 10,
                               "evidence": {"sentence": "users: 5 of 12 canary calls failed"}}),
    ("21:11", "4", "effect", {"intent": 1, "done": 1, "outcomes": []}),
    ("21:11", "4", "failed", {"error": "CameBack", "what": "release three went back to one",
                              "purpose": "deploy release three"}),
)  # fmt: skip


def test_every_command_is_told_with_its_end() -> None:
    told = runs(chain(*SHIPPED, *BACK, *JUDGED))
    assert [(run.what, run.outcome) for run in told] == [
        ("deploy release one", "promoted"),
        ("deploy release two", "promoted"),
        ("rollback", "rolled back"),
        ("deploy release three", "came back"),
    ]
    assert told[0].approved_by == (ALICE,)
    assert told[0].seconds == 3.0
    assert told[-1].evidence == "users: 5 of 12 canary calls failed"


def test_a_command_that_was_killed_is_unfinished() -> None:
    assert [run.outcome for run in runs(chain(*SHIPPED[:3]))] == ["unfinished"]


def test_ctrl_c_is_an_end_and_tells_where_traffic_is() -> None:
    began: Said = ("20:00", "4", "began", {"purpose": "deploy release three"})
    share: Said = (
        "20:10",
        "4",
        "rollout",
        {"release": "three", "what": "10 % of the traffic goes to it", "weight": 10},
    )
    leaves: Said = ("21:10", "4", "rollout", {"release": "three", "what": "goes back: interrupted", "weight": 10})
    left: Said = ("21:11", "4", "effect", {"intent": 1, "done": 1, "outcomes": []})
    pressed: Said = ("21:12", "4", "interrupted", {"purpose": "deploy release three"})
    promoted: Said = ("21:11", "4", "traffic-moved", moved("three", "one", "promotion"))
    back: Said = ("21:11", "4", "traffic-moved", moved("one", "three", "interrupted"))
    by_the_next: Said = ("22:11", "5", "effect", {"intent": 1, "done": 1, "outcomes": []})

    def outcome(*said: Said) -> str:
        return runs(chain(*said))[0].outcome

    assert outcome(began, pressed) == "interrupted"
    assert outcome(began, share, leaves, left, pressed) == "came back"
    assert outcome(began, share, leaves, pressed) == "interrupted"  # twice
    assert outcome(began, promoted, pressed) == "promoted"
    assert outcome(began, promoted, leaves, left, back, pressed) == "came back"
    assert outcome(began, share, leaves, by_the_next) == "unfinished"  # killed


def test_a_visit_that_aws_refused_is_no_end_of_what_a_later_one_promoted() -> None:
    said: tuple[Said, ...] = (
        ("20:00", "4", "began", {"purpose": "deploy release three"}),
        ("20:01", "4", "detached", {"release": "three", "rollout": "three-4"}),
        ("20:02", "4", "ended", {"purpose": "deploy release three"}),
        ("21:00", "4", "failed", {"error": "RemoteFault", "what": "ServiceUnavailable", "purpose": "look after"}),
        ("22:00", "4", "traffic-moved", moved("three", "one", "promotion")),
        ("22:01", "4", "ended", {"purpose": "look after the rollout of release three"}),
    )
    assert runs(chain(*said))[0].outcome == "promoted"
    assert runs(chain(*said[:-2]))[0].outcome == "failed"


def test_the_figures_count_what_went_back_and_for_how_long_it_had_traffic() -> None:
    found = figures(chain(*SHIPPED, *BACK, *JUDGED))
    assert (found.promotions, found.shared) == (2, 1), "three had a share only"
    assert found.failed_share == round(2 / 3, 4)
    assert found.restore_seconds == (120.0 + 61.0) / 2


def test_how_long_going_back_took_is_told_for_the_judge_and_for_people() -> None:
    told = runs(chain(*SHIPPED, *BACK, *JUDGED))
    assert [run.back for run in told] == [None, None, None, 1.0]
    by_hand: tuple[Said, ...] = (
        ("30:00", "5", "rolling-back", {"from": "two", "to": "one", "why": "customers call"}),
        ("30:02", "5", "traffic-moved", moved("one", "two", "rollback")),
    )
    (back,) = runs(chain(*by_hand))
    assert back.back == 2.0
    assert back.orders == (f"rollback by {ALICE}: customers call",)


def test_how_long_going_back_took_is_told_as_well_where_the_driver_died_and_the_next_command_did_it() -> None:
    cut_short = JUDGED[:3]
    told = runs(
        chain(
            *cut_short,
            ("24:00", "5", "began", {"purpose": "deploy release three"}),
            ("24:01", "5", "effect", {"intent": 1, "done": 1, "outcomes": []}),
        )
    )
    assert [run.back for run in told] == [171.0, None]
    turned_down = (("20:00", "6", "rollout", {**JUDGED[2][3], "weight": 0}), ("20:01", "6", *JUDGED[4][2:]))
    assert runs(chain(*turned_down, JUDGED[3]))[0].back is None, "it had no traffic to take back"


def test_what_people_said_to_a_rollout_is_told_with_who_and_why_and_a_yes_is_an_approval() -> None:
    bob = "arn:aws:iam::111111111111:user/bob"
    (told,) = runs(
        chain(
            *JUDGED[:2],
            ("20:20", "4", "order", {"release": "three", "verb": "pause", "by": bob, "why": "lunch"}),
            ("20:30", "4", "order", {"release": "three", "verb": "approve", "by": bob, "why": ""}),
        )
    )
    assert told.orders == (f"pause by {bob}: lunch", f"approve by {bob}")
    assert told.approved_by == (bob,)


def test_a_share_of_the_traffic_that_somebody_else_takes_back_counts_as_gone_back() -> None:
    found = figures(
        chain(
            *JUDGED[:2],
            ("25:10", "5", "rollout", {"release": "three", "what": f"goes back: aborted by {ALICE}", "weight": 10}),
            ("25:11", "5", "effect", {"intent": 1, "done": 1, "outcomes": []}),
            ("25:12", "5", "aborting", {"release": "three", "why": ""}),
        )
    )
    assert (found.promotions, found.shared, found.failed_share, found.restore_seconds) == (0, 1, 1.0, 301.0)


def test_a_release_that_went_back_and_is_promoted_later_counts_once_for_each() -> None:
    again: tuple[Said, ...] = (
        ("30:00", "6", "began", {"purpose": "deploy release three"}),
        ("30:10", "6", "rollout", {"release": "three", "what": "10 % of the traffic goes to it", "weight": 10}),
        ("30:11", "6", "effect", {"intent": 1, "done": 1, "outcomes": []}),
        ("35:00", "6", "traffic-moved", moved("three", "one", "promotion")),
        ("35:01", "6", "effect", {"intent": 2, "done": 1, "outcomes": []}),
    )
    found = figures(chain(*JUDGED, *again))
    assert (found.promotions, found.shared, found.failed_share) == (1, 1, 0.5)


def test_a_promotion_that_is_told_twice_and_taken_back_counts_once() -> None:
    """A crash has it told twice; then an abort takes it back, by calls of which the ledger tells as of a share's."""
    twice: tuple[Said, ...] = (
        *BACK[:2],
        ("11:00", "3", "traffic-moved", moved("two", "one", "promotion")),
        ("12:00", "3", "rollout", {"release": "two", "what": "goes back: aborted", "weight": 50}),
        ("12:01", "3", "effect", {"intent": 1, "done": 1, "outcomes": []}),
        ("12:02", "3", "traffic-moved", moved("one", "two", "aborted")),
    )
    found = figures(chain(*SHIPPED, *twice))
    assert (found.promotions, found.shared, found.failed_share, found.restore_seconds) == (2, 0, 0.5, 119.0)


def test_lead_time_is_from_the_commit_to_all_traffic_of_releases_whose_commit_is_known() -> None:
    noon = datetime.fromisoformat("2026-01-01T12:00:00+00:00").timestamp()
    ledger = chain(*SHIPPED, *BACK, *JUDGED)
    assert figures(ledger).lead_seconds is None
    known = {"one": noon - 58, "two": noon + 2, "three": noon}
    assert figures(ledger, known).lead_seconds == (60.0 + 600.0) / 2, "three never had all traffic"
    assert figures(ledger, {"one": noon + 3}).lead_seconds is None, "a commit of after it is not what it was made from"


def test_the_figures_are_told_in_one_line() -> None:
    found = figures(chain(*SHIPPED, *BACK, *JUDGED), {"one": 0.0})
    told = figures_text(replace(found, lead_seconds=7800.0))
    assert told == (
        "2 promotions and 1 with a share only in 21 min 11 s, 2 h 10 min from commit to all traffic; "
        "66.7% went back, at the median after 1 min 30 s"
    )
    assert figures_text(figures(chain(*SHIPPED))) == "1 promotion in 3.00 s; 0.0% went back"


def test_an_empty_ledger_has_no_figures() -> None:
    found = figures([])
    assert (found.promotions, found.failed_share, found.restore_seconds) == (0, None, None)
