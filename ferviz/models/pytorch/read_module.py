"""A PyTorch file and the name of its class -> an `nn.Module` with the file's weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ferviz.engines.backend import keep_triton_out
from ferviz.engines.torch.module_copy import ours
from ferviz.errors import ModelError, UntrustedModelError, UsageError
from ferviz.models.formats.read import one_line
from ferviz.models.pytorch.architecture import FORMS, build_module
from ferviz.models.pytorch.state_dicts import Weights, load_weights, read_checkpoint
from ferviz.models.pytorch.torch_file import PROGRAMS, SCRIPT
from ferviz.printable import printable


class ScriptNetwork(torch.nn.Module):
    """A TorchScript program as a module that can be watched from outside; what is in it cannot.

    Args:
        program: what `torch.jit.load` gives.
    """

    def __init__(self, program: Any) -> None:
        super().__init__()
        self.__dict__["program"] = program  # no submodule: hooks are not supported on it

    def forward(self, pictures: Any) -> Any:
        """Run the program.

        Args:
            pictures: (N, c, h, w).
        """
        return self.__dict__["program"](pictures)


def read_module(path: Path, kind: str, architecture: Any, trust: bool, note: Callable[[str], None]) -> Any:
    """Read a network.

    Args:
        path: the file.
        kind: of `torch_format`.
        architecture: the class that the weights belong to (see `build_module`), None where the file holds more than weights.
        trust: whether code in the file may run.
        note: takes one sentence for each thing that was assumed or run.

    Returns:
        An `nn.Module`.

    Raises:
        UntrustedModelError: opening the file runs code, and `trust` is false.
        ModelError: it is damaged, lacks its class, or does not fit it.
    """
    if kind in PROGRAMS:
        return _program(path, kind, architecture, trust)
    candidates = read_checkpoint(path, kind)
    if architecture is not None:
        return _fitting_module(path, candidates, architecture, note)
    called = printable(candidates[0].called, 80)
    if called and trust:
        return _unpickled_module(path, called)
    if called:
        raise UntrustedModelError(
            f"{path} is a pickled {called}, which runs code when it is opened: name its class with --architecture ({FORMS}), then only its "
            "weights are read, or pass --trust (trust=True) if you know where the file comes from"
        )
    names = printable(", ".join(list(candidates[0].tensors)[:2]), 120)
    raise ModelError(
        f"{path} holds the weights of a PyTorch network ({len(candidates[0].tensors)} tensors: {names} ...) and not its layers: name its "
        f"class with --architecture (architecture=): {FORMS}"
    )


def _fitting_module(path: Path, candidates: list[Weights], architecture: Any, note: Callable[[str], None]) -> Any:
    module = build_module(architecture, candidates[0].tensors, note)
    for sentence in load_weights(module, candidates, path.name):
        note(sentence)
    return module


def _program(path: Path, kind: str, architecture: Any, trust: bool) -> Any:
    if architecture is not None:
        raise UsageError(
            f"{path} is a {kind} with its layers; --architecture (architecture=) goes with a file of weights"
        )
    if not trust:
        raise UntrustedModelError(
            f"{path} is a {kind}: opening it may run any code; pass --trust (trust=True) if you know where it comes from, or save "
            "model.state_dict() and name its class with --architecture"
        )
    keep_triton_out()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, which its users know
            if kind == SCRIPT:
                return ScriptNetwork(torch.jit.load(str(path), map_location="cpu").eval())
            return ours(torch.export.unflatten(torch.export.load(str(path))))
    except Exception as error:  # the file's own code may raise anything
        raise ModelError(
            f"{path} cannot be opened as a {kind} ({one_line(error)}); save it again with this version of PyTorch"
        ) from error


def _unpickled_module(path: Path, called: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # the file's own code may raise anything
        raise ModelError(
            f"{path} is a pickled {called}, which cannot be opened here ({type(error).__name__}: {one_line(error)}); name its class with "
            "--architecture, then only its weights are read"
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{path} holds a {type(module).__name__}, which is no torch.nn.Module")
    return module
