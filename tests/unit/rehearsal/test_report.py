"""From what was seen to the few figures that people ask for, and to the page with the curves."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from penstock.rehearsal.page import page
from penstock.rehearsal.report import Asked, Call, Judged, Moved, Seen, lines, report

REASON = "users: 14 of 312 canary calls failed; e = 480 ≥ 100 → roll back"
SEEN = Seen(
    environment="production",
    strategy="canary",
    faults=("errors=0.05",),
    rate=60,
    scale=20,
    began=1000.0,
    ended=1031.0,
    status=3,
    words="release a1 went back",
    moves=(Moved(1006.0, 10, "10 % of the traffic goes to it"), Moved(1030.0, 10, f"goes back: {REASON}")),
    judged=(Judged(1015.0, "INCONCLUSIVE", "no <worse> so far", 0.2), Judged(1029.9, "FAIL", REASON, 2.68)),
    calls=(
        *(Call(1001.0 + number / 10, "users", "stable", 0.010, failed=False) for number in range(290)),
        *(Call(1006.0 + number, "users", "candidate", 0.020, failed=number % 5 == 0) for number in range(25)),
    ),
    asked=(
        Asked(1001.0, 0.01, 502),
        *(Asked(1010.0 + number, 0.01, 200) for number in range(18)),
        Asked(1011.0, 0.01, 0),
        Asked(1012.0, 0.01, 404),
    ),
    hits={"errors=0.05": 5, "driver-killed": 1},
)


def test_a_release_that_came_back() -> None:
    found = report(SEEN)
    assert found.outcome == "rolled-back"
    assert found.detected == pytest.approx(8.0), "24 s at 20 times the speed"
    assert found.reverted == pytest.approx(0.0)
    assert found.promoted is None
    assert (found.requests, found.failed, found.failed_before) == (21, 2, 1), "404 is the caller's own"
    assert (found.candidate.calls, found.candidate.failed) == (25, 5)
    assert found.candidate.p50 == pytest.approx(20.0)
    assert found.why == REASON
    assert lines(found)[0] == f"rolled back: {REASON}"
    assert "time to detect: 8.0 min" in "\n".join(lines(found))
    assert "errors=0.05 struck 5 calls; driver-killed struck 1 driver" in lines(found)
    assert found.to_json()["hits"] == {"errors=0.05": 5, "driver-killed": 1}


def test_who_was_due_before_the_candidate_had_traffic_and_was_answered_after_was_not_let_down_before() -> None:
    found = report(replace(SEEN, asked=(*SEEN.asked, Asked(1001.0, 9.0, 500))))
    assert (found.failed, found.failed_before) == (3, 1)


def test_callers_that_the_machine_lets_wait_are_told() -> None:
    assert "callers waited" not in "\n".join(lines(report(SEEN)))
    found = report(replace(SEEN, asked=(*SEEN.asked, Asked(1013.0, 12.0, 200))))
    assert found.slowest == pytest.approx(12.0)
    assert "callers waited up to 12 s from when they were due" in "\n".join(lines(found))


def test_a_release_that_was_promoted() -> None:
    passed = Judged(1029.0, "PASS", "users: no worse", -1.0)
    found = report(replace(SEEN, status=0, moves=SEEN.moves[:1], judged=(passed,), ended=1036.0))
    assert (found.outcome, found.why) == ("promoted", "users: no worse")
    assert found.promoted == pytest.approx(10.0)
    assert (found.detected, found.reverted) == (None, None)


def test_one_that_nobody_could_tell_of_says_how_to_get_more_calls() -> None:
    def told(**changes: Any) -> list[str]:
        seen = replace(SEEN, status=7, **changes)
        return [line for line in lines(report(seen)) if line.startswith("twice as many calls")]

    late = (*SEEN.asked, Asked(1013.0, 12.0, 200))
    slower = f"twice as many calls in the same minutes: --time-scale {SEEN.scale / 2:g}"
    assert told() == [f"{slower} or --rate {SEEN.rate * 2:g}"]
    assert told(asked=late) == [slower]
    assert told(asked=late, scale=1.0) == []
    assert "twice as many" not in "\n".join(lines(report(SEEN)))


def test_a_release_that_never_had_traffic() -> None:
    found = report(replace(SEEN, status=5, moves=(), judged=(), calls=(), words="4 of 5 checks failed"))
    assert (found.outcome, found.why) == ("refused", "4 of 5 checks failed")
    assert (found.candidate.p50, found.detected) == (None, None)
    assert "candidate: no calls" in lines(found)


def test_a_deploy_that_broke_is_not_taken_for_an_answer() -> None:
    assert report(replace(SEEN, status=1)).outcome == "failed"


class _Checked(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.external += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag not in {"meta", "line", "rect", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "rect", "polyline"}:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    "seen",
    [SEEN, replace(SEEN, status=5, moves=(), judged=(), calls=(), asked=()), replace(SEEN, ended=SEEN.began)],
    ids=["whole", "never had traffic", "over at once"],
)
def test_the_page_needs_nothing_else_and_says_what_the_text_says(seen: Seen) -> None:
    found = report(seen)
    text = page(seen, found, alpha=0.01)
    checked = _Checked()
    checked.feed(text)
    assert checked.open == []
    assert checked.external == []
    assert "http" not in text.replace("http-equiv", "")
    assert "<worse>" not in text, "what functions and people wrote is text, not HTML"
    assert "1970-01-01 00:16 UTC" in text
    for line in lines(found):
        assert line.partition(":")[0] in text
    drawn = [
        float(number)
        for points in re.findall(r'points="([^"]*)"', text)
        for number in re.split(r"[ ,]", points)
        if number
    ]
    assert all(0 <= number <= 900 for number in drawn)
    axes = [float(label.replace(",", "")) for label in re.findall(r'text-anchor="end">([\d.,]+)<', text)]
    assert all(label == float(f"{label:.2g}") for label in axes), "figures that are read at a glance"
    for words in ("good enough", "goes back", "not decided yet"):
        assert words in text, "the colours of the judge's strip are explained"
