"""The order of a rehearsal, over a place that plays its part from a script."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import Verbs

from penstock.model.errors import Interrupted, PenstockError, UsageError
from penstock.operations.rehearse import Rehearsing, rehearse
from penstock.rehearsal.faults import parse
from penstock.rehearsal.report import Asked, Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.model.rollouts import Request
    from penstock.model.workspace import Workspace

UP: list[Mapping[str, Any]] = [
    {"event": "result", "url": "http://127.0.0.1:1/@shop-dev/", "at": 1.0},
    {"event": "ended", "status": 0, "at": 2.0},
]
MOVED = {"event": "rollout-moved", "weight": 10, "what": "10 % of the traffic goes to it", "at": 3.0}
JUDGED: Mapping[str, Any] = {
    "event": "rollout-judged",
    "verdict": "FAIL",
    "sentence": "e = 480",
    "evidence": {"log10_e": 2.7},
    "at": 4.0,
}
BACK: Mapping[str, Any] = {"event": "rollout-moved", "weight": 10, "what": "goes back: e = 480", "at": 5.0}


def ended(status: int) -> Mapping[str, Any]:
    return {"event": "ended", "status": status, "at": 6.0}


@dataclass
class Script:
    """What each deploy tells, and what the place was told to do."""

    deploys: list[list[Mapping[str, Any]]]
    done: list[str] = field(default_factory=list)
    killed: bool = False
    rings: list[tuple[str, ...]] = field(default_factory=list)

    def bring(self, ref: str | None) -> None:
        self.done.append(f"bring {ref}")

    def start(self) -> None:
        self.done.append("start")

    def deploy(self, side: str, environment: str, strategy: str | None) -> Iterator[Mapping[str, Any]]:
        self.done.append(f"deploy {side} {environment} {strategy}")
        self.killed = False
        for event in self.deploys.pop(0):
            if self.killed:
                yield ended(-9)
                return
            yield event

    def kill(self) -> None:
        self.done.append("kill")
        self.killed = True

    def fail(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self.done.append(f"fail {[fault['kind'] for fault in faults]}")

    def hits(self) -> Mapping[str, int]:
        return {"errors candidate": 3, "errors both": 5, "latency candidate": 7}

    def ringing(self) -> tuple[str, ...]:
        self.done.append("ringing")
        return self.rings.pop(0) if self.rings else ()

    def calls(self) -> tuple[Call, ...]:
        self.done.append("calls")
        return (Call(1.0, "users", "stable", 0.01, failed=False),)


class Crowd:
    asked = (Asked(1e12, 0.01, 200), Asked(0.0, 1e12, 200), Asked(0.0, 0.01, 502))


@contextmanager
def crowd(url: str, requests: Sequence[Request], rate: float) -> Iterator[Crowd]:
    assert (url, tuple(requests), rate) == ("http://127.0.0.1:1/@shop-dev", (), 60)
    yield Crowd()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Verbs(root=tmp_path).workspace


def rehearsing(*faults: str, stable: str | None = None) -> Rehearsing:
    parsed = tuple(map(parse, faults))
    return Rehearsing(faults=parsed, requests=(), rate=60, scale=20, before=10, strategy="canary", stable=stable)


def run(workspace: Workspace, script: Script, wanted: Rehearsing) -> Any:
    waited: list[float] = []
    seen = rehearse(workspace, script, wanted, load=crowd, tell=lambda _: None, sleep=waited.append)
    assert waited[0] == pytest.approx(30), "ten minutes at twenty times the speed"
    return seen


@pytest.mark.parametrize("fault", ["errors=0.2", "cold-start=2"])
def test_faults_begin_with_the_candidates_first_traffic(workspace: Workspace, fault: str) -> None:
    script = Script([UP, [MOVED, JUDGED, BACK, ended(3)]])
    seen = run(workspace, script, rehearsing(fault))
    environment = workspace.environment.name
    assert script.done == [
        "start",
        "bring None",
        f"deploy stable {environment} all-at-once",
        "calls",
        "fail []",
        f"deploy candidate {environment} canary",
        f"fail ['{fault.partition('=')[0]}']",
        "calls",
    ]
    assert (seen.status, seen.ended, len(seen.moves), seen.judged[0].log10_e) == (3, 6.0, 2, 2.7)
    assert len(seen.asked) == 2, "what was answered before the candidate came is left out, what was late then is not"


def test_a_candidate_that_crashes_does_so_from_its_start(workspace: Workspace) -> None:
    script = Script([UP, [{"event": "error", "what": "1 of 1 checks failed", "at": 3.0}, ended(5)]])
    seen = run(workspace, script, rehearsing("init-crash"))
    assert "fail ['init-crash']" in script.done
    assert (seen.status, seen.words) == (5, "1 of 1 checks failed")


def test_a_killed_driver_is_followed_by_the_same_command_once(workspace: Workspace) -> None:
    script = Script([UP, [MOVED, JUDGED, ended(0)], [JUDGED, ended(0)]])
    seen = run(workspace, script, rehearsing("driver-killed"))
    assert [step for step in script.done if step == "kill" or step.startswith("deploy candidate")] == [
        f"deploy candidate {workspace.environment.name} canary",
        "kill",
        f"deploy candidate {workspace.environment.name} canary",
    ]
    assert (seen.status, len(seen.judged)) == (0, 1)
    assert seen.hits == {"driver-killed": 1}


def test_a_driver_that_had_ended_before_it_was_killed_is_not_told_as_killed(workspace: Workspace) -> None:
    class TooLate(Script):
        def kill(self) -> None:
            self.done.append("kill")

    seen = run(workspace, TooLate([UP, [MOVED, ended(0)], [ended(0)]]), rehearsing("driver-killed"))
    assert seen.hits == {"driver-killed": 0}


def test_what_struck_is_told_by_fault(workspace: Workspace) -> None:
    seen = run(workspace, Script([UP, [MOVED, ended(0)]]), rehearsing("errors=0.2", "incident=0.1", "cold-start=2"))
    assert seen.hits == {"errors=0.2": 3, "incident=0.1": 5, "cold-start=2": 0}


def test_the_candidate_comes_when_an_alarm_rings_and_the_stable_release_goes_on_failing(workspace: Workspace) -> None:
    script = Script([UP, [MOVED, ended(0)]], rings=[(), ("shop-dev-rollout-api",)])
    run(workspace, script, rehearsing("alarm-ringing"))
    incident = "fail ['errors', 'alarm-ringing']"
    assert [step for step in script.done[3:] if not step.startswith("deploy")] == [
        incident,
        "ringing",
        "ringing",
        "calls",
        incident,
        incident,
        "calls",
    ]


def test_where_no_alarm_rings_nothing_is_shipped(workspace: Workspace) -> None:
    script = Script([UP])
    with pytest.raises(PenstockError, match="no alarm rings") as told:
        run(workspace, script, rehearsing("alarm-ringing"))
    assert "--rate" in (told.value.hint or "")


def test_another_commit_is_live_before(workspace: Workspace) -> None:
    script = Script([UP, [MOVED, ended(0)]])
    run(workspace, script, rehearsing(stable="v1"))
    assert [step for step in script.done if step.startswith("bring")] == ["bring v1", "bring None"]


def test_without_a_stable_release_there_is_nothing_to_rehearse(workspace: Workspace) -> None:
    broken: list[Mapping[str, Any]] = [{"event": "error", "what": "no lock", "where": "uv.lock", "at": 1.0}, ended(2)]
    with pytest.raises(PenstockError, match="did not come up") as told:
        rehearse(workspace, Script([broken]), rehearsing(), load=crowd, tell=lambda _: None, sleep=lambda _: None)
    assert "no lock" in told.value.what
    with pytest.raises(UsageError, match="has no API"):
        rehearse(workspace, Script([[ended(0)]]), rehearsing(), load=crowd, tell=lambda _: None, sleep=lambda _: None)


def test_who_presses_ctrl_c_while_the_stable_release_goes_up_is_not_told_of_a_fault(workspace: Workspace) -> None:
    with pytest.raises(Interrupted, match="nothing was rehearsed"):
        rehearse(workspace, Script([[ended(130)]]), rehearsing(), load=crowd, tell=lambda _: None, sleep=lambda _: None)
