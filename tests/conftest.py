"""What holds for every test."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    """Ctrl-C reaches what tests start, also when the shell began us in the background, where it is ignored.

    How long an example takes says nothing on a machine that does other things as well.
    """
    settings.register_profile("any machine", deadline=None)
    settings.load_profile("any machine")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test begins first, whatever order chance has made: at the end the others would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_guide.py")
