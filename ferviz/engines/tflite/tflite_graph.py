"""A TensorFlow Lite file as Python objects: subgraphs, tensors and operators, read with every offset checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.engines.tflite.flatbuffer_tables import Flatbuffer, FlatbufferError, Table
from ferviz.printable import printable

MAX_SUBGRAPHS, MAX_TENSORS, MAX_OPERATORS, MAX_BUFFERS, MAX_NAMES = 1_000, 50_000, 50_000, 50_000, 5_000
MAX_RANK, MAX_BYTES = 8, 1 << 30
MAX_LINKS = 10_000  # inputs or outputs of one operator or graph

BITS = {
    "float32": 32, "float16": 16, "int32": 32, "uint8": 8, "int64": 64, "bool": 8, "int16": 16, "int8": 8, "float64": 64,
    "uint32": 32, "uint64": 64, "uint16": 16, "int4": 4,
}  # fmt: skip
"""Bits of an element of each type that is accepted; texts, resources, complex numbers and others are not."""

_TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8", 10: "float64",
    12: "uint64", 15: "uint32", 16: "uint16", 17: "int4",
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor of a subgraph.

    Attributes:
        shape: as the file declares it, None where a size is known only when the graph runs; () also where the rank is not known.
        dtype: a key of BITS.
        data: the bytes of a constant, None for what is computed.
        scales: how many scales it is quantised with, 0 = not quantised.
        axis: the axis that the scales belong to.
    """

    shape: tuple[int | None, ...]
    dtype: str
    data: np.ndarray | None = field(repr=False)
    scales: int
    axis: int

    @property
    def values(self) -> np.ndarray | None:
        """The elements of a constant in the tensor's shape, None for what is computed."""
        if self.data is None or self.dtype == "int4":
            return None
        return self.data.view(self.dtype).reshape([n or 0 for n in self.shape])


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        code: the number of the builtin operator.
        inputs, outputs: indices of tensors; -1 is an input that is left out.
        options_type, options: the table of its options, None where there is none.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None = field(repr=False)


