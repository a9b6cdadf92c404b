"""Webhooks as gates: what they are asked, when, and what an answer means.

2xx is a yes where it says nothing, or is JSON whose `status` is "ok"; 202, or a `status` of "running", is not yet;
"fail" is a no, with 2xx as with 4xx. Everything else is an ERROR: who cannot be asked, or says what nobody understands,
has not said no, and has not said yes. A webhook may be asked again after a crash, so every request of one step bears
the same idempotency key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.rollout.gates import AGAIN
from penstock.rollout.strategies import ALL, AwaitSwitch, Bake, Consult, SetWeight, Verify
from penstock.rollout.verdict import GateFinding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.model.gates import Webhook
    from penstock.rollout.strategies import Step

POLL = 10.0
"""Seconds until one that has not decided is asked again."""
LONGEST = 200
"""Characters of a webhook's own words that are told and kept."""
ACCEPTED = 202
YES = frozenset({"ok", "pass", "passed", "success", "succeeded", "yes"})
NO, NOT_YET = frozenset({"fail", "failed", "failure"}), frozenset({"running", "pending"})
"""What a body's `status` may say; anything else nobody understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a webhook said at a step, in a sentence; `at` is when, in seconds since the epoch.

    `left` is how often one that brought no usable answer is asked again at once: each attempt is a turn of its own, so
    that a server which hangs hides no alarm, order or verdict for longer than one request takes.
    """

    step: int
    webhook: str
    verdict: Verdict
    sentence: str
    at: float
    left: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "step": self.step,
            "webhook": self.webhook,
            "verdict": self.verdict.name,
            "sentence": self.sentence,
            "at": self.at,
            "left": self.left,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reply:
        """The inverse of `to_json`. Raises KeyError or TypeError on anything else."""
        return cls(**{**data, "verdict": Verdict[data["verdict"]]})

    @property
    def finding(self) -> GateFinding:
        """The same as one of a rollout's gates."""
        return GateFinding(name=self.webhook, verdict=self.verdict, sentence=self.sentence)


def asking(steps: tuple[Step, ...], webhooks: Iterable[Webhook]) -> tuple[Step, ...]:
    """A walk with its webhooks put in: behind the first verification, behind each bake, before all traffic.

    Each is asked before all traffic at the latest, also in a walk that is never baked. A walk that stops for
    `penstock switch` stays as it is: a person decides there.
    """
    hooks = tuple(webhooks)
    if not hooks or any(isinstance(step, AwaitSwitch) for step in steps):
        return steps
    before, each, last = (
        _consult(hooks, moments) for moments in (("before-traffic",), ("each-step",), ("each-step", "promotion"))
    )
    first = next((at for at, step in enumerate(steps) if not isinstance(step, Verify)), len(steps))
    found: list[Step] = [*steps[:first], *before]
    for at, step in enumerate(steps[first:], start=first):
        is_baked = at > 0 and isinstance(steps[at - 1], Bake)
        is_last = isinstance(step, SetWeight) and step.percent >= ALL
        if is_last:
            found += last
        elif is_baked:
            found += each
        found.append(step)
    return tuple(found)


def reply_of(replies: Iterable[Reply], step: int, webhook: str) -> Reply | None:
    """The last reply of a webhook at a step."""
    return next((one for one in replies if (one.step, one.webhook) == (step, webhook)), None)


def learned(replies: tuple[Reply, ...], new: Iterable[Reply]) -> tuple[Reply, ...]:
    """The replies with newer ones in the place of older ones; a no stays."""
    found = {(one.step, one.webhook): one for one in replies}
    for one in new:
        known = found.get((one.step, one.webhook))
        if known is None or (known.verdict is not Verdict.FAIL and known.at <= one.at):
            found[one.step, one.webhook] = one
    return tuple(found.values())


def is_due(reply: Reply | None, now: float) -> bool:
    """Whether it is to be asked now."""
    if reply is None:
        return True
    if reply.verdict is Verdict.INCONCLUSIVE:
        return now >= reply.at + POLL
    return reply.verdict is Verdict.ERROR and (reply.left > 0 or now >= reply.at + AGAIN)


def key_of(rollout: str, step: int, webhook: str) -> str:
    """What tells a question from all others, and is the same when it is asked again."""
    return f"{rollout}/{step}/{webhook}"


def read(webhook: str, host: str, status: int, body: str, *, hide: Callable[[str], str] = str) -> tuple[Verdict, str]:
    """What an answer means. Its own words are shortened, and made printable.

    `hide` takes secrets out of them first: as JSON they may be spelled in many ways.
    """
    status_said, reason = _body(body)
    said = status_said.casefold()
    reason = plain(hide(reason))
    tail = f": {reason}" if reason else ""
    is_good, is_refused = status // 100 == 2, status // 100 == 4  # noqa: PLR2004 - HTTP's classes
    if said in NO and (is_good or is_refused):
        return Verdict.FAIL, f"{webhook} says no{tail} → roll back"
    if status == ACCEPTED or (said in NOT_YET and (is_good or is_refused)):
        return Verdict.INCONCLUSIVE, f"{webhook} has not decided yet{tail}"
    if is_good and (said in YES or not body.strip()):
        return Verdict.PASS, f"{webhook} says yes{tail}"
    if is_good:
        what = f'its status is "{plain(hide(status_said))}"' if said else "its answer is no JSON with a status"
        return Verdict.ERROR, f"{webhook} says neither yes nor no: {what}{tail}"
    if status // 100 == 3:  # noqa: PLR2004 - HTTP's class of redirections
        return (
            Verdict.ERROR,
            f"{webhook} could not be asked: {host} sends elsewhere (HTTP {status}), and nobody follows",
        )
    return Verdict.ERROR, f"{webhook} could not be asked: HTTP {status} from {host}{tail}"


def plain(text: str) -> str:
    """Somebody else's words, short and printable."""
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"


def _body(body: str) -> tuple[str, str]:
    """`status` and `reason` of a JSON object; empty where there are none."""
    try:
        found = json.loads(body.removeprefix("\ufeff"))  # some write a byte order mark, which is no JSON
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    said, reason = found.get("status"), found.get("reason")
    return (said.strip() if isinstance(said, str) else ""), (reason if isinstance(reason, str) else "")


def _consult(hooks: tuple[Webhook, ...], moments: tuple[str, ...]) -> list[Step]:
    """A step for each, so that each has a deadline of its own."""
    return [Consult(hook.name, hook.deadline) for hook in hooks if hook.when in moments]
