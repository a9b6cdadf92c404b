"""Every verb in one list: its group, one line about it, an example, and where its code is.

`penstock --help` is printed from here alone, without loading click: it must take less than 0.1 s.
A verb is listed when it works, and not before. A test compares the lines with the commands themselves.
"""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A verb as `--help` shows it; `module` is the file in `penstock.cli.verbs` that defines it."""

    name: str
    summary: str
    example: str
    module: str


GROUPS: tuple[tuple[str, tuple[Listed, ...]], ...] = (
    (
        "Ship",
        (
            Listed("build", "Build packages, services, or some of them by name", "build user_service", "ship"),
            Listed("plan", "Say what a deploy would do; nothing that runs is changed", "plan -e staging", "ship"),
            Listed("deploy", "Make an environment what the files say", "deploy -e dev", "ship"),
            Listed("switch", "Send traffic to the candidate in the idle slot", "switch -e staging", "traffic"),
            Listed("promote", "Send all traffic to the candidate, now", "promote -e production", "traffic"),
            Listed("pause", "Hold the rollout at its weight", "pause -e production", "traffic"),
            Listed("resume", "Let a paused rollout go on", "resume -e production", "traffic"),
            Listed("abort", "Drop the candidate; all traffic goes to the live release", "abort -e staging", "traffic"),
            Listed("rollback", "Send traffic back to an earlier release, at once", "rollback -e production", "traffic"),
            Listed("approve", "Say yes to exactly one plan", "approve -e production 4f1d0c9a77be", "traffic"),
            Listed("unlock", "Free a lease or lock whose process is gone", "unlock -e dev", "traffic"),
        ),
    ),
    (
        "Look",
        (
            Listed("status", "Show what is live, what waits, and how it does", "status -e dev", "look"),
            Listed("releases", "List the releases, newest first", "releases -e production", "look"),
            Listed("audit", "Tell who shipped what, when, and on what evidence", "audit -e production", "audit"),
            Listed("why", "Say which inputs of a service changed since its last build", "why user_service", "graph"),
            Listed("affected", "Name the services that changes since a commit touch", "affected --since main", "graph"),
            Listed("size", "Show what weighs what in a service's ZIP", "size user_service", "graph"),
            Listed("explain", "Say where a setting's value comes from", "explain user_service.memory -e dev", "look"),
        ),
    ),
    (
        "Work",
        (
            Listed("validate", "Check every file of the workspace, all at once", "validate", "work"),
            Listed("schema", "Print the JSON Schema of the configuration files", "schema service", "work"),
            Listed("render", "Write the Terraform roots of all environments", "render --check", "work"),
            Listed("env", "Print what a shell needs to work in an environment", 'eval "$(penstock env -e dev)"', "env"),
            Listed("secrets", "Set the values of secrets, see which have one", "secrets set -e dev key", "secrets"),
            Listed(
                "prune", "Delete versions, ZIPs and releases that nothing refers to", "prune -e dev --dry-run", "prune"
            ),
            Listed("cache", "Look at the build cache, or make room in it", "cache info", "graph"),
            Listed("completion", "Print the completion script of a shell", "completion bash", "completion"),
        ),
    ),
    (
        "Embedded AWS",
        (
            Listed("local", "Start, stop, look at, snapshot the AWS of this machine", "local start", "local"),
            Listed(
                "rehearse",
                "Ship the candidate here, with callers and faults, and see",
                "rehearse -e production",
                "rehearse",
            ),
        ),
    ),
)

OPTIONS: tuple[tuple[str, str], ...] = (
    ("-e, --environment NAME", "the environment to work in"),
    (
        "--workspace FOLDER",
        "the workspace; else the nearest penstock.toml upwards, in a clone of Penstock the shop",
    ),
    ("--json", "events and results as JSON, one object per line, on standard output"),
    ("--no-color", "no colours; NO_COLOR in the environment does the same"),
    ("-v, --verbose", "more talk; -vv adds tracebacks"),
    ("--version", "the version"),
    ("-h, --help", "this list; after a verb: all about that verb"),
)

HABITS = {
    "up": "deploy",
    "apply": "deploy",
    "ship": "deploy",
    "publish": "deploy",
    "release": "deploy",
    "down": "destroy",
    "remove": "destroy",
    "rm": "destroy",
    "cancel": "abort",
    "undo": "rollback",
    "revert": "rollback",
    "tail": "logs",
    "ls": "status",
    "list": "releases",
    "history": "releases",
    "info": "status",
    "ps": "status",
    "check": "validate",
    "lint": "validate",
    "generate": "render",
    "synth": "render",
    "preview": "plan",
    "diff": "plan",
    "package": "build",
    "secret": "secrets",
    "start": "local start",
    "stop": "local stop",
    "logs": "local logs",
    "reset": "local reset",
    "snapshot": "local snapshot",
    "restore": "local restore",
}
"""What people's fingers type, from other tools."""

_SUMMARY = "Penstock ships a monorepo of AWS Lambda services: only what changed, with one-step rollback."


def listed() -> dict[str, Listed]:
    """All verbs by name."""
    return {verb.name: verb for _, verbs in GROUPS for verb in verbs}


def overview(*, bold: bool = False) -> str:
    """What `penstock --help` prints."""
    head, tail = ("\033[1m", "\033[0m") if bold else ("", "")
    lines = [_SUMMARY, "", f"{head}Usage:{tail} penstock VERB [OPTIONS]"]
    for title, verbs in GROUPS:
        lines += ["", f"{head}{title}{tail}"]
        lines += [f"  {verb.name:<11} {verb.summary:<58} {_command(verb)}".rstrip() for verb in verbs]
    lines += ["", f"{head}Options, before or after the verb{tail}"]
    lines += [f"  {option:<23} {meaning}" for option, meaning in OPTIONS]
    lines += ["", "penstock VERB --help tells all about one verb."]
    return "\n".join(lines)


def _command(verb: Listed) -> str:
    return verb.example if "penstock" in verb.example else f"penstock {verb.example}"
