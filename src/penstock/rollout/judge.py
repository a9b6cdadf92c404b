"""The judge: is the canary worse (FAIL), is it proved not to be (PASS), or is it too early to tell?

    strata → accumulate → Evidence → judge → Judgement

FAIL comes from a bet against "no worse than what runs beside it" (eprocess.py) over all services and signals, or from
the hard fast path; PASS from a bet against "worse by more than the margin" (noninferiority.py) in every signal of every
changed service. Both may be looked at after every minute. Unchanged services can only FAIL. Numbers that contradict
each other are an ERROR, and so is a signal that is silent about calls which others tell of. Too little evidence is
INCONCLUSIVE, never good news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, Any

from penstock.rollout import noninferiority, sentences
from penstock.rollout.accumulate import accumulate, begin_step, log_e
from penstock.rollout.evidence import Alarm, Evidence, JudgePolicy, Series
from penstock.rollout.strata import SIGNALS, Sample
from penstock.rollout.verdict import GateFinding, Verdict

if TYPE_CHECKING:
    from penstock.rollout.strata import Signal

__all__ = [
    "Alarm",
    "Evidence",
    "Finding",
    "JudgePolicy",
    "Judgement",
    "Series",
    "Verdict",
    "accumulate",
    "begin_step",
    "judge",
    "unmeasured",
    "with_gates",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of one service, by one signal; `signal` is None where nothing was measured.

    Args:
        log_e: log of the e-value that the verdict rests on: against "no worse" for FAIL, else against "worse by more
            than the margin".
        needs: about how many more canary calls a pass takes; None when it has passed or cannot be said.
    """

    service: str
    signal: Signal | None
    verdict: Verdict
    canary: Sample
    stable: Sample
    log_e: float
    odds: float | None
    needs: int | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; e-values as their base-10 logarithms, which never overflow."""
        return {
            "service": self.service,
            "signal": self.signal,
            "verdict": self.verdict.name,
            "canary": {"calls": self.canary.calls, "bad": self.canary.bad},
            "stable": {"calls": self.stable.calls, "bad": self.stable.bad},
            "log10_e": _log10(self.log_e),
            "odds": self.odds,
            "needs": self.needs,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict over all services, and why.

    Args:
        verdict: the worst of the findings.
        findings: of changed services by signal, and of the service that failed; the worst first.
        sentence: the evidence, for a tired person.
        log_e: log of the e-value against "no worse", over everything.
        short: changed services with fewer canary calls in this step than the policy's minimum, and gates that have not
            passed in it.
        gates: what the user's own gates say, where there are some.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    sentence: str
    log_e: float = 0.0
    short: tuple[str, ...] = ()
    gates: tuple[GateFinding, ...] = ()

    @property
    def may_go_on(self) -> bool:
        """Whether the next judged weight may come: enough samples in this step, and nothing against it."""
        return not self.short and self.verdict <= Verdict.INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "verdict": self.verdict.name,
            "sentence": self.sentence,
            "log10_e": _log10(self.log_e),
            "short": list(self.short),
            "findings": [finding.to_json() for finding in self.findings],
            **({"gates": [gate.to_json() for gate in self.gates]} if self.gates else {}),
        }


def judge(evidence: Evidence, policy: JudgePolicy, changed: frozenset[str]) -> Judgement:
    """The verdict on what was accumulated so far.

    Args:
        evidence: of all watched services.
        policy: see JudgePolicy.
        changed: services whose artifact, configuration or routes changed: each needs a pass, in each measured signal.
    """
    whole = log_e(evidence)
    failed = [_failure(evidence.alarm, policy)] if evidence.alarm else []
    findings = [
        *failed,
        *(
            finding
            for service in sorted(changed)
            for finding in _changed(service, evidence, policy, whole)
            if not (failed and (finding.service, finding.signal) == (failed[0].service, failed[0].signal))
        ),
    ]
    findings.sort(key=lambda finding: (-finding.verdict, -(finding.needs or 0), finding.log_e))
    short = tuple(service for service in sorted(changed) if evidence.canary_calls(service) < policy.minimum)
    return Judgement(
        verdict=max((finding.verdict for finding in findings), default=Verdict.PASS),
        findings=tuple(findings),
        sentence=_overall(findings),
        log_e=whole,
        short=short,
    )


def with_gates(judgement: Judgement, gates: tuple[GateFinding, ...]) -> Judgement:
    """The verdict with that of the user's own gates: the worst wins, and each must pass in every step."""
    open_ones = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    if not open_ones:
        return replace(judgement, gates=gates)
    worst = max(open_ones, key=lambda gate: gate.verdict)
    sentence = judgement.sentence
    if worst.verdict == judgement.verdict:
        sentence = f"{sentence}; {worst.sentence}"
    elif worst.verdict > judgement.verdict:
        sentence = worst.sentence
    return replace(
        judgement,
        verdict=max(judgement.verdict, worst.verdict),
        sentence=sentence,
        short=(*judgement.short, *(gate.name for gate in open_ones)),
        gates=gates,
    )


