"""Reading dicts of ministack's that another thread changes meanwhile.

ministack goes through its dicts on the event loop and has no locks for them. Functions run in threads of their own,
whose calls read and write some of the same dicts: going through one that grew meanwhile is an error in Python, and it
was the caller of a function who heard of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

    Result = TypeVar("Result")

_TIMES = 20
_PAUSE = 0.001


def install(ministack: Ministack, _settings: Settings) -> None:
    """Functions that are called in threads of invocations and go through dicts that the event loop changes."""
    ministack.wrap(ministack.sts, "_evict_expired_sessions", "()", _again)
    ministack.wrap(ministack.evaluator, "_gather_role_policies", "(role_name, account_id)", _again)


def settled(read: Callable[[], Result]) -> Result:
    """What it reads; once more where a dict changed while it was gone through.

    Raises:
        RuntimeError: it did so twenty times in a row; or another error of that kind.
    """
    for _ in range(_TIMES):
        try:
            return read()
        except RuntimeError as error:
            if "during iteration" not in str(error):
                raise
            time.sleep(_PAUSE)
    return read()


def _again(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: settled(lambda: original(*given))
