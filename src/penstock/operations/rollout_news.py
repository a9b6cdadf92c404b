"""What a rollout says: to those who watch, to the ledger, and at its end."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, Inconclusive, Refused
from penstock.model.events import Note, RolloutJudged, RolloutMoved
from penstock.operations.bypass import who_may_bypass
from penstock.release.share import UNEVEN
from penstock.rollout.advance import open_sentence, step_of
from penstock.rollout.gates import finding
from penstock.rollout.minutes import MINUTE, first_judged
from penstock.rollout.strategies import Approve, Bake, Consult, Pause
from penstock.rollout.traffic import findings
from penstock.rollout.verdict import Verdict

if TYPE_CHECKING:
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.judge import Judgement
    from penstock.rollout.state import Observation, Rollout


def tell_news(  # noqa: PLR0917 - what was, what is, and what is thought of it
    world: World, session: Session, before: Rollout, now: Rollout, seen: Observation, judgement: Judgement
) -> None:
    """What is new, to those who watch and to the ledger."""
    is_open = before.reverting is None and now.outcome is None  # what is decided is not judged any more
    if is_open and (seen.until > before.judged or _have_gates_news(before, now)):
        world.events.emit(
            RolloutJudged(
                release=now.release,
                weight=seen.weight if seen.weight is not None else UNEVEN,
                verdict=judgement.verdict.name,
                sentence=judgement.sentence,
                evidence=judgement.to_json(),
            )
        )
    for what in (*_astray(before, now, seen), *_news(before, now), *_traffic(world, before, now)):
        world.events.emit(RolloutMoved(release=now.release, weight=now.weight, what=what))
        session.record(
            "rollout", {"release": now.release, "weight": now.weight, "what": what, "evidence": judgement.to_json()}
        )
    for text in _first_look(before, now, seen.now):
        world.events.emit(Note(text=text))
    for what in _progress(before, now):
        world.events.emit(RolloutMoved(release=now.release, weight=now.weight, what=what))


def _astray(before: Rollout, now: Rollout, seen: Observation) -> list[str]:
    """What is said of a weight that nobody asked for: once, when it is found."""
    if before.moving or not now.moving or now.weight != before.weight or now.reverting or seen.weight is None:
        return []
    found = "differs between its callers" if seen.weight == UNEVEN else f"was {seen.weight} %"
    return [f"its weight {found} instead of {now.weight} %: somebody else changed it, or a move was cut short"]


def _have_gates_news(before: Rollout, now: Rollout) -> bool:
    """Whether a gate was looked at that is not well."""
    known = {gate.metric.name: gate for gate in before.gates}
    return any(gate != known.get(gate.metric.name) and finding(gate).verdict is not Verdict.PASS for gate in now.gates)


def _news(before: Rollout, now: Rollout) -> list[str]:
    """What has happened between two states, one sentence each."""
    found = []
    if now.weight != before.weight:
        found.append(f"{now.weight} % of the traffic goes to it")
    if now.held != before.held:
        found.append(f"held: {now.held}" if now.held else "goes on")
    if _has_passed(now) and not _has_passed(before):
        asks = any(isinstance(step, Pause | Approve) for step in now.steps[now.at :])
        hooks = any(isinstance(step, Consult) for step in now.steps[now.at :])
        next_one = "people come" if asks else "webhooks come" if hooks else "all traffic comes"
        found.append(f"passed: {next_one} next")
    if now.slow and before.slow is not None and now.slow != before.slow:
        new_limits = {side: slow for side, slow in now.slow.items() if side not in before.slow}
        told = ", ".join(f"{side} above {slow:,.0f} ms" for side, slow in sorted(new_limits.items()))
        found.append(f"what is slow is known now: {told}")
    said = {(reply.step, reply.webhook): reply.verdict for reply in before.replies}
    found += [f"webhook {one.sentence}" for one in now.replies if said.get((one.step, one.webhook)) is not one.verdict]
    faults = {gate.metric.name: gate.fault for gate in before.gates}
    for gate in now.gates:
        if gate.fault and gate.fault != faults.get(gate.metric.name):
            found.append(f"metric {finding(gate).sentence}")
    found += _alarms(before, now)
    if now.promoted_by and not before.promoted_by:
        found.append(f"promoted by {now.promoted_by}")
    if now.reverting and not before.reverting:
        found.append(f"goes back: {now.reverting}")
    return found


def _traffic(world: World, before: Rollout, now: Rollout) -> list[str]:
    """What the traffic check finds anew."""
    known = {(one.function, one.kind) for one in findings(before.traffic)}
    new = [one for one in findings(now.traffic) if (one.function, one.kind) not in known]
    if not new:
        return []
    told = {(one.function, one.kind): one.sentence for one in findings(now.traffic, who_may_bypass(world.workspace))}
    return [f"traffic check: {told[one.function, one.kind]}" for one in new]


def _alarms(before: Rollout, now: Rollout) -> list[str]:
    found = []
    if rings := [name for name in now.shared_alarms if name not in before.shared_alarms]:
        found.append(f"alarm {', '.join(rings)} rings, and the stable release fails as well: no reason to go back")
    if waits := [name for name in now.open_alarms if name not in before.open_alarms]:
        found.append(f"{open_sentence(waits)}: it waits for them")
    return found


def _first_look(before: Rollout, now: Rollout, at: float) -> list[str]:
    """When something is known of a share that it has: until then nothing is said, and that is no reason to worry."""
    is_set = before.moving and not now.moving and now.reverting is None and now.outcome is None
    if not is_set or not isinstance(step_of(now), Bake):
        return []
    left = max(first_judged(now) - at, 0)
    return [f"its first full minute at {now.weight} % can be judged in about {ceil(left / MINUTE)} min"]


def _progress(before: Rollout, now: Rollout) -> list[str]:
    """What webhooks say anew without another verdict: for who watches. A server that counts would fill the ledger."""
    said = {(reply.step, reply.webhook): reply for reply in before.replies}
    return [
        f"webhook {one.sentence}"
        for one in now.replies
        if (known := said.get((one.step, one.webhook))) is not None
        and known.verdict is one.verdict
        and known.sentence != one.sentence
    ]


def _has_passed(rollout: Rollout) -> bool:
    """Whether nothing is left to judge."""
    done, left = rollout.steps[: rollout.at], rollout.steps[rollout.at :]
    return any(isinstance(step, Bake) for step in done) and not any(isinstance(step, Bake) for step in left)


def ended_badly(rollout: Rollout) -> CameBack | Inconclusive | Refused:
    """The error that ends a command whose release went back.

    Inconclusive when only nobody could tell in time; Refused when it was turned down before it had any traffic.
    """
    name, release, why = rollout.environment, rollout.release, rollout.reverting
    if rollout.weight:
        what = f"release {release} went back: {why}; all traffic is on {rollout.stable}"
    else:
        what = f"release {release} got no traffic: {why}; all of it stays on {rollout.stable}"
    if rollout.inconclusive:
        hint = "give it more traffic, more weight or more time, or promote it yourself: penstock promote"
        return Inconclusive(what, where=name, hint=hint)
    if not rollout.weight:
        return Refused(what, where=name, hint=f"penstock audit -e {name} tells who said so; then deploy again")
    return CameBack(what, where=name, hint="mend the code and deploy again")