def unmeasured(what: str) -> Judgement:
    """ERROR: a measurement failed ("CloudWatch did not answer"). It is data, and no good news."""
    return Judgement(verdict=Verdict.ERROR, findings=(), sentence=what)


def _failure(alarm: Alarm, policy: JudgePolicy) -> Finding:
    return Finding(
        service=alarm.service,
        signal=alarm.signal,
        verdict=Verdict.FAIL,
        canary=alarm.canary,
        stable=alarm.stable,
        log_e=alarm.log_e,
        odds=alarm.odds,
        needs=None,
        sentence=sentences.failed(alarm, policy.alpha),
    )


def _changed(service: str, evidence: Evidence, policy: JudgePolicy, whole: float) -> list[Finding]:
    """The findings of a service that needs a pass; one that says so when nothing was measured."""
    signals = evidence.signals(service)
    if any(
        evidence.series[service, signal].canary.calls or evidence.series[service, signal].fault for signal in signals
    ):
        silent = [signal for signal in SIGNALS if evidence.is_unmeasured(service, signal)]
        found = [
            *(_unmeasured(service, signal, evidence, policy) for signal in silent),
            *(
                _finding(service, signal, evidence.series[service, signal], policy, whole)
                for signal in signals
                if signal not in silent
            ),
        ]
        is_alone = "latency" not in signals and not any(finding.stable.calls for finding in found)
        return [_with_remark(finding) for finding in found] if is_alone else found
    return [
        Finding(
            service=service,
            signal=None,
            verdict=Verdict.INCONCLUSIVE,
            canary=Sample(),
            stable=Sample(),
            log_e=0.0,
            odds=None,
            needs=noninferiority.clean_calls(policy.margin, policy.alpha),
            sentence=sentences.silent(service),
        )
    ]


def _with_remark(finding: Finding) -> Finding:
    """A pass without a baseline says what it does not stand for."""
    if finding.verdict is not Verdict.PASS:
        return finding
    return replace(finding, sentence=f"{finding.sentence}; {sentences.UNTIMED}")


def _unmeasured(service: str, signal: Signal, evidence: Evidence, policy: JudgePolicy) -> Finding:
    """A signal that should have told of calls, and did not: an ERROR, unless these are few and it may only be late.

    Latency is where few call: what is slow is told by what ran beside the canary until then.
    """
    one = evidence.series.get((service, signal), Series(changed=True))
    known = one.canary.calls + one.unseen or evidence.canary_calls(service)
    return Finding(
        service=service,
        signal=signal,
        verdict=Verdict.INCONCLUSIVE if signal == "latency" or known < policy.minimum else Verdict.ERROR,
        canary=one.canary,
        stable=one.stable,
        log_e=0.0,
        odds=None,
        needs=None,
        sentence=sentences.unmeasured(service, signal, seen=one.canary.calls, known=known),
    )


def _finding(service: str, signal: Signal, one: Series, policy: JudgePolicy, whole: float) -> Finding:
    margin = policy.margin_of(signal)
    log_pass = noninferiority.log_wealth(one.bold, one.careful)
    proved = log_pass >= -log(policy.alpha)
    needs = None if proved else _needs(one, log_pass, margin, policy)
    if one.fault:
        verdict, sentence = Verdict.ERROR, sentences.contradictory(service, signal, one.fault)
    elif proved:
        verdict, sentence = (
            Verdict.PASS,
            sentences.passed(service, signal, one, margin=margin, log_e=log_pass, alpha=policy.alpha),
        )
    else:
        verdict = Verdict.INCONCLUSIVE
        sentence = sentences.undecided(service, signal, one, needs=needs, whole=whole, alpha=policy.alpha)
    return Finding(
        service=service,
        signal=signal,
        verdict=verdict,
        canary=one.canary,
        stable=one.stable,
        log_e=log_pass,
        odds=one.odds[0] / one.odds[1] if one.odds[1] else None,
        needs=needs,
        sentence=sentence,
    )


def _needs(one: Series, log_pass: float, margin: float, policy: JudgePolicy) -> int | None:
    """About how many more canary calls like those so far a pass takes."""
    if not one.canary.bad and not one.base.bad:
        scale = policy.clusters
        return scale * noninferiority.clean_calls(margin, policy.alpha, bold=one.bold, careful=one.careful)
    calls = one.canary.calls + one.stable.calls
    if not one.canary.calls:
        return None
    needs = noninferiority.more_calls(
        (one.canary.bad + one.stable.bad) / calls,
        margin=margin,
        alpha=policy.alpha,
        beside=one.stable.calls / one.canary.calls,
        log_e=log_pass,
    )
    return None if needs is None else needs * policy.clusters


def _overall(findings: list[Finding]) -> str:
    """The worst finding's sentence, and how many other services have the same verdict, whatever theirs rests on."""
    if not findings:
        return "no service changed: nothing needs a pass"
    worst = findings[0]
    alike = {finding.service for finding in findings if finding.verdict == worst.verdict} - {worst.service}
    return f"{worst.sentence}; {sentences.others(len(alike), worst.verdict)}" if alike else worst.sentence


def _log10(value: float) -> float:
    return round(value / log(10), 4) + 0.0
