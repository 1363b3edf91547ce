"""The calls of a PyTorch network, seen one by one: of modules through hooks, of functions (relu, add, cat) through a function mode.

Every call has an address: a module's is its dotted name, a function's the name of the module that calls it and its own
("layer4.1.add"); a second call of the same address in a run is "layer4.1.relu:1".
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

FUNCTIONS = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardtanh", "hardswish",
    "hardsigmoid", "sigmoid", "tanh", "softplus", "softsign", "glu", "max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "lp_pool2d",
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "fractional_max_pool2d", "interpolate", "upsample", "grid_sample", "pixel_shuffle",
    "pixel_unshuffle", "pad", "conv2d", "conv_transpose2d", "batch_norm", "instance_norm", "group_norm", "layer_norm",
    "local_response_norm", "normalize", "linear", "addmm", "matmul", "bmm", "scaled_dot_product_attention", "softmax", "log_softmax",
    "add", "sub", "mul", "div", "cat", "concat", "stack", "maximum", "minimum", "mean", "sum", "amax",
}  # fmt: skip
"""Functions whose results are layers. Views and changes of shape are none."""

ENDS = {"softmax": "softmax", "log_softmax": "softmax", "sigmoid": "sigmoid"}
"""What a network may do to its logits at its end, and the kind of head that this is."""

_ALIASES = {
    "iadd": "add", "radd": "add", "isub": "sub", "rsub": "sub", "imul": "mul", "rmul": "mul", "truediv": "div", "itruediv": "div",
    "rdiv": "div", "concat": "cat", "concatenate": "cat", "max_pool2d_with_indices": "max_pool2d",
    "_softmax": "softmax", "_log_softmax": "log_softmax",
}  # fmt: skip
_DROPOUT = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One call that returned a tensor.

    Attributes:
        address: see the module's text.
        kind: the class of the module, or the name of the function.
        module: the module; None for a function.
        holder: the module holds others, so that its output may be the output of one of them.
        output: the tensor.
    """

    address: str
    kind: str
    module: Any
    holder: bool
    output: Any


class Collected(BaseException):
    """Raised within a run once everything that was asked for is there; no `except Exception` of a network's own catches it."""


@dataclass
class Run:
    """What is watched during one run of a network.

    Attributes:
        visit: takes each event and returns the tensor that goes on instead, None = the same.
        end: takes the number of each call that may end a network (see ENDS), its kind, input and output.
        guided: every ReLU also stops negative gradients on the way back.
        dropout: whether a call was seen in which dropout is on; those calls are left out.
    """

    visit: Callable[[Event], Any] | None = None
    end: Callable[[int, str, Any, Any], None] | None = None
    guided: bool = False
    dropout: bool = False
    stack: list[str] = field(default_factory=list)
    inside_leaf: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    ends: int = 0

    def address(self, name: str) -> str:
        """Return the address of the next call of this name.

        Args:
            name: of a module, or of a module and a function.
        """
        self.counts[name] += 1
        number = self.counts[name] - 1
        return f"{name}:{number}" if number else name


class CallRecorder:
    """Watches the runs of a module. The hooks stay on it for good and do nothing outside `watch`, in other threads included.

    Args:
        module: a copy of ours, never the user's own.
    """

    def __init__(self, module: Any) -> None:
        self._local = threading.local()
        self._handles = []
        for name, part in module.named_modules():
            holder = not name or any(True for _ in part.children())
            self._handles.append(part.register_forward_pre_hook(partial(self._enter, name, holder)))
            self._handles.append(part.register_forward_hook(partial(self._leave, name, holder)))

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()

    @contextmanager
    def watch(self, run: Run, functions: bool = True) -> Iterator[None]:
        """Watch the calls of this thread within the block; it ends quietly where `Collected` is raised.

        Args:
            run: who watches.
            functions: watch functions too, which costs a microsecond or two a call.
        """
        before = getattr(self._local, "run", None)
        self._local.run = run
        try:
            if functions:
                with _FunctionCalls(run):
                    yield
            else:
                yield
        except Collected:
            pass
        finally:
            self._local.run = before

    def _enter(self, name: str, holder: bool, module: Any, args: Any) -> None:
        run: Run | None = getattr(self._local, "run", None)
        if run is not None:
            run.stack.append(name)
            run.inside_leaf += not holder

    def _leave(self, name: str, holder: bool, module: Any, args: Any, output: Any) -> Any:
        run: Run | None = getattr(self._local, "run", None)
        if run is None:
            return None
        run.stack.pop()
        run.inside_leaf -= not holder
        if run.visit is None or not name or not _is_layer(output):
            return None
        return run.visit(Event(run.address(name), type(module).__name__, module, holder, output))


class _FunctionCalls(TorchFunctionMode):
    """Sees every function of PyTorch that is called, and passes on those that a run is interested in."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        run, kwargs = self._run, kwargs or {}
        name = _name(func)
        if name in _DROPOUT and _is_on(args, kwargs):
            run.dropout = True
            return args[0] if args else kwargs["input"]
        if name not in FUNCTIONS:
            return func(*args, **kwargs)
        if run.guided and name in ("relu", "relu6", "hardtanh") and _is_relu(name, args, kwargs):
            output = _guided(args, kwargs, name)
        else:
            output = func(*args, **kwargs)
        if name in ENDS and run.end is not None:
            run.ends += 1
            run.end(run.ends - 1, ENDS[name], args[0] if args else kwargs["input"], output)
        if run.visit is None or run.inside_leaf or not run.stack or not _is_layer(output):
            return output
        path = run.stack[-1]
        changed = run.visit(Event(run.address(f"{path}.{name}" if path else name), name, None, False, output))
        return output if changed is None else changed


def _is_layer(output: Any) -> bool:
    return isinstance(output, torch.Tensor) and output.is_floating_point() and output.ndim >= 2


def _name(func: Any) -> str:
    """-> the plain name of a function: add for `torch.add`, `Tensor.add_`, `Tensor.__iadd__` and `aten.add.Tensor`."""
    name = str(getattr(func, "__name__", "")).partition(".")[0]
    name = _ALIASES.get(name, name).strip("_")
    return _ALIASES.get(name, name)


def _is_on(args: Any, kwargs: Any) -> bool:
    given = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
    return bool(given)


def _is_relu(name: str, args: Any, kwargs: Any) -> bool:
    if name != "hardtanh":
        return True
    low, high = (
        kwargs.get(key, args[at] if len(args) > at else usual)
        for key, at, usual in (("min_val", 1, -1), ("max_val", 2, 1))
    )
    return bool(low == 0 and high == 6)


class _GuidedRelu(torch.autograd.Function):
    """A ReLU that stops negative gradients on the way back, too."""

    @staticmethod
    def forward(ctx: Any, values: Any, ceiling: float) -> Any:
        """Compute the ReLU.

        Args:
            ctx: keeps the values for the way back.
            values: any shape.
            ceiling: the largest output.
        """
        ctx.save_for_backward(values)
        ctx.ceiling = ceiling
        return values.clamp(0, ceiling)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:  # type: ignore[override]
        """Pass on the gradient where it and the values are positive.

        Args:
            ctx: what `forward` kept.
            gradient: of the output.
        """
        (values,) = ctx.saved_tensors
        return gradient.clamp(min=0) * ((values > 0) & (values < ctx.ceiling)), None


def _guided(args: Any, kwargs: Any, name: str) -> Any:
    values = args[0] if args else kwargs["input"]
    return _GuidedRelu.apply(values, float("inf") if name == "relu" else 6.0)
