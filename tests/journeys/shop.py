"""The example shop in a workspace of its own, used as a person uses it: real command line, real Terraform, real HTTP.

`Shop` is all that most journeys need::

    ended = shop.deploy()                         # penstock deploy -e dev, in a process of its own
    assert ended.status == 0, ended
    assert shop.get("/users/health").status == 200
    shop.edit("services/user_service/src/users/app.py", "old text", "new text")
    assert shop.plans_nothing()                   # terraform plan -detailed-exitcode, by hand

A `terraform` that writes down how it was started stands first on the path of everything (`terraform_runs`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers import WORKER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REPOSITORY = Path(__file__).parents[2]
PENSTOCK = Path(sys.executable).parent / "penstock"
PORTS = range(4600 + 25 * WORKER, 4625 + 25 * WORKER)
REGION = "eu-west-1"
ACCOUNTS = {"dev": "111111111111", "staging": "222222222222", "production": "333333333333"}
SECRET = "penstock-local"
PATIENCE = 300.0
"""Seconds that one command may take on a machine under load."""

KEPT = ("node_modules", ".pnpm-store")
"""Folders that no journey changes, wherever they lie: they stay when a workspace is put back."""
LINKED = Path(".penstock/cache")
"""What is only ever replaced, never written in place, so that copies of it can be links."""
OWN = "local"
"""What in `.penstock` belongs to the running embedded AWS: its state, its log, its process id."""

BUCKET = "penstock-shop-dev-111111111111-eu-west-1"
USERS_APP = "services/user_service/src/users/app.py"
HEALTH_ROUTES = ("/users/health", "/orders/health", "/catalog/health", "/notifications/health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. As text it is everything that it said, for assertions that fail."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        said = f"--- stdout\n{self.stdout[-4000:]}--- stderr\n{self.stderr[-8000:]}"
        return f"{' '.join(self.argv)} ended with {self.status} after {self.seconds:.1f} s\n{said}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What a command with --json told, line by line."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A workspace with the shop in it, its embedded AWS, and a client of both."""

    root: Path
    port: int
    tools: Path
    """A folder first on the path of every command: the `terraform` that keeps a record."""

    # ------------------------------------------------------------------------------------------ commands

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Ended:
        """`penstock …` in this workspace; never raises on its exit code."""
        return self.command((str(PENSTOCK), *arguments), env=env, stdin=stdin)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """`penstock …`, not waited for: the test must, or must end it by its id."""
        return subprocess.Popen(
            [str(PENSTOCK), *arguments],
            cwd=self.root,
            env=self.environ | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(
        self,
        argv: Iterable[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> Ended:
        """Any program, with the workspace's environment variables."""
        argv = tuple(argv)
        began = time.monotonic()
        ended = subprocess.run(
            argv,
            cwd=cwd or self.root,
            env=self.environ | dict(env or {}),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Ended(
            argv=argv,
            status=ended.returncode,
            stdout=ended.stdout,
            stderr=ended.stderr,
            seconds=time.monotonic() - began,
        )

    def deploy(self, *flags: str, environment: str = "dev", env: Mapping[str, str] | None = None) -> Ended:
        """`penstock deploy -e dev …`, whatever comes of it."""
        return self.run("deploy", "-e", environment, *flags, env=env)

    def shipped(self, *flags: str, environment: str = "dev") -> Ended:
        """A deploy that must work."""
        return well(self.deploy(*flags, environment=environment))

    def told(self, *arguments: str) -> list[dict[str, Any]]:
        """The lines of a command with --json that must work."""
        return well(self.run(*arguments, "--json")).events

    def terraform(self, *arguments: str, environment: str = "dev", env: Mapping[str, str] | None = None) -> Ended:
        """Terraform by hand, as the guide says: the environment's variables, in the environment's folder."""
        script = 'set -e; set_up=$("$0" env -e "$1"); eval "$set_up"; cd infra/environments/"$1"; shift; terraform "$@"'
        return self.command(["bash", "-c", script, str(PENSTOCK), environment, *arguments], env=env)

    def plan_status(self, environment: str = "dev") -> int:
        """What `terraform plan -detailed-exitcode` exits with: 0 no changes, 2 changes. Fails on 1."""
        ended = self.terraform("plan", "-detailed-exitcode", "-no-color", "-input=false", environment=environment)
        if ended.status == 1:
            raise AssertionError(str(ended))
        return ended.status

    def plans_nothing(self, environment: str = "dev") -> bool:
        """Whether Terraform by hand finds nothing to do; fails, with what it would do, when it finds something."""
        ended = self.terraform("plan", "-detailed-exitcode", "-no-color", "-input=false", environment=environment)
        assert ended.status == 0, re.sub(r"(?m)^.*: (Refreshing|Reading|Read complete).*\n", "", str(ended))
        return True

    # ------------------------------------------------------------------------------------------ requests

    def url(self, environment: str = "dev", stage: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/@shop-{environment}{stage}"

    def get(self, path: str, *, environment: str = "dev") -> Answer:
        return request("GET", self.url(environment) + path)

    def request(self, method: str, path: str, *, environment: str = "dev") -> Answer:
        return request(method, self.url(environment) + path)

    def post(self, path: str, body: object, *, environment: str = "dev") -> Answer:
        return request("POST", self.url(environment) + path, body)

    def preview(self, path: str, *, signed: bool = True, environment: str = "dev") -> Answer:
        """The idle slot, through the API for callers with credentials."""
        url = f"{self.url(environment)}-preview:preview{path}"
        return request("GET", url, headers=self._signature(url, environment) if signed else {})

    def client(self, service: str, environment: str = "dev") -> Any:
        """A boto3 client of the environment's administrator."""
        import boto3  # noqa: PLC0415 - a second that most of these modules' users need not wait for

        session = boto3.session.Session(ACCOUNTS[environment], SECRET, region_name=REGION)
        untyped: Any = session
        return untyped.client(service, endpoint_url=f"http://127.0.0.1:{self.port}")

    def _signature(self, url: str, environment: str) -> dict[str, str]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        signed = AWSRequest("GET", url)
        SigV4Auth(Credentials(ACCOUNTS[environment], SECRET), "execute-api", REGION).add_auth(signed)
        return dict(signed.headers.items())

    def wording(self) -> str:
        """What user_service, as it is live, says about a customer whom it does not know."""
        answer = self.get("/users/nobody")
        assert answer.status == 404, answer
        return str(answer.json["detail"])

    def buy(self, environment: str = "dev") -> Answer:
        """Somebody new orders something new: what placing the order answered."""
        product = self.post("/catalog", {"name": "Lamp", "price_cents": 1999, "stock": 5}, environment=environment)
        assert product.status == 201, product
        customer = {"name": "Grace", "email": f"{uuid.uuid4().hex}@example.com"}
        user = self.post("/users", customer, environment=environment)
        assert user.status == 201, user
        lines = [{"product_id": product.json["id"], "quantity": 1}]
        return self.post("/orders", {"user_id": user.json["id"], "lines": lines}, environment=environment)

    def live_release(self, environment: str = "dev") -> str:
        """Id of the release that traffic goes to, from `penstock releases`."""
        return next(name for name, state in self.releases(environment).items() if state == "live")

    def releases(self, environment: str = "dev") -> dict[str, str]:
        """Every release's id, and what `penstock releases` calls its state."""
        lines = self.told("releases", "-e", environment)
        return {line["release"]: line["state"] for line in lines if "release" in line}

    # ------------------------------------------------------------------------------------------ files

    def reword(self, text: str) -> None:
        """A small change of user_service's code that shows in its answers (`wording`)."""
        file = self.root / USERS_APP
        changed = re.sub(r'not_found\("[^"]*"\)', f'not_found("{text}")', file.read_text())
        assert changed != file.read_text(), "there is nothing to reword, or it reads so already"
        file.write_text(changed)

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file as an editor does. Fails when the old text is not there."""
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1))

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def append(self, path: str, text: str) -> None:
        self.write(path, (self.root / path).read_text() + text)

    # ------------------------------------------------------------------------------------------ Terraform's record

    @property
    def terraform_runs(self) -> list[str]:
        """The command lines of every Terraform started since the last `forget_terraform_runs`, by us or by hand."""
        log = self.tools / "terraform.log"
        return log.read_text().splitlines() if log.exists() else []

    def forget_terraform_runs(self) -> None:
        (self.tools / "terraform.log").unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------ embedded AWS

    @property
    def environ(self) -> dict[str, str]:
        """The variables of every command: the user's own without what points at AWS, at us, or at a CI."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PENSTOCK_", "TF_", "GIT_")) and name not in {"CI", "VIRTUAL_ENV"}
        }
        path = os.pathsep.join((str(self.tools), os.environ["PATH"]))
        return kept | {"PENSTOCK_LOCAL_PORT": str(self.port), "PATH": path, "NO_COLOR": "1"}

    def control(self, verb: str, method: str = "POST") -> Answer:
        """`/_penstock/…` of the embedded AWS. Raises URLError when it does not run."""
        return request(method, f"http://127.0.0.1:{self.port}/_penstock/{verb}")

    def restore(self, kept: Path, snapshot: str) -> None:
        """Put workspace and accounts back to how they were kept; starts the embedded AWS if a test stopped it."""
        put_back(kept, self.root)
        self.forget_terraform_runs()
        try:
            answer = self.control(f"restore/{snapshot}")
        except urllib.error.URLError:
            well(self.run("local", "start"))
            answer = self.control(f"restore/{snapshot}")
        assert answer.status == 200, answer

    def stop(self) -> None:
        """End the embedded AWS by its process id."""
        pid_file = self.root / ".penstock" / "local.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text())
        try:
            os.kill(pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{pid}").exists(), "the embedded AWS ends", within=10)
        except ProcessLookupError:
            pass


def request(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One HTTP exchange; an answer of 400 and above is an answer. Raises URLError when there is none."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return Answer(status=answer.status, body=answer.read().decode(), headers=dict(answer.headers))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(status=refused.code, body=refused.read().decode(), headers=dict(refused.headers))


def well(ended: Ended) -> Ended:
    """The command, when it exited with 0; fails with everything it said otherwise."""
    assert ended.status == 0, ended
    return ended


def until(condition: Callable[[], object], what: str, *, within: float = 30.0) -> None:
    """Wait for something that comes by itself; fails after so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------ making workspaces


def new_shop(folder: Path) -> Shop:
    """A fresh copy of the example, as git knows it, on a port of its own; nothing is deployed or started yet."""
    root = folder / "shop"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "examples/shop"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file():
            target = root / Path(name).relative_to("examples/shop")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    store = REPOSITORY / "examples/shop/.pnpm-store"
    if store.is_dir():
        # What pnpm downloaded for the repository's own copy: a cache of content, used instead of the network.
        shutil.copytree(store, root / ".pnpm-store", symlinks=True, copy_function=_link, ignore=_passing)
    return Shop(root=root, port=free_port(), tools=recording_terraform(folder / "tools"))


def recording_terraform(folder: Path) -> Path:
    """A folder with a `terraform` that notes its arguments and becomes the real one."""
    real = os.environ.get("PENSTOCK_TERRAFORM") or shutil.which("terraform") or shutil.which("tofu")
    assert real, "these tests need Terraform or OpenTofu on the path"
    folder.mkdir(parents=True)
    program = folder / "terraform"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{folder}/terraform.log"\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    return folder


def free_port() -> int:
    """A port of the journeys' own range that nobody listens on."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"all ports from {PORTS.start} to {PORTS.stop - 1} are taken")


def keep(root: Path, kept: Path) -> None:
    """Copy a workspace's files aside, all but what `KEPT` names and what belongs to the running embedded AWS."""
    _copy(root, kept)


def put_back(kept: Path, root: Path) -> None:
    """Make the workspace's files again what was kept of them."""
    _clear(root)
    _copy(kept, root)


def link_packages(source: Path, target: Path) -> None:
    """Install in one workspace what pnpm has installed in another one, where it is not there yet."""
    for folder in source.rglob("node_modules"):
        relative = folder.relative_to(source)
        if {"node_modules", ".penstock"} & set(relative.parts[:-1]) or (target / relative).exists():
            continue
        shutil.copytree(folder, target / relative, symlinks=True, copy_function=_link)


def _copy(source: Path, target: Path, relative: Path = Path()) -> None:
    target.mkdir(parents=True, exist_ok=True)
    link = relative.is_relative_to(LINKED)
    for entry in source.iterdir():
        if _stays(entry, relative):
            continue
        copy = target / entry.name
        if entry.is_symlink():
            copy.symlink_to(entry.readlink())
        elif entry.is_dir():
            _copy(entry, copy, relative / entry.name)
        elif link:
            os.link(entry, copy)
        else:
            shutil.copy2(entry, copy)


def _clear(folder: Path, relative: Path = Path()) -> bool:
    """Delete what does not stay; whether anything did."""
    stays = False
    for entry in folder.iterdir():
        if _stays(entry, relative):
            stays = True
        elif entry.is_dir() and not entry.is_symlink():
            if _clear(entry, relative / entry.name):
                stays = True
            else:
                entry.rmdir()
        else:
            entry.unlink()
    return stays


def _stays(entry: Path, relative: Path) -> bool:
    own = relative == Path(".penstock") and entry.name.split(".")[0] == OWN
    return own or entry.name in KEPT


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _passing(_folder: str, names: list[str]) -> list[str]:
    """What pnpm is just about to write, or has open, in a store that another process uses."""
    return [name for name in names if name.endswith(("-wal", "-shm", "-journal")) or "tmp" in name]
