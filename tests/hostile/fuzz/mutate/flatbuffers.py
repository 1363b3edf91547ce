"""Mutations of LiteRT files through their schema: operators, tensors, buffers, signatures that do not fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from fuzz.mutate.raw import mutate_bytes

_INDICES = (-2, -1, 0, 1, 2, 3, 5, 17, 1000, 2**31 - 1, -(2**31))
_SHAPES = ([], [0], [1], [-1], [1, 12, 12, 1], [2, 2], [2**31 - 1] * 4, [1, 0, 3], [1] * 9, [65536, 65536], [-5, 3])


def mutate_litert(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a LiteRT file; a third of the cases are changed as bytes.

    Args:
        data: the file.
        rng: draws the changes.
        seeds: other files.
    """
    if rng.random() < 0.33:
        return mutate_bytes(data, rng, seeds)
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice((_operator, _operator, _options, _options, _tensor, _tensor, _buffer, _code, _graph, _signature))(
            model, rng
        )
    try:
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    except Exception:  # a number that the schema has no room for
        return mutate_bytes(data, rng, seeds)


def _pick(rng: Random, values: Any) -> Any:
    return rng.choice(list(values)) if values is not None and len(values) else None


def _operator(model: Any, rng: Random) -> None:
    graph = _pick(rng, model.subgraphs)
    operator = _pick(rng, graph.operators)
    if operator is None:
        return
    change = rng.randrange(6)
    side = rng.choice(("inputs", "outputs"))
    indices = [int(i) for i in getattr(operator, side)] if getattr(operator, side) is not None else []
    if change == 0:
        operator.opcodeIndex = rng.choice(
            (0, 1, 2, 3, 5, len(model.operatorCodes), 2**32 - 1, rng.randrange(len(model.operatorCodes)))
        )
    elif change == 1 and indices:
        indices[rng.randrange(len(indices))] = rng.choice(
            (*_INDICES, rng.randrange(max(len(graph.tensors), 1)), len(graph.tensors))
        )
        setattr(operator, side, np.array(indices, np.int32))
    elif change == 2:
        setattr(
            operator, side, np.array(rng.choice((indices[:-1], indices[1:], indices * 2, [], indices[::-1])), np.int32)
        )
    elif change == 3:
        graph.operators.remove(operator)
    elif change == 4:
        graph.operators.insert(rng.randrange(len(graph.operators)), operator)
    else:
        rng.shuffle(graph.operators)


def _options(model: Any, rng: Random) -> None:
    """Change a number of an operator's options, or give it those of another operator."""
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    if not operators:
        return
    operator, other = rng.choice(operators), rng.choice(operators)
    options = operator.builtinOptions
    if options is None or rng.random() < 0.15:
        operator.builtinOptions, operator.builtinOptionsType = rng.choice(
            ((other.builtinOptions, other.builtinOptionsType), (None, 0))
        )
        return
    numbers = [name for name, value in vars(options).items() if isinstance(value, int | float | bool)]
    if numbers:
        setattr(options, rng.choice(numbers), rng.choice((-1, 0, 1, 2, 3, 7, 100, 127, -(2**31), 2**31 - 1)))


def _tensor(model: Any, rng: Random) -> None:
    graph = _pick(rng, model.subgraphs)
    tensor = _pick(rng, graph.tensors)
    if tensor is None:
        return
    change = rng.randrange(5)
    if change == 0:
        tensor.shape = np.array(rng.choice(_SHAPES), np.int32)
    elif change == 1 and tensor.shape is not None and len(tensor.shape):
        shape = [int(side) for side in tensor.shape]
        shape[rng.randrange(len(shape))] = rng.choice((*_INDICES, 4, 12, 4096))
        tensor.shape = np.array(shape, np.int32)
    elif change == 2:
        tensor.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 15, 17, 100))
    elif change == 3:
        tensor.buffer = rng.choice(
            (0, 1, 2, len(model.buffers), len(model.buffers) - 1, 2**32 - 1, rng.randrange(len(model.buffers)))
        )
    else:
        tensor.isVariable, tensor.shapeSignature = (
            rng.choice((True, False)),
            rng.choice((None, np.array(rng.choice(_SHAPES), np.int32))),
        )


def _buffer(model: Any, rng: Random) -> None:
    buffer = _pick(rng, model.buffers)
    data = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
    changed = rng.choice(
        (
            b"",
            data[: len(data) // 2],
            data[:-1],
            data * 2,
            bytes(len(data)),
            b"\xff" * len(data),
            mutate_bytes(data, rng, ()) if data else b"x",
        )
    )
    buffer.data = np.frombuffer(changed, np.uint8)
    if rng.random() < 0.1:
        buffer.offset, buffer.size = rng.choice((0, 1, 8, 2**40)), rng.choice((0, 1, 8, 2**40))


def _code(model: Any, rng: Random) -> None:
    code = _pick(rng, model.operatorCodes)
    change = rng.randrange(4)
    if change == 0:
        code.builtinCode = rng.randrange(0, 210)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    elif change == 1:
        code.version = rng.choice((0, 1, 2, 5, 99))
    elif change == 2:
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode = (
            32,
            32,
            rng.choice((b"FlexWriteFile", b"x", b"", b"TFLite_Detection_PostProcess")),
        )
    else:
        model.operatorCodes.reverse()


def _graph(model: Any, rng: Random) -> None:
    graph = _pick(rng, model.subgraphs)
    change = rng.randrange(4)
    side = rng.choice(("inputs", "outputs"))
    if change == 0:
        setattr(graph, side, np.array(rng.choice(([], [0], [10**6], [-1], [1, 1], list(range(4)))), np.int32))
    elif change == 1:
        model.subgraphs.remove(graph)
    elif change == 2:
        model.subgraphs.reverse()
    else:
        graph.tensors = graph.tensors[: rng.randrange(len(graph.tensors) + 1)]


def _signature(model: Any, rng: Random) -> None:
    signature = _pick(rng, model.signatureDefs)
    if signature is None:
        return
    entries = [*(signature.inputs or []), *(signature.outputs or [])]
    change = rng.randrange(4)
    if change == 0:
        signature.subgraphIndex = rng.choice((0, 1, 2, 1000, 2**32 - 1))
    elif change == 1 and entries:
        rng.choice(entries).tensorIndex = rng.choice((0, 1, 2, 1000, 2**32 - 1))
    elif change == 2:
        signature.signatureKey = rng.choice((b"", b"x", b"\xff\xfe", b"predict", b"gradients"))
    elif entries:
        rng.choice(entries).name = rng.choice((b"", b"picture", b"logits", b"\xff"))
