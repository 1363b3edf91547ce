"""A pickle module for `torch.load` that knows tensors and nothing else: every other class becomes a stub that does nothing.

So the weights come out of a network that was pickled whole, although neither its class nor any other code of the file is imported or run.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch

_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state")
_DTYPES = {name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}
_STORAGES = {name for name in dir(torch) if name.endswith("Storage")} | {"UntypedStorage"}
_HARMLESS = {"set": set, "frozenset": frozenset, "complex": complex, "slice": slice}
MAX_DEPTH = 200
"""Modules within modules; deeper ones are no networks."""


class Stub:
    """Stands for an object of a class that is not known; it keeps its state and ignores everything else that a pickle does to it."""

    state: Any = None
    called: str = ""
    dump_patches = (
        False  # of old files torch.load asks whether the class's source has changed, and may write the difference
    )

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore the arguments."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__["state"] = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore the item."""

    def __call__(self, *args: Any, **kwargs: Any) -> Stub:
        return self

    def __hash__(self) -> int:
        return id(self)

    def append(self, item: Any) -> None:
        """Ignore the item.

        Args:
            item: anything.
        """

    def extend(self, items: Any) -> None:
        """Ignore the items.

        Args:
            items: anything.
        """

    add = append


class Unpickler(pickle.Unpickler):
    """Reads tensors, containers and numbers; other classes become subclasses of `Stub`."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class of the short list, or a stub of it.

        Args:
            module, name: what the pickle asks for.
        """
        if module == "torch._utils" and name in _REBUILD:
            return getattr(torch._utils, name)
        if module == "torch" and (name in _DTYPES or name in _STORAGES or name in ("Size", "device")):
            return getattr(torch, name)
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return torch.UntypedStorage
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("builtins", "__builtin__") and name in _HARMLESS:
            return _HARMLESS[name]
        return type("Stub", (Stub,), {"called": f"{module}.{name}"})


def load(file: Any, **kwargs: Any) -> Any:
    """Read a pickle, as `pickle.load` does.

    Args:
        file: a binary file.
        **kwargs: for the Unpickler.
    """
    return Unpickler(file, **kwargs).load()


def module_tensors(stub: Any, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return the state_dict of a module that was read as a stub; {} of anything else.

    Args:
        stub: a Stub.
        prefix: of the names.
        depth: how many modules it lies within.
    """
    state = getattr(stub, "state", None)
    if not isinstance(stub, Stub) or not isinstance(state, Mapping) or depth > MAX_DEPTH:
        return {}
    tensors: dict[str, Any] = {}
    passing = state.get("_non_persistent_buffers_set") or ()
    for group in ("_parameters", "_buffers"):
        for name, value in (state.get(group) or {}).items():
            if isinstance(value, torch.Tensor) and name not in passing:
                tensors[f"{prefix}{name}"] = value
    for name, inner in (state.get("_modules") or {}).items():
        tensors |= module_tensors(inner, f"{prefix}{name}.", depth + 1)
    return tensors
