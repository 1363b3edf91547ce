"""Several LiteRT files -> one with a named signature each, every distinct constant inside it once."""

from __future__ import annotations

from typing import Any

import numpy as np


def merge(parts: dict[str, tuple[bytes, list[str], list[str]]]) -> bytes:
    """Put graphs into one file.

    parts: {signature: (LiteRT file of one graph, names of its inputs, names of its outputs, both in the file's order)}.
    -> the file. Constants are compared byte by byte, so graphs over the same weights share them.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT()
    whole.version, whole.description = 3, b"ferviz compiled network"
    whole.subgraphs, whole.operatorCodes, whole.signatureDefs = [], [], []
    whole.buffers = [schema.BufferT()]  # the first one stands for "no constant"
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
                whole.buffers.append(buffer)
                constants[raw] = len(whole.buffers) - 1
            tensor.buffer = constants[raw]
            tensor.name = b""  # names of TensorFlow nodes are a third of the file's description
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            key = (code.builtinCode, code.version, code.customCode)
            if key not in codes:
                codes[key] = len(whole.operatorCodes)
                whole.operatorCodes.append(code)
            operator.opcodeIndex = codes[key]
        graph.name = name.encode()
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name.encode(), len(whole.subgraphs)
        signature.inputs = _mapped(schema, inputs, graph.inputs)
        signature.outputs = _mapped(schema, outputs, graph.outputs)
        whole.signatureDefs.append(signature)
        whole.subgraphs.append(graph)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _mapped(schema: Any, names: list[str], tensors: Any) -> list[Any]:
    found = []
    for name, index in zip(names, tensors, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), int(index)
        found.append(entry)
    return found
