"""What people see of `penstock build`: live lines, the table, the slowest steps, and everything that failed, once."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

from build.mixed import PENSTOCK

if TYPE_CHECKING:
    from build.mixed import Mixed

BROKEN_TYPESCRIPT = "export const handler = async () => {\n  return 1 +;\n};\n"


def said(mixed: Mixed, *words: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PENSTOCK, "build", *words], cwd=mixed.root / folder, capture_output=True, text=True, check=False
    )


def test_the_slowest_steps_are_shown_on_request(mixed: Mixed) -> None:
    ended = said(mixed, "--clean", "--timings")
    artifacts, _, timings = ended.stdout.partition("seconds  times  step\n")
    assert "users" in artifacts
    rows = [line.split(maxsplit=2) for line in timings.splitlines()]
    assert [float(row[0]) for row in rows] == sorted((float(row[0]) for row in rows), reverse=True)
    steps = {row[2]: int(row[1]) for row in rows}
    assert {"build users", "build package @w/made", "npm run build"} <= steps.keys()
    assert any(step.startswith("uv ") for step in steps)
    assert "times  step" not in said(mixed).stdout


def test_timings_are_lines_of_json_as_well(mixed: Mixed) -> None:
    events = mixed.build("--clean", "--timings").events
    timings = [event for event in events if event["event"] == "timing"]
    assert {"event", "step", "times", "seconds"} == timings[0].keys()
    assert timings[0]["seconds"] >= timings[-1]["seconds"] > 0


def test_the_table_says_by_how_much_a_zip_has_grown_since_the_build_before(mixed: Mixed) -> None:
    app = mixed.root / "services/orders/src/orders/app.py"
    first = app.read_text()

    def delta() -> tuple[str, int | None]:
        """As people read it, and as programs do."""
        title, row = said(mixed, "orders").stdout.splitlines()
        (artifact,) = (one for one in mixed.build("orders").events if one["event"] == "artifact")
        at = title.index("delta") + len("delta")
        _unit, _target, _size, _of, *shown = row[:at].split()
        return "".join(shown), artifact["delta"]

    assert delta() == ("", None), "it was built once"
    size = mixed.build("orders").events[-1]["size"]
    app.write_text(first + "".join(f"word_{number} = {number}\n" for number in range(2000)))
    assert delta()[0].startswith("+")
    grown = mixed.build("orders").events[-1]
    assert grown["delta"] == grown["size"] - size > 0
    app.write_text(first)
    assert delta()[0].startswith("-")
    assert mixed.build("orders").events[-1]["delta"] == -grown["delta"]
    app.write_text(first.replace("'ok'", "'ko'"))
    assert delta() == ("=", 0)


def test_what_fails_does_not_stop_the_rest_and_is_listed_once_with_its_places(mixed: Mixed) -> None:
    (mixed.root / "packages/common/pyproject.toml").write_text(
        (mixed.root / "packages/common/pyproject.toml").read_text().replace("uv_build>=", "no-such-backend>=")
    )
    (mixed.root / "services/catalog/src/app.ts").write_text(BROKEN_TYPESCRIPT)
    (mixed.root / "services/orders/src/orders/app.py").write_text("def handler(event, context):\n    return 'new'\n")
    ended = said(mixed, folder="services/users")
    assert ended.returncode == 1
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["unit", "legacy", "orders"]
    assert "✓ orders: " in ended.stderr
    _, _, listed = ended.stderr.partition("error: ")
    # Of three packages and four services; the package and the service that uses it for the same reason.
    assert listed.startswith("3 of 7 did not build:\n")
    assert re.search(r"^catalog: \.\./catalog/src/app\.ts:2: esbuild refused it: Unexpected", listed, re.MULTILINE)
    assert re.search(r"^common, users: \.\./\.\./packages/common/pyproject\.toml: ", listed, re.MULTILINE)
    assert ended.stderr.count("catalog/src/app.ts:2") == 1
    assert ended.stderr.count("the build backend of common failed") == 1


def test_on_a_terminal_each_running_step_has_a_line_of_its_own_that_goes_away(mixed: Mixed) -> None:
    here, there = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        [PENSTOCK, "build", "--clean"], cwd=mixed.root, env=environ, stdin=there, stdout=there, stderr=there
    )
    os.close(there)
    shown = b""
    while True:
        try:
            more = os.read(here, 65536)
        except OSError:  # Linux: nobody holds the other end any more
            break
        if not more:
            break
        shown += more
    os.close(here)
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    running = re.compile(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] (build users|npm run build)")
    assert running.search(text), text
    assert text.count("✓ users: ") == 1
    assert "\x1b[2K" in shown.decode(), "finished steps leave the screen"


def test_who_asks_for_layers_or_images_is_told_that_they_are_not_built_yet(mixed: Mixed) -> None:
    for asked in ("layers", "images"):
        ended = said(mixed, asked)
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"error: penstock does not build {asked} yet (later)\n")
        assert "it ships ZIPs; layers that exist are named in service.toml" in ended.stderr


def test_a_zip_that_only_s3_can_bring_to_lambda_is_told(mixed: Mixed) -> None:
    (mixed.root / "services/orders/src/orders/model.bin").write_bytes(os.urandom(51 << 20))
    ended = said(mixed, "orders")
    assert ended.returncode == 0
    assert "orders: its ZIP of 51.0 MiB is over the 50 MiB of a direct upload to Lambda" in ended.stderr
    assert "through S3, where only the 250 MiB unzipped count: it has 51.0 MiB" in ended.stderr
