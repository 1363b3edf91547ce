"""Networks on another device than the processor: whatever ferviz makes for them has to go there.

No device is needed: tensors of "lazy:0" are computed here, and refuse every operation with a tensor of the processor, as a GPU's do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ferviz.engines.base import INPUT

pytest.importorskip("torch", reason="PyTorch is not installed (make test-frameworks installs it)")

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ferviz.engines.torch.torch_engine import TorchEngine
from tests.torch_networks import CLASSES, SIZE, Functional, pictures, seeded

ELSEWHERE = torch.device("lazy", 0)
SHAPE = (SIZE, SIZE, 1)


class Remote(torch.Tensor):
    """A tensor that says it is elsewhere; `held` is what it holds."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Any:
        tensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=ELSEWHERE,
        )
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(function, args, kwargs or {})


class Devices(TorchDispatchMode):
    """Lets what is made for the other device, or moved there, be a Remote."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(function, args, kwargs or {})


def computed(function: Any, args: Any, kwargs: Any) -> Any:
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    remote = any(isinstance(value, Remote) for value in tensors)
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    local = [value for value in tensors if not isinstance(value, Remote) and value.ndim]
    if remote and local and not moves:
        raise RuntimeError(f"{function} has tensors of two devices")
    asked = kwargs.get("device")
    if asked is not None:
        remote = torch.device(asked).type == ELSEWHERE.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain = tree_map(lambda value: value.held if isinstance(value, Remote) else value, (args, kwargs))
    with torch.utils._python_dispatch._disable_current_modes():
        result = function(*plain[0], **plain[1])
    if function is torch.ops.aten.copy_.default or not remote:
        return args[0] if function is torch.ops.aten.copy_.default else result
    return tree_map(lambda value: Remote(value) if isinstance(value, torch.Tensor) else value, result)


@pytest.fixture
def elsewhere() -> Iterator[Any]:
    """The network Functional on the other device."""
    network = seeded(Functional())
    for part in network.modules():
        for name, value in list(part._parameters.items()):
            if value is not None:
                part._parameters[name] = torch.nn.Parameter(Remote(value.detach()))
        for name, value in list(part._buffers.items()):
            if value is not None:
                part._buffers[name] = Remote(value)
    with Devices():
        yield network


def test_the_other_device_refuses_tensors_of_this_one(elsewhere: Any) -> None:
    with pytest.raises(RuntimeError, match="two devices"):
        elsewhere(torch.zeros(1, 1, SIZE, SIZE))


def test_everything_runs_where_the_network_is(elsewhere: Any) -> None:
    there, here = TorchEngine(elsewhere, SHAPE), TorchEngine(seeded(Functional()), SHAPE)
    batch, weights = pictures(3), np.random.default_rng(5).normal(size=(3, 2, CLASSES + 1)).astype(np.float32)
    inner = here.activations(batch, ["relu2"])[0]

    def answers(engine: TorchEngine) -> list[np.ndarray]:
        return [
            engine.logits(batch), *engine.activations(batch, ["conv1", "add"]), *engine.gradients(batch, "relu2", weights),
            *engine.gradients(batch, INPUT, inner[:, None], of="relu2"), *engine.guided_gradients(batch, INPUT, weights[..., :CLASSES]),
            engine.logits_from(batch, "relu2", inner * 0.5), engine.randomised(1, batch).logits(batch),
        ]  # fmt: skip

    for ours, theirs in zip(answers(there), answers(here), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert all(value.device == ELSEWHERE for value in elsewhere.parameters())
