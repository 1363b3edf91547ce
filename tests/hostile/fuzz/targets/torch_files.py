"""Files of PyTorch: weights and whole pickles, in both of its formats, and safetensors. Only where PyTorch is installed."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.mutate.pickles import mutate_torch
from fuzz.target import Target


class _Payload:
    """Makes a folder where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was_here",)


def _network() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7)
    )


def _seeds() -> dict[str, bytes]:
    import torch

    torch.manual_seed(0)
    network = _network()
    state = network.state_dict()
    contents = {
        "state": state,
        "checkpoint": {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}, "best": np.float64(0.5)},
        "whole": network,
        "hostile": {"state_dict": state, "x": _Payload()},
    }  # fmt: skip
    seeds = {}
    for name, content in contents.items():
        for ending, is_zip in (("pth", True), ("t7", False)):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=is_zip)
            seeds[f"{name}.{ending}"] = stream.getvalue()
    return seeds | {"state.safetensors": _safetensors(state)}


def _safetensors(state: dict[str, Any]) -> bytes:
    header, body = {}, b""
    for name, value in state.items():
        raw = value.numpy().tobytes()
        kind = "F32" if value.is_floating_point() else "I64"
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _run(path: Path) -> None:
    from ferviz.errors import FervizError
    from ferviz.models.load import load_model

    problem = None
    for architecture in (None, _network):
        try:
            model = load_model(path, architecture=architecture, input=(12, 12, 1), labels="7", scaling="0..1")
            model.probabilities(np.zeros((2, 12, 12), np.uint8))
        except FervizError as error:
            problem = error
            if "\n" in str(error):  # the sentence of the first attempt counts as well
                break
        else:
            return
    if problem is not None:
        raise problem


def _prepare() -> None:
    from ferviz.models.load import load_model

    warnings.simplefilter("ignore")
    load_model(_network(), input=(12, 12, 1), labels="7", scaling="0..1").probabilities(np.zeros((1, 12, 12), np.uint8))


TARGETS = (
    (Target("torch", "load_model(.pth, .safetensors)", ".pth", _seeds, mutate_torch, _run, _prepare),)
    if importlib.util.find_spec("torch")
    else ()
)
