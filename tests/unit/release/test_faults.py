from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from penstock.ports import Parameters, Secrets
from penstock.testing import FakeParameters, FakeSecrets, Fault, Faults, Killed
from penstock.testing.faults import EFFECTS, FAULT_VARIABLE, PORTS, RECORD_VARIABLE, from_environment

if TYPE_CHECKING:
    from pathlib import Path


def test_every_effect_named_is_a_method_of_its_port() -> None:
    kinds = {kind.__name__: kind for kind in PORTS.values()}
    for name, methods in EFFECTS.items():
        if name in kinds:
            assert all(hasattr(kinds[name], method) for method in methods), name


def test_effects_are_counted_and_looks_are_not() -> None:
    faults = Faults()
    parameters = faults.wrap(Parameters, FakeParameters())  # type: ignore[type-abstract]
    parameters.get("/a")
    parameters.put("/a", "1")
    parameters.delete("/a")
    assert [str(call) for call in faults.effects()] == ["Parameters.put(/a, 1)", "Parameters.delete(/a)"]
    assert [str(point) for point in faults.points()] == ["0:before", "0:after", "1:before", "1:after"]


@pytest.mark.parametrize(("when", "left"), [("before", None), ("after", "1")])
def test_the_process_dies_before_or_after_and_acts_no_more(when: str, left: str | None) -> None:
    real = FakeParameters()
    parameters = Faults(Fault.parse(f"0:{when}")).wrap(Parameters, real)  # type: ignore[type-abstract]
    with pytest.raises(Killed):
        parameters.put("/a", "1")
    with pytest.raises(Killed):
        parameters.put("/b", "from a finally block")
    assert real.values == ({"/a": left} if left else {})


def test_a_secret_is_never_recorded(tmp_path: Path) -> None:
    faults = Faults(record=tmp_path / "record")
    faults.wrap(Secrets, FakeSecrets()).put("shop/dev/key", "sesame")  # type: ignore[type-abstract]
    assert "sesame" not in (tmp_path / "record").read_text()
    assert json.loads((tmp_path / "record").read_text())["call"] == "Secrets.put(shop/dev/key)"


@pytest.mark.parametrize("text", ["", "7", "7:never", "x:before"])
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Fault.parse(text)


def test_nothing_is_counted_unless_asked_for() -> None:
    assert from_environment({}) is None
    assert from_environment({RECORD_VARIABLE: "/tmp/record"}) is not None


SCRIPT = (
    "import os\n"
    "from penstock.ports import Parameters\n"
    "from penstock.testing import FakeParameters\n"
    "from penstock.testing.faults import from_environment\n"
    "port = from_environment(os.environ).wrap(Parameters, FakeParameters())\n"
    "try:\n    port.put('/a', '1')\nfinally:\n    print('it lives')\n"
)


def test_a_real_process_is_really_killed(tmp_path: Path) -> None:
    environ = {**os.environ, FAULT_VARIABLE: "0:before", RECORD_VARIABLE: str(tmp_path / "record")}
    ended = subprocess.run([sys.executable, "-c", SCRIPT], env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == ""
    assert (tmp_path / "record").read_text().count("\n") == 1


def test_a_real_process_stands_still_until_it_is_woken() -> None:
    environ = {**os.environ, FAULT_VARIABLE: "0:before:stop"}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], env=environ, stdout=subprocess.PIPE, text=True) as stopped:
        _, how = os.waitpid(stopped.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(how)
        os.kill(stopped.pid, signal.SIGCONT)
        said, _ = stopped.communicate(timeout=60)
    assert (stopped.returncode, said.strip()) == (0, "it lives")
