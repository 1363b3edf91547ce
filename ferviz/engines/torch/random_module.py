"""A PyTorch network that has learned nothing: each module's weights drawn anew as the module itself draws them."""

from __future__ import annotations

from typing import Any

import torch

from ferviz.engines.torch.module_copy import reason_of
from ferviz.errors import ModelError
from ferviz.numerics import cascade_start

_NORMS = torch.nn.modules.batchnorm._BatchNorm


def random_module(module: Any, seed: int, pictures: Any = None, share: float = 1.0) -> Any:
    """Draw weights of a module anew, each by its module's `reset_parameters`; what no module resets as Glorot and Bengio draw it.

    Args:
        module: a copy; it is changed.
        seed: of the weights.
        pictures: (N, c, h, w), whose statistics batch normalisation learns; None = mean 0 and variance 1.
        share: of the modules with kernels, counted from the output, that is drawn; 0 draws the last one.

    Returns:
        The module.

    Raises:
        ModelError: it has no weights that can be reached, or cannot be run with other ones.
    """
    if not any(True for _ in module.parameters()):
        raise ModelError(
            f"the network {type(module).__name__} has no weights that can be reached, so none can be drawn anew"
        )
    devices = {value.device.index for value in module.parameters() if value.is_cuda}
    parts = _in_order(module, pictures)
    kernels = [place for place, part in enumerate(parts) if any(v.ndim > 1 for v in part.parameters(recurse=False))]
    parts = parts[cascade_start(kernels, share) :]
    with torch.no_grad(), torch.random.fork_rng(devices=[index for index in devices if index is not None]):
        torch.manual_seed(seed)
        for part in reversed(parts):
            if callable(getattr(part, "reset_parameters", None)):
                part.reset_parameters()
            else:
                _reset(part)
        if pictures is not None:
            _learn_statistics(module, pictures, parts)
    return module.eval()


def _in_order(module: Any, pictures: Any) -> list[Any]:
    """-> all modules as they are executed, those never called after the one defined before; without pictures as they are defined."""
    parts = list(module.modules())
    if pictures is None:
        return parts
    calls: dict[int, int] = {}

    def note(part: Any, *_: Any) -> None:
        calls.setdefault(id(part), len(calls))

    hooks = [
        part.register_forward_hook(note) for part in parts if next(part.parameters(recurse=False), None) is not None
    ]
    try:
        _run(module.eval(), pictures[:2])
    finally:
        for hook in hooks:
            hook.remove()
    order, last = [], -1
    for part in parts:
        last = calls.get(id(part), last)
        order.append(last)
    return [parts[place] for place in sorted(range(len(parts)), key=order.__getitem__)]


def _run(module: Any, pictures: Any) -> None:
    try:
        with torch.no_grad():
            module(pictures)
    except Exception as error:  # code of the network's own may raise anything
        raise ModelError(
            f"the network {type(module).__name__} cannot be run with random weights: {reason_of(error)}"
        ) from error


def _reset(part: Any) -> None:
    """Draw the weights that a module holds itself: scales begin as 1, offsets as 0."""
    for name, value in part.named_parameters(recurse=False):
        if value.ndim > 1:
            torch.nn.init.xavier_uniform_(value)
        else:
            value.fill_(1.0 if name.endswith("weight") else 0.0)
    for name, value in part.named_buffers(recurse=False):
        if name.endswith(("running_mean", "running_var")):
            value.fill_(1.0 if name.endswith("var") else 0.0)


def _learn_statistics(module: Any, pictures: Any, parts: list[Any]) -> None:
    """Set the means and variances of the parts that are batch normalisation to those of the pictures, layer by layer in one pass."""
    norms = [part for part in parts if isinstance(part, _NORMS) and part.running_mean is not None]
    momenta = [part.momentum for part in norms]
    module.eval()
    for part in norms:
        part.momentum = 1.0
        part.train()
    if norms:
        _run(module, pictures)
    for part, momentum in zip(norms, momenta, strict=True):
        part.momentum = momentum
