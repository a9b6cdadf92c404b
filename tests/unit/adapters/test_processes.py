"""Which machine this is: a process id says nothing about another one, whatever that is called."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from penstock.adapters.processes import this_machine
from penstock.model.ledger import host_name

if TYPE_CHECKING:
    from pathlib import Path


def a_kernel(folder: Path, *, boot: str, processes: str) -> str:
    folder.mkdir()
    (folder / "boot_id").write_text(f"{boot}\n")
    (folder / "pid").symlink_to(f"pid:[{processes}]")
    return this_machine(folder / "boot_id", folder / "pid")


def test_a_machine_is_the_same_from_one_command_to_the_next_and_goes_by_its_name() -> None:
    assert this_machine() == this_machine()
    assert host_name(this_machine()) == socket.gethostname()


def test_clones_and_containers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runner = a_kernel(tmp_path / "runner", boot="b1", processes="4026531836")
    clone = a_kernel(tmp_path / "clone", boot="b2", processes="4026531836")
    container = a_kernel(tmp_path / "container", boot="b1", processes="4026532281")
    assert len({runner, clone, container}) == 3
    assert len({host_name(one) for one in (runner, clone, container)}) == 1


def test_without_a_kernel_that_tells_it_the_network_card_does(tmp_path: Path) -> None:
    assert this_machine(tmp_path / "no", tmp_path / "no") == this_machine(tmp_path / "no", tmp_path / "no")
