"""Checkpoints: the weights in a file of PyTorch, wherever in it they lie, and whether they fit a module."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ferviz.errors import ModelError
from ferviz.models.formats.read import wrap_parse_errors
from ferviz.models.pytorch import inert_pickle
from ferviz.models.pytorch.inert_pickle import Stub, module_tensors
from ferviz.models.pytorch.safetensors_file import read_safetensors
from ferviz.models.pytorch.torch_file import SAFETENSORS
from ferviz.printable import printable

_PREFERRED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "ema",
    "state_dict_ema",
    "weights",
)
_COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
"""Ends of names that decide about no answer: counters of normalisations and of tools that count operations."""
_SHOWN = 3


@dataclass(frozen=True)
class Weights:
    """One dict of tensors in a checkpoint.

    Attributes:
        where: the keys that lead to it, "" for the file itself.
        tensors: {name: tensor}.
        called: the class of the network that was pickled whole, "" = a state_dict.
    """

    where: str
    tensors: dict[str, Any]
    called: str = ""


def read_checkpoint(path: Path, kind: str) -> list[Weights]:
    """Read every dict of tensors in a file; no code of the file is run.

    Args:
        path: the file.
        kind: CHECKPOINT or SAFETENSORS.

    Returns:
        The dicts, those with the usual names first.

    Raises:
        ModelError: the file is damaged, or holds no weights.
    """
    with wrap_parse_errors(path):
        content = read_safetensors(path) if kind == SAFETENSORS else _load(path)
        weights = sorted(_weights(content, ""), key=_rank)
    if not weights:
        kinds = type(content).__name__ if not isinstance(content, Stub) else printable(content.called, 80)
        raise ModelError(
            f"{path} holds no weights of a network (it is a {kinds}); save model.state_dict() and name that file"
        )
    return weights


def _load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # a network that was pickled whole, or a number of NumPy beside the weights
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=inert_pickle)


def _weights(content: Any, where: str, depth: int = 0) -> Iterator[Weights]:
    if isinstance(content, Stub):
        tensors = module_tensors(content)
        if tensors:
            yield Weights(where, tensors, content.called)
        return
    if not isinstance(content, Mapping) or depth > 3:
        return
    tensors = {
        name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if tensors:
        yield Weights(where, tensors)
    for name, value in content.items():
        if isinstance(value, Mapping | Stub):
            yield from _weights(value, f"{where}.{name}" if where else str(name), depth + 1)


def _rank(weights: Weights) -> tuple[bool, int, int]:
    last = weights.where.rpartition(".")[2]
    preferred = _PREFERRED.index(last) if last in _PREFERRED else len(_PREFERRED)
    return len(weights.tensors) < 2, preferred, -len(weights.tensors)


def load_weights(module: Any, candidates: list[Weights], where: str) -> list[str]:
    """Load the weights that fit into a module, strictly.

    Args:
        module: the network; it is changed.
        candidates: the dicts of a checkpoint.
        where: the file's name, for messages.

    Returns:
        One sentence for each thing that was left out.

    Raises:
        ModelError: none of them fits; the message names what is missing, too many, or of another shape.
    """
    own = module.state_dict()
    fitted = [_renamed(weights, set(own)) for weights in candidates]
    misfits = [_misfit(weights.tensors, own) for weights in fitted]
    best = min(range(len(fitted)), key=lambda n: sum(map(len, misfits[n])))
    missing, unknown, shapes = misfits[best]
    if missing or unknown or shapes:
        parts = [
            _names("it lacks", missing),
            _names("the class does not have", unknown),
            _names("other shapes:", shapes),
        ]
        raise ModelError(
            f"the weights of {where} do not fit {type(module).__name__}: {'; '.join(part for part in parts if part)}"
        )
    tensors = {name: value for name, value in fitted[best].tensors.items() if name in own}
    module.load_state_dict({**own, **tensors}, strict=True)
    chosen = candidates[best].where
    return (
        [f"{where} holds several dicts of weights; {printable(chosen, 80) or 'the outermost'} is used"]
        if len(candidates) > 1
        else []
    )


def _renamed(weights: Weights, known: set[str]) -> Weights:
    """-> the weights without a prefix that wrappers put before all names (module., model., _orig_mod.)."""
    names = set(weights.tensors)
    if known <= names:
        return weights
    first = next((name for name in sorted(known) if not name.endswith(_COUNTERS)), "")
    for name in sorted(names):
        prefix = name.removesuffix(first)
        if first and name.endswith(f".{first}"):
            inside = {n.removeprefix(prefix): value for n, value in weights.tensors.items() if n.startswith(prefix)}
            if sum(map(len, _compared(set(inside), known))) < sum(map(len, _compared(names, known))):
                return replace(weights, tensors=inside)
    return weights


def _compared(names: set[str], known: set[str]) -> tuple[list[str], list[str]]:
    missing, unknown = known - names, names - known
    return tuple(sorted(n for n in group if not n.endswith(_COUNTERS)) for group in (missing, unknown))  # type: ignore[return-value]


def _misfit(tensors: dict[str, Any], own: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    missing, unknown = _compared(set(tensors), set(own))
    shapes = [
        f"{name} is {tuple(tensors[name].shape)} in the file and {tuple(own[name].shape)} in the class"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    return missing, unknown, shapes


def _names(words: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{words} {', '.join(printable(name, 160) for name in names[:_SHOWN])}{more}"
