"""State of our own extensions, kept and restored as ministack keeps and restores its services'."""

from __future__ import annotations

import copy
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.localaws.ministack_api import Ministack


def Store(ministack: Ministack) -> Any:  # noqa: N802 - reads as a constructor, and ministack's class is untyped
    """A dict whose keys live in the account and region of the request under way."""
    return ministack.responses.AccountRegionScopedDict()


def add_state(ministack: Ministack, name: str, store: Any) -> None:
    """Save and restore ``store`` under ``name`` through ministack's registry of modules with state.

    A store is false when the account under way has nothing in it, so it is never tested for truth here.
    """
    module = types.ModuleType(f"ministack.services.{name}")
    hooks: dict[str, Any] = {
        "get_state": lambda: {"store": copy.deepcopy(store)},
        "load_persisted_state": lambda data: store.update(data.get("store", {})),
        "reset": store.clear,
    }
    module.__dict__.update(hooks)
    ministack.app._loaded_modules[name] = module
    ministack.app._state_map[name] = name
    ministack.state_modules.append(module)
