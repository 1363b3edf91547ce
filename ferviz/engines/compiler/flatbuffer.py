"""Several LiteRT files -> one with a named signature each, every distinct constant inside it once."""

from __future__ import annotations

from typing import Any

import numpy as np


def merge(parts: dict[str, tuple[bytes, list[str], list[str]]]) -> bytes:
    """Put graphs into one LiteRT file; constants are compared byte by byte, so graphs over the same weights share them.

    Args:
        parts: {signature: (LiteRT file of one graph, names of its inputs, names of its outputs, both in the file's order)}.

    Returns:
        The file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    merged = schema.ModelT()
    merged.version, merged.description = 3, b"ferviz compiled network"
    merged.subgraphs, merged.operatorCodes, merged.signatureDefs = [], [], []
    merged.buffers = [schema.BufferT()]  # the first one stands for "no constant"
    constants: dict[bytes, int] = {b"": 0}
    codes: dict[tuple[Any, ...], int] = {}
    for name, (content, inputs, outputs) in parts.items():
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        (graph,) = model.subgraphs
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            raw = b"" if data is None else np.asarray(data, np.uint8).tobytes()
            if raw not in constants:
                buffer = schema.BufferT()
                buffer.data = np.frombuffer(raw, np.uint8)
                merged.buffers.append(buffer)
                constants[raw] = len(merged.buffers) - 1
            tensor.buffer = constants[raw]
            tensor.name = b""  # names of TensorFlow nodes are a third of the file's description
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            key = (code.builtinCode, code.version, code.customCode)
            if key not in codes:
                codes[key] = len(merged.operatorCodes)
                merged.operatorCodes.append(code)
            operator.opcodeIndex = codes[key]
        graph.name = name.encode()
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name.encode(), len(merged.subgraphs)
        signature.inputs = _mapped(schema, inputs, graph.inputs)
        signature.outputs = _mapped(schema, outputs, graph.outputs)
        merged.signatureDefs.append(signature)
        merged.subgraphs.append(graph)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(merged.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _mapped(schema: Any, names: list[str], tensors: Any) -> list[Any]:
    entries = []
    for name, index in zip(names, tensors, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(index)
        entries.append(entry)
    return entries
