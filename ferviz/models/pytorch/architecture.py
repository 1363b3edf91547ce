"""The class of a network whose file holds only weights: named by the user, imported or read from the user's own file, and built."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ferviz.engines.backend import keep_triton_out
from ferviz.errors import ModelError, UsageError
from ferviz.models.formats.read import one_line
from ferviz.paths import is_file

_CLASSES = ("num_classes", "n_classes", "nb_classes", "num_class", "classes", "class_num", "out_features", "n_outputs")
_CHANNELS = ("in_channels", "in_chans", "input_channels", "num_channels", "channels", "n_channels", "in_ch")
FORMS = "my_net.py:MyNet, package.module:callable, timm:NAME or torchvision:NAME"


def build_module(architecture: Any, tensors: dict[str, Any], notes: Callable[[str], None]) -> Any:
    """Build the network that weights belong to, with weights of its own still.

    Args:
        architecture: one of FORMS, or in Python a class, a function or an `nn.Module`.
        tensors: the weights; they tell the number of classes and of channels where the class asks for them.
        notes: takes a sentence about code that was run.

    Returns:
        An `nn.Module`.

    Raises:
        UsageError: the architecture is none of FORMS.
        ModelError: there is no such class, or it cannot be built.
    """
    if not isinstance(architecture, str):
        return _instance(architecture, getattr(architecture, "__name__", type(architecture).__name__), tensors)
    origin, _, name = architecture.rpartition(":")
    if not origin or not name:
        raise UsageError(f"architecture {architecture!r} is not known; it is {FORMS}")
    keep_triton_out()
    if origin == "timm":
        return _timm(name, tensors)
    if origin == "torchvision":
        return _torchvision(name, tensors)
    target = _attribute(origin, name, notes)
    return _instance(target, architecture, tensors)


def class_count(tensors: dict[str, Any]) -> int:
    """Return the number of classes that weights tell: the rows of the last matrix or kernel.

    Args:
        tensors: a state_dict.
    """
    sides = [value.shape[0] for value in tensors.values() if value.ndim in (2, 4)]
    return int(sides[-1]) if sides else 0


def channel_count(tensors: dict[str, Any]) -> int:
    """Return the number of channels of the pictures that weights tell: the inputs of the first kernel.

    Args:
        tensors: a state_dict.
    """
    return next((int(value.shape[1]) for value in tensors.values() if value.ndim == 4), 3)


def _attribute(origin: str, name: str, notes: Callable[[str], None]) -> Any:
    path = Path(origin)
    if origin.endswith(".py") or is_file(path):
        if not is_file(path):
            raise ModelError(f"{origin} cannot be read (no such file); name the file with the network's class")
        module = _run_file(path)
        notes(f"{path.name} was run, because it holds the network's class {name}")
    else:
        with _importable(Path.cwd()), _own_code(origin):
            module = importlib.import_module(origin)
    target: Any = module
    for word in name.split("."):
        target = getattr(target, word, None)
    if target is None:
        classes = [
            n for n, value in vars(module).items() if isinstance(value, type) and issubclass(value, torch.nn.Module)
        ]
        has = f"its classes of networks are {', '.join(classes[:8])}" if classes else "it has no class of a network"
        raise ModelError(f"{origin} has no {name}; {has}")
    return target


def _run_file(path: Path) -> Any:
    name = f"ferviz_architecture_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up there
    with _importable(path.resolve().parent), _own_code(path):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules of this folder can be imported within the block."""
    entry = os.fspath(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


@contextmanager
def _own_code(where: object) -> Iterator[None]:
    """Turn what the user's code raises into one sentence."""
    try:
        yield
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise ModelError(f"{where} cannot be run ({reason}); try it with python first") from error


def _instance(target: Any, where: str, tensors: dict[str, Any]) -> Any:
    if isinstance(target, torch.nn.Module):
        return target
    if not callable(target):
        raise UsageError(f"the architecture {where} is neither a class nor a function that builds a network")
    given: dict[str, Any] = {}
    lacks = []
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in _CLASSES and class_count(tensors):
            given[parameter.name] = class_count(tensors)
        elif parameter.name in _CHANNELS and tensors:
            given[parameter.name] = channel_count(tensors)
        elif parameter.default is parameter.empty:
            lacks.append(parameter.name)
    if lacks:
        raise ModelError(
            f"{where} needs arguments ({', '.join(lacks)}); write a function without arguments that builds it, and name "
            "that: my_net.py:build"
        )
    with _own_code(where):
        module = target(**given)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{where} built a {type(module).__name__}, which is no torch.nn.Module")
    return module


def _timm(name: str, tensors: dict[str, Any]) -> Any:
    timm = _package("timm", "timm")
    if name not in timm.list_models() and name.split(".")[0] not in timm.list_models():
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:6])
        raise ModelError(f"timm has no network {name!r}{f'; it has {near}' if near else ''}")
    with _own_code(f"timm:{name}"):
        module = timm.create_model(name, pretrained=False)
        config = module.pretrained_cfg or {}
        classifier, first = config.get("classifier"), config.get("first_conv")
        settings = {}
        if isinstance(classifier, str):
            settings["num_classes"] = _rows(tensors, classifier) or class_count(tensors)
        kernel = next((v for n, v in tensors.items() if isinstance(first, str) and n.endswith(f"{first}.weight")), None)
        if kernel is not None and kernel.ndim == 4:
            settings["in_chans"] = int(kernel.shape[1])
        return timm.create_model(name, pretrained=False, **settings)


def _torchvision(name: str, tensors: dict[str, Any]) -> Any:
    models = _package("torchvision.models", "torchvision")
    if name not in models.list_models():
        near = ", ".join([n for n in models.list_models() if name[:6] in n][:6])
        raise ModelError(f"torchvision has no network {name!r}{f'; it has {near}' if near else ''}")
    with _own_code(f"torchvision:{name}"):
        module = (
            models.get_model(name, weights=None, weights_backbone=None, num_classes=class_count(tensors))
            if ("weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters)
            else models.get_model(name, weights=None, num_classes=class_count(tensors))
        )
    _adapt_first_kernel(module, tensors)
    return module


def _adapt_first_kernel(module: Any, tensors: dict[str, Any]) -> None:
    """Give the first convolution as many input channels as its weights have: grey pictures in a network made for colours."""
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.Conv2d):
            kernel = next(
                (v for n, v in tensors.items() if n == f"{name}.weight" or n.endswith(f".{name}.weight")), None
            )
            if kernel is not None and kernel.ndim == 4 and kernel.shape[1] != part.in_channels and part.groups == 1:
                part.in_channels = int(kernel.shape[1])
                part.weight = torch.nn.Parameter(torch.zeros(kernel.shape))
            return


def _rows(tensors: dict[str, Any], classifier: str) -> int:
    return next((int(v.shape[0]) for n, v in tensors.items() if n.endswith(f"{classifier}.weight")), 0)


def _package(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(
            f"this architecture needs {package}, which is not installed; install it with pip install {package}"
        ) from error
