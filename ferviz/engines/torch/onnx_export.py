"""A PyTorch module -> an ONNX file.

PyTorch's newer exporter imports its compiler and with that triton, which aborts a process that has TensorFlow. So it works in a process of
its own, to which the module goes as a pickle; a module that no other process can build (its class stands in a notebook or in the program
itself) is exported here, where `keep_triton_out` keeps triton away.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from ferviz import sandbox
from ferviz.engines.backend import keep_triton_out
from ferviz.engines.onnx.onnx_file import onnx_package
from ferviz.engines.torch.torch_import import torch
from ferviz.errors import ModelError
from ferviz.native_logs import silenced, without_warnings
from ferviz.printable import printable

LIMITS = sandbox.Limits(seconds=None, wait=600.0, memory=1 << 46, file_size=1 << 46, open_files=4096)
"""Practically none: what runs there is the user's own network, not somebody's file."""

DONE, REFUSED, UNREADABLE = b"+", b"-", b"?"
"""How the answer of the exporting process begins: the file, why there is none, why the module cannot be built there."""


def export_onnx(module: Any, shape: tuple[int, int, int]) -> bytes:
    """Export a module as ONNX, with any number of pictures.

    Args:
        module: an `nn.Module` on the processor, in evaluation mode.
        shape: (h, w, c) of its pictures.

    Returns:
        The ONNX file.

    Raises:
        ModelError: neither exporter can write it, or the package `onnx` is not installed.
    """
    onnx_package()
    keep_triton_out()
    from ferviz.engines.torch.onnx_exporters import export_by_tracing

    height, width, channels = shape
    pictures = torch().zeros(2, channels, height, width)
    reasons = []
    for export in (export_by_tracing, _export_by_dynamo):
        try:
            with without_warnings(output=True), silenced(everything=True):
                return without_dropout(export(module, pictures))
        except Exception as error:  # an exporter runs code of the network's own
            reasons.append(reason_of(error))
    raise ModelError(
        f"the network {type(module).__name__} cannot be exported as ONNX ({'; '.join(reasons)}), so it is explained by PyTorch alone"
    )


def without_dropout(content: bytes) -> bytes:
    """Return an ONNX file without the dropout that its author left on: the network is explained as it answers without chance.

    Args:
        content: the file.
    """
    model = onnx_package().load_model_from_string(content)
    nodes = [node for node in model.graph.node if node.op_type == "Dropout"]
    for node in nodes:
        node.op_type = "Identity"
        del node.input[1:], node.output[1:], node.attribute[:]
    return bytes(model.SerializeToString()) if nodes else content


def reason_of(error: BaseException) -> str:
    """Return the first line of an error, for a message.

    Args:
        error: of any kind.
    """
    lines = str(error).strip().splitlines()
    return printable(lines[0], 120) if lines else type(error).__name__


def _export_by_dynamo(module: Any, pictures: Any) -> bytes:
    message = _packed(module, tuple(pictures.shape))
    if message is not None:
        try:
            answer = _ask(*message)
        except sandbox.ChildError as error:
            if error.outcome.status != "unavailable":
                raise ModelError(f"the process that exports ended ({error.outcome.status})") from error
            answer = UNREADABLE
        if answer.startswith(DONE):
            return answer[1:]
        if answer.startswith(REFUSED):
            raise ModelError(answer[1:].decode("utf-8", "replace"))
    from ferviz.engines.torch.onnx_exporters import export_by_dynamo

    return export_by_dynamo(module, pictures)


def _ask(*messages: bytes) -> bytes:
    child = sandbox.start("ferviz.engines.torch.onnx_export_child", limits=LIMITS)
    try:
        return child.ask(*messages)
    finally:
        child.end()


def _packed(module: Any, shape: tuple[int, ...]) -> tuple[bytes, bytes] | None:
    """-> what a process needs to build the module and its pictures; None where it cannot be sent."""
    files: dict[str, str] = {}
    for part in module.modules():
        name = type(part).__module__
        path = getattr(sys.modules.get(name), "__file__", None)
        if name == "__main__" or path is None:
            return None
        files[name] = str(Path(path).resolve())
    stream = io.BytesIO()
    try:
        torch().save(module, stream)
    except Exception:  # whatever hangs on the user's own module: a lock, a file, a function without a name
        return None
    return json.dumps({"files": files, "shape": shape}).encode(), stream.getvalue()