@dataclass(frozen=True)
class Subgraph:
    """One graph.

    Attributes:
        tensors, operators: in the file's order.
        inputs, outputs: indices of tensors.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """The name of a graph and of its inputs and outputs.

    Attributes:
        name: of the graph.
        subgraph: its index.
        inputs, outputs: {name: index of a tensor}.
    """

    name: bytes
    subgraph: int
    inputs: dict[bytes, int]
    outputs: dict[bytes, int]


@dataclass(frozen=True)
class TFLiteGraphs:
    """What a TensorFlow Lite file holds.

    Attributes:
        subgraphs, signatures: in the file's order.
    """

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]


def read_graphs(content: bytes | bytearray) -> TFLiteGraphs:
    """Read a TensorFlow Lite file.

    Args:
        content: the file.

    Raises:
        FlatbufferError: says what is wrong with it.
    """
    root = Flatbuffer(content, b"TFL3").root()
    if root.number(0, "<I") != 3:
        raise FlatbufferError("it is of another version than 3")
    if any(root.slots[8:]):
        raise FlatbufferError("its constants lie in other files")
    root.text(3)
    root.numbers(5, "<i4")
    buffers = [_buffer(table) for table in root.tables(4, MAX_BUFFERS)]
    for table in root.tables(6, MAX_NAMES):
        table.text(0)
        if not 0 <= table.number(1, "<I") < len(buffers):
            raise FlatbufferError("its metadata points to a constant that is not there")
    codes = [_code(table) for table in root.tables(1, MAX_OPERATORS)]
    budget = {"tensors": MAX_TENSORS, "operators": MAX_OPERATORS}
    subgraphs = tuple(_subgraph(table, buffers, codes, budget) for table in root.tables(2, MAX_SUBGRAPHS))
    return TFLiteGraphs(subgraphs, tuple(_signature(table) for table in root.tables(7, MAX_NAMES)))


def _buffer(table: Table) -> np.ndarray | None:
    if not table.has_only(3) or table.number(1, "<Q") or table.number(2, "<Q"):
        raise FlatbufferError("a constant lies outside of the flatbuffer")
    data = table.numbers(0, "u1")
    return data if data is not None and data.size else None


def _code(table: Table) -> int:
    name = table.text(1, limit=200)
    if name == b"edgetpu-custom-op":
        raise FlatbufferError("it is compiled for an Edge TPU, and the network inside can run nowhere else")
    if name:
        raise FlatbufferError(
            f"it asks for the operator {printable(name.decode('utf-8', 'replace'), 60)}, which is not built in"
        )
    code = max(table.number(0, "<b"), table.number(3, "<i"))
    if code == 32:
        raise FlatbufferError("it asks for an operator that is not built in")
    return code


def _subgraph(table: Table, buffers: list[Any], codes: list[int], budget: dict[str, int]) -> Subgraph:
    if not table.has_only(6):
        raise FlatbufferError("a graph has a field that is not known")
    tensors = tuple(_tensor(entry, buffers) for entry in table.tables(0, budget["tensors"]))
    operators = tuple(_operator(entry, codes) for entry in table.tables(3, budget["operators"]))
    budget["tensors"] -= len(tensors)
    budget["operators"] -= len(operators)
    table.text(4)
    return Subgraph(tensors, operators, _links(table, 1), _links(table, 2))


def _links(table: Table, number: int) -> tuple[int, ...]:
    values = table.numbers(number, "<i4")
    if values is None:
        return ()
    if values.size > MAX_LINKS:
        raise FlatbufferError("a list of tensors is too long")
    table.buffer.spend(values.size)
    return tuple(values.tolist())


def _tensor(table: Table, buffers: list[Any]) -> Tensor:
    table.text(3)
    if not table.has_only(10) or table.table(6) is not None or any(True for _ in table.tables(9, 1)):
        raise FlatbufferError("a tensor is sparse, or of a kind that is not known")
    if table.number(5, "<b"):
        raise FlatbufferError("a tensor keeps its value between runs")
    dtype = _TYPES.get(table.number(1, "<b"))
    if dtype is None:
        raise FlatbufferError("a tensor is of a type that networks do not need")
    shape, signature = _shape(table, 0, 0), _shape(table, 7, -1)
    number = table.number(2, "<I")
    if number >= len(buffers):
        raise FlatbufferError("a tensor points to a constant that is not there")
    size = (_product(shape) * BITS[dtype] + 7) // 8
    if size > MAX_BYTES:
        raise FlatbufferError("a tensor has more than 1 GiB")
    data = buffers[number]
    if data is not None and data.size != size:
        raise FlatbufferError(f"a constant has {data.size} bytes and needs {size}")
    scales, axis = _quantisation(table.table(4), shape, dtype)
    if signature and (
        len(signature) != len(shape) or any(s >= 0 and s != n for s, n in zip(signature, shape, strict=True))
    ):
        raise FlatbufferError("a tensor has two shapes that do not fit each other")
    if signature and data is not None and -1 in signature:
        raise FlatbufferError("a constant has a shape that is not known")
    sizes = tuple(None if n < 0 else n for n in signature or shape)
    return Tensor(sizes, dtype, data, scales, axis)


def _shape(table: Table, number: int, smallest: int) -> tuple[int, ...]:
    values = table.numbers(number, "<i4")
    if values is None:
        return ()
    if values.size > MAX_RANK or (values < smallest).any():
        raise FlatbufferError("a tensor has a shape that cannot be")
    return tuple(values.tolist())


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _quantisation(table: Table | None, shape: tuple[int, ...], dtype: str) -> tuple[int, int]:
    """-> how many scales there are, and their axis."""
    if table is None:
        return 0, 0
    if not table.has_only(7) or table.number(4, "<B") or table.table(5) is not None:
        raise FlatbufferError("a tensor is quantised in a way that is not known")
    table.numbers(0, "<f4")
    table.numbers(1, "<f4")
    scales, zeros, axis = table.numbers(2, "<f4"), table.numbers(3, "<i8"), table.number(6, "<i")
    count = 0 if scales is None else scales.size
    if count == 0:
        return 0, 0
    assert scales is not None
    if zeros is None or zeros.size != count:
        raise FlatbufferError("a tensor has another number of scales than of zero points")
    if not 0 <= axis < max(1, len(shape)) or (count > 1 and (not shape or count != shape[axis])):
        raise FlatbufferError("a tensor's scales do not fit its shape")
    table.buffer.spend(count)
    if not (np.isfinite(scales).all() and (scales >= 0).all()):
        raise FlatbufferError("a tensor has scales that are no numbers")
    low, high = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7)}.get(dtype, (-(1 << 31), (1 << 31) - 1))
    if int(zeros.min()) < low or int(zeros.max()) > high:
        raise FlatbufferError("a tensor's zero point is out of range")
    return count, axis


def _operator(table: Table, codes: list[int]) -> Operator:
    index = table.number(0, "<I")
    if index >= len(codes):
        raise FlatbufferError("an operator's code is not in the list of codes")
    for number, dtype in ((5, "u1"), (7, "u1"), (8, "<i4")):
        values = table.numbers(number, dtype)
        if values is not None and values.any():
            raise FlatbufferError("an operator changes its inputs, or has options of its own")
    if not table.has_only(14) or table.number(9, "<Q") or table.number(10, "<Q") or table.number(11, "<B"):
        raise FlatbufferError("an operator has options that are not known")
    if table.table(12) is not None:
        raise FlatbufferError("an operator has options that are not known")
    options_type, options = table.number(3, "<B"), table.table(4)
    if (options_type == 0) != (options is None):
        raise FlatbufferError("an operator's options have no type")
    return Operator(codes[index], _links(table, 1), _links(table, 2), options_type, options)


def _signature(table: Table) -> Signature:
    if not table.has_only(5):
        raise FlatbufferError("a signature has a field that is not known")
    names: list[dict[bytes, int]] = []
    for number in (0, 1):
        pairs = [(entry.text(0, limit=2000), entry.number(1, "<I")) for entry in table.tables(number, MAX_LINKS)]
        if len(dict(pairs)) != len(pairs):
            raise FlatbufferError("a signature has one name twice")
        names.append(dict(pairs))
    return Signature(table.text(2, limit=2000), table.number(4, "<I"), *names)
