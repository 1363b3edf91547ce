"""One run of a PyTorch network on made-up pictures, and what it tells: the layers, the head, the number of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch

from ferviz.engines.base import LayerInfo
from ferviz.engines.torch.call_recorder import CallRecorder, Event, Run
from ferviz.errors import ModelError

USUAL_CLASSES = range(5, 11)
"""Numbers of emotions that networks know; where a network has several outputs, one of so many scores is theirs."""


@dataclass(frozen=True)
class TorchCall:
    """One call in a run.

    Attributes:
        info: the layer as others see it.
        source: the address of the call that computes the output: its own, or that of a layer inside a container.
        function: the source is a function, which only a function mode sees.
    """

    info: LayerInfo
    source: str
    function: bool


@dataclass(frozen=True)
class TorchTrace:
    """What a run tells about a network.

    Attributes:
        calls: {address: call}, in order of execution.
        output: the number of the network's output among the tensors that it returns.
        outputs: how many tensors it returns.
        classes: K.
        head: "softmax", "sigmoid" or "linear".
        end: the number of the call (see `Run.end`) whose input are the logits; None where the output is.
        probabilities: the output are probabilities that no known function made, so that their logarithms are the logits.
        dropout: the author left dropout on.
        own_statistics: a normalisation uses the mean and deviation of the pictures beside a picture.
    """

    calls: dict[str, TorchCall]
    output: int
    outputs: int
    classes: int
    head: str
    end: int | None
    probabilities: bool
    dropout: bool
    own_statistics: bool


def trace(recorder: CallRecorder, module: Any, pictures: Any, classes: int | None = None) -> TorchTrace:
    """Run a network once and see what it does.

    Args:
        recorder: of the module.
        module: the network.
        pictures: (N, c, h, w), what it is run on.
        classes: K where the caller knows it; it decides between several outputs.

    Raises:
        ModelError: the network returns no scores of classes.
    """
    calls: dict[str, TorchCall] = {}
    owners: dict[int, str] = {}
    ends: list[tuple[str, Any, Any]] = []
    kept: list[Any] = []  # a tensor that is dropped gives its id to the next one

    def visit(event: Event) -> None:
        source = owners.get(id(event.output), event.address) if event.holder else event.address
        function = calls[source].function if source in calls else event.module is None
        calls[event.address] = TorchCall(_info(event, source), source, function)
        owners[id(event.output)] = source
        kept.append(event.output)

    run = Run(visit, end=lambda number, kind, given, output: ends.append((kind, given.clone(), output)))
    with torch.no_grad(), recorder.watch(run):
        result = module(pictures)
    tensors = list(flat_tensors(result))
    chosen, width = _choose(tensors, len(pictures), classes)
    values = tensors[chosen].reshape(len(pictures), width)
    end = next((n for n in reversed(range(len(ends))) if _is_end(ends[n], values)), None)
    probabilities = end is None and bool(values.min() >= 0) and bool(((values.sum(1) - 1).abs() < 1e-3).all())
    head = ends[end][0] if end is not None else "softmax" if probabilities else "linear"
    return TorchTrace(
        calls, chosen, len(tensors), width, head, end, probabilities, run.dropout, _own_statistics(module)
    )


def flat_tensors(result: Any) -> Iterable[Any]:
    """Yield the tensors in what a network returns: a tensor, a tuple, a dict or a dataclass; of a dict with "logits" only these.

    Args:
        result: what it returned.
    """
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in [result["logits"]] if "logits" in result else result.values():
            yield from flat_tensors(value)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from flat_tensors(value)
    elif is_dataclass(result):
        for field in fields(result):
            yield from flat_tensors(getattr(result, field.name))


def _info(event: Event, source: str) -> LayerInfo:
    shape = tuple(event.output.shape[1:])
    spatial = len(shape) == 3
    if spatial:
        shape = (*shape[1:], shape[0])
    own = () if event.module is None else event.module.parameters(recurse=False)
    cells = shape[0] * shape[1] if spatial else 0
    return LayerInfo(event.address, event.kind, shape, cells > 1, sum(p.numel() for p in own), source != event.address)


def _choose(tensors: list[Any], count: int, classes: int | None) -> tuple[int, int]:
    """-> the number of the tensor with the scores of the classes, and K."""
    widths = [_width(tensor, count) for tensor in tensors]
    fitting = [n for n, width in enumerate(widths) if width > 1]
    if classes is not None and len(fitting) > 1:
        fitting = [n for n in fitting if widths[n] == classes] or fitting
    usual = [n for n in fitting if widths[n] in USUAL_CLASSES]
    if fitting:
        chosen = (usual or fitting)[0]
        return chosen, widths[chosen]
    if 1 in widths:
        raise ModelError(
            "the network has a single output unit (a yes-or-no network); ferviz needs two or more classes, so give its last layer two units"
        )
    shapes = ", ".join(f"(N, {', '.join(map(str, t.shape[1:]))})" for t in tensors[:6]) or "no tensor"
    raise ModelError(f"the network returns {shapes}; ferviz needs a score for each class, (N, classes)")


def _width(tensor: Any, count: int) -> int:
    """-> K of (N, K) or (N, K, 1, 1), 0 for other shapes."""
    if not tensor.is_floating_point() or not tensor.ndim:
        return 0
    sides = [side for side in tensor.shape[1:] if side != 1]
    if tensor.shape[0] != count:  # `squeeze()` of a single picture
        return int(tensor.shape[0]) if count == 1 and not sides else 0
    return (int(sides[0]) if sides else 1) if len(sides) < 2 else 0


def _is_end(call: tuple[str, Any, Any], values: Any) -> bool:
    """Whether a softmax or sigmoid is the last that happens to the scores, over the classes."""
    kind, _, output = call
    if output.numel() != values.numel() or not torch.equal(output.reshape(values.shape), values):
        return False
    total = (values if values.min() >= 0 else values.exp()).sum(1)
    return kind == "sigmoid" or bool((total - 1).abs().max() < 1e-2)


def _own_statistics(module: Any) -> bool:
    norms = (part for part in module.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm))
    return any(part.running_mean is None for part in norms)
