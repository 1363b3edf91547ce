"""A module and what is known about its pictures -> an engine, and the conventions that the module itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ferviz.engines.base import PictureShape
from ferviz.engines.torch.module_copy import own_copy, unwrapped
from ferviz.engines.torch.torch_engine import TorchEngine
from ferviz.engines.torch.torch_trace import flat_tensors
from ferviz.errors import ModelError

SIDES = (48, 64, 96, 128, 224, 44, 42, 40, 32, 100, 112, 56, 80, 144, 160, 192, 197, 227, 240, 256, 260, 288, 299, 300, 384)  # fmt: skip
"""Sides that networks are tried on where nobody tells the size of their pictures."""


@dataclass(frozen=True)
class ModuleNetwork:
    """A module that is ready to run.

    Attributes:
        engine: runs it.
        settings: fields of an InputSpec that the module's own configuration gives.
        notes: one sentence for each thing that was found out about its pictures.
    """

    engine: TorchEngine
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_module(module: Any, shape: PictureShape | None, classes: int | None) -> ModuleNetwork:
    """Open a module.

    Args:
        module: an `nn.Module`; it is not changed.
        shape: (h, w, c) of its pictures, None = find out.
        classes: K where the caller named the classes.

    Raises:
        ModelError: it cannot be run on pictures, or returns no scores of classes.
    """
    if any(isinstance(p, torch.nn.parameter.UninitializedParameter) for p in module.parameters()):
        raise ModelError(
            f"the network {type(module).__name__} has weights that are not made yet; run it on a batch once"
        )
    if shape is not None:
        engine = TorchEngine(module, shape, classes)
        settings, notes = _timm_settings(unwrapped(module), shape)
        return ModuleNetwork(engine, settings, (*notes, *engine.notes))
    settings, notes = _timm_settings(unwrapped(module), None)
    if settings:
        shape = (settings["height"], settings["width"], _channels(unwrapped(module)) or 3)
        try:
            engine = TorchEngine(module, shape, classes)
            return ModuleNetwork(engine, settings, (*notes, *engine.notes))
        except ModelError:
            settings = {}
    shape = _find_shape(unwrapped(module))
    engine = TorchEngine(module, shape, classes)
    return ModuleNetwork(engine, settings, engine.notes)


def _channels(module: Any) -> int | None:
    first = next((part for part in module.modules() if isinstance(part, torch.nn.Conv2d)), None)
    return None if first is None else int(first.in_channels)


def _find_shape(module: Any) -> PictureShape:
    """-> the shape of the pictures that a network takes, found by trying; None for the sides of one that takes any."""
    name, channels = type(module).__name__, _channels(module)
    if channels not in (None, 1, 3):
        raise ModelError(
            f"the network {name} takes {channels} channels; ferviz works with pictures of 1 (grey) or 3 (colour)"
        )
    network = own_copy(module).eval().requires_grad_(False)
    values = next((v for v in (*network.parameters(), *network.buffers()) if v.is_floating_point()), torch.zeros(()))
    failure = ""
    for pictures in (2, 1):  # two at once show a network that takes one large picture for several small ones
        for count in (channels,) if channels else (1, 3):
            accepted: list[int] = []
            for side in SIDES:
                try:
                    with torch.no_grad():
                        blank = torch.full((pictures, count, side, side), 0.5, device=values.device, dtype=values.dtype)
                        results = list(flat_tensors(network(blank)))
                except Exception as error:  # code of the network's own may raise anything
                    failure = failure or (str(error).splitlines() or [type(error).__name__])[0][:160]
                    continue
                if any(tensor.ndim and len(tensor) == pictures for tensor in results):
                    accepted.append(side)
                if len(accepted) == 2:
                    return None, None, count
            if accepted:
                return accepted[0], accepted[0], count
    raise ModelError(
        f"the network {name} cannot be run on pictures of any usual size ({failure}); if it takes pictures, say their size with "
        "input=(height, width, channels) (--input 48x48x1)"
    )


def _timm_settings(module: Any, shape: PictureShape | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """-> the fields of an InputSpec in a configuration that timm left in a network, and the sentence about them."""
    config = getattr(module, "pretrained_cfg", None)
    if not isinstance(config, Mapping):
        return {}, ()
    size, mean, std = config.get("input_size"), config.get("mean"), config.get("std")
    channels = _channels(module)
    if not (isinstance(size, tuple | list) and len(size) == 3 and channels in (1, 3)):
        return {}, ()
    settings: dict[str, Any] = {} if shape else {"height": int(size[1]), "width": int(size[2])}
    if isinstance(mean, tuple | list) and isinstance(std, tuple | list) and len(mean) == len(std) == channels:
        settings |= {"scaling": "standardize", "unit": 255, "mean": tuple(mean), "std": tuple(std)}
    where = f"timm's configuration of {config.get('architecture') or type(module).__name__}"
    return settings, (
        f"{where} gives the network's input: {size[1]} x {size[2]} pixels"
        + (", and its mean and deviation" if mean else ""),
    )
