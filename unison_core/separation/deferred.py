"""Modules that BS-RoFormer's imports name and that our separators never call are loaded at their first use.

They take half of the time before `unison separate` begins. `importlib.util.LazyLoader` does not help: until Python 3.12
an `import` statement loads what it deferred.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

UNUSED = ("einx", "scipy.signal")
"""For rotations that our models do not have, and for filters that none is made by."""


class Deferred(ModuleType):
    """Stands for a module in `sys.modules` until an attribute of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # what inspection asks of every module
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def defer(name: str) -> None:
    """Put off loading a module; nothing happens where it is loaded already, or is not there."""
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None:
        return
    module = Deferred(name)
    module.__spec__ = spec
    sys.modules[name] = module


def defer_unused() -> None:
    """Before the package is imported."""
    for name in UNUSED:
        defer(name)
