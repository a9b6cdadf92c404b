"""Calls of functions end in threads of their own, beside an event loop that changes the same dicts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from penstock.localaws.unlocked import settled

ADDING = """
import json, pathlib, sys, tempfile, threading, time
from penstock.localaws import ministack_api, unlocked
from penstock.localaws.settings import Settings

settings = Settings(port=1, state=pathlib.Path(tempfile.mkdtemp()))
ministack = ministack_api.load(settings)
if sys.argv[1] == "installed":
    unlocked.install(ministack, settings)
sys.setswitchinterval(1e-5)
policy = {"Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
with ministack.responses.request_scope("111111111111", "eu-west-1"):
    ministack.iam._roles["r"] = {"InlinePolicies": {str(number): policy for number in range(20)}}
for number in range(200):
    ministack.sts.register_session(f"before {number}", {})
end, failed = time.monotonic() + float(sys.argv[2]), []

def caller(name):
    number = 0
    while time.monotonic() < end:
        number += 1
        try:
            ministack.sts.register_session(f"{name} {number % 50}", {})
            ministack.evaluator._gather_role_policies("r", "111111111111")
        except RuntimeError as error:
            failed.append(str(error))

def loop():
    policies = ministack.iam._roles.get_scoped("111111111111", None, "r")["InlinePolicies"]
    number = 0
    while time.monotonic() < end:
        number += 1
        policies[f"new {number % 3}"] = policy
        policies.pop(f"new {(number + 1) % 3}", None)

threads = [threading.Thread(target=caller, args=(name,)) for name in "abc"] + [threading.Thread(target=loop)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(sorted(set(failed))))
"""


def failures(how: str, seconds: float) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ADDING, how, str(seconds)], check=True, capture_output=True, text=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_no_call_fails_because_others_begin_or_a_policy_changes_meanwhile() -> None:
    assert "dictionary changed size during iteration" in failures("as ministack is", 2), "else this proves nothing"
    assert failures("installed", 2) == []


@pytest.mark.parametrize(("what", "times"), [("dictionary changed size during iteration", 21), ("something else", 1)])
def test_what_changes_all_the_time_is_given_up_and_other_errors_are_told_at_once(what: str, times: int) -> None:
    asked = []

    def never() -> None:
        asked.append(1)
        raise RuntimeError(what)

    with pytest.raises(RuntimeError, match=what):
        settled(never)
    assert len(asked) == times
