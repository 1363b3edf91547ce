"""One node of an ONNX graph with the questions that the operators ask of it; numbers outside of their range are refused here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.onnx.tensor_data import read_tensor
from ferviz.engines.onnx.values import Operand, Value
from ferviz.errors import ModelError
from ferviz.printable import printable

MAX_STEP = 1 << 15
"""The largest stride, dilation, window and margin."""

MAX_NUMBERS = 1 << 26
"""The most numbers in one tensor for one face: a quarter of a gigabyte."""


class UnreadableNodeError(Exception):
    """The node asks for something that is not computed here, or that makes no sense; the message says what."""


class OnnxNode:
    """A node.

    Args:
        proto: the NodeProto.
        where: the file, for messages.
        opset: version of ONNX' operators.
        declared_batch: the number of pictures that the file was written for, None = any.
        batch: the number of pictures that there will be, a tensor; BATCH where only shapes are worked out.
    """

    def __init__(self, proto: Any, where: str, opset: int, declared_batch: int | None, batch: Any) -> None:
        self.kind, self.opset, self.where = str(proto.op_type), opset, where
        self.declared_batch, self.batch = declared_batch, batch
        self.inputs, self.outputs = tuple(proto.input), tuple(proto.output)
        self.name = printable(proto.name or (self.outputs[0] if self.outputs else self.kind), 200)
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    def has(self, name: str) -> bool:
        """Return whether an attribute is there.

        Args:
            name: of the attribute.
        """
        return name in self._attributes

    def integer(self, name: str, default: int = 0) -> int:
        """Return an attribute that is a whole number.

        Args:
            name: of the attribute.
            default: where it is absent.
        """
        return int(self._attributes[name].i) if name in self._attributes else default

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number.

        Args:
            name: of the attribute.
            default: where it is absent.
        """
        return float(self._attributes[name].f) if name in self._attributes else default

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text.

        Args:
            name: of the attribute.
            default: where it is absent.
        """
        return self._attributes[name].s.decode("utf-8", "replace") if name in self._attributes else default

    def integers(self, name: str) -> list[int] | None:
        """Return an attribute that is a list of whole numbers, None where it is absent.

        Args:
            name: of the attribute.
        """
        return [int(value) for value in self._attributes[name].ints] if name in self._attributes else None

    def numbers(self, name: str) -> list[float] | None:
        """Return an attribute that is a list of numbers, None where it is absent.

        Args:
            name: of the attribute.
        """
        return [float(value) for value in self._attributes[name].floats] if name in self._attributes else None

    def tensor(self, name: str) -> np.ndarray:
        """Return an attribute that is an array.

        Args:
            name: of the attribute.
        """
        return read_tensor(self._attributes[name].t, None, self.where)

    def graph(self, name: str) -> Any:
        """Return an attribute that is a graph.

        Args:
            name: of the attribute.
        """
        return self._attributes[name].g

    def steps(self, name: str, count: int, default: int = 1, least: int = 1) -> list[int]:
        """Return an attribute that has a step (a stride, a window, a margin) for each axis.

        Args:
            name: of the attribute.
            count: how many there must be.
            default: each, where the attribute is absent.
            least: the smallest that makes sense.
        """
        values = self.integers(name)
        if not values:
            return [default] * count
        require(len(values) == count, f"its {name} has {len(values)} numbers instead of {count}")
        require(all(least <= value <= MAX_STEP for value in values), f"its {name} is {printable(str(values), 60)}")
        return values


def require(condition: object, problem: str) -> None:
    """Raise UnreadableNodeError unless a condition holds.

    Args:
        condition: is tested for truth.
        problem: what is wrong otherwise.
    """
    if not condition:
        raise UnreadableNodeError(problem)


def known(operand: Operand | None, what: str) -> np.ndarray:
    """Return an operand whose value must be known before a picture is seen.

    Args:
        operand: of a node.
        what: the word for it in messages.
    """
    if not isinstance(operand, np.ndarray):
        raise UnreadableNodeError(f"its {what} depends on the picture")
    return operand


def integers(operand: Operand | None, what: str) -> list[int]:
    """Return an operand that is a short list of whole numbers.

    Args:
        operand: of a node.
        what: the word for it in messages.
    """
    array = known(operand, what)
    require(
        array.dtype.kind in "iu" and array.ndim <= 1 and array.size <= 64, f"its {what} is no list of whole numbers"
    )
    return [int(value) for value in array.ravel()]


def sizes_of(operand: Operand) -> tuple[int, ...]:
    """Return an operand's shape as the file has it.

    Args:
        operand: of a node.
    """
    sizes = operand.sizes if isinstance(operand, Value) else operand.shape
    if any(size is None for size in sizes):
        raise UnreadableNodeError("it needs a size that is known only when the network runs")
    return tuple(int(size) for size in sizes if size is not None)


def node_error(node: OnnxNode, reason: object) -> ModelError:
    """Return the error for a node that cannot be computed.

    Args:
        node: the node.
        reason: why.
    """
    lines = printable(str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__, 200)
    return ModelError(
        f"{node.where} cannot be read at its operator {node.kind} (node {node.name!r}): {lines.rstrip('. ')}"
    )
