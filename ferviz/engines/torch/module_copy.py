"""A copy of somebody's module to work on, so that the module itself stays as it is."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ferviz.errors import ModelError

OURS = "_ferviz_ours"
"""The attribute of modules that nobody else uses."""


def own_copy(module: Any) -> Any:
    """Return a copy of a module, or the module itself where it was read from a file just now (`ours`).

    Args:
        module: an `nn.Module`.

    Raises:
        ModelError: it cannot be copied.
    """
    if getattr(module, OURS, False):
        return module
    try:
        return copy.deepcopy(module)
    except Exception as error:  # copying runs code of the network's own
        raise ModelError(
            f"the network {type(module).__name__} cannot be copied ({reason_of(error)}); ferviz works on a copy, "
            "so that yours stays as it is"
        ) from error


def ours(module: Any) -> Any:
    """Mark a module as one that nobody else uses, so that no copy is needed: exported programs cannot be copied.

    Args:
        module: an `nn.Module`.
    """
    setattr(module, OURS, True)
    return module


def put_channels_first(module: Any) -> None:
    """Put the weights of a module into PyTorch's usual order in memory.

    `module.to(memory_format=...)` does not: a kernel with one input channel is in both orders at once, and stays as it is.

    Args:
        module: an `nn.Module` that nobody else uses; it is changed.
    """
    for value in (*module.parameters(), *module.buffers()):
        value.data = value.data.clone(memory_format=torch.contiguous_format)


def unwrapped(module: Any) -> Any:
    """Return the network inside wrappers of PyTorch (DataParallel, a compiled module).

    Args:
        module: an `nn.Module`.
    """
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(module, wrappers):
            module = module.module
        elif type(module).__name__ == "OptimizedModule" and hasattr(module, "_orig_mod"):
            module = module._orig_mod
        else:
            return module


def reason_of(error: BaseException) -> str:
    """Return what an error of PyTorch's says first, for a message.

    Args:
        error: of any kind.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:240] or type(error).__name__
