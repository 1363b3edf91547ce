"""PyTorch's two exporters to ONNX, with the pictures' number left free; nothing of ferviz but this is imported where they run."""

from __future__ import annotations

import io
from typing import Any

import torch

OPSET = 17


def export_by_tracing(module: Any, pictures: Any) -> bytes:
    """Return the ONNX file of PyTorch's older exporter: it needs no further package and takes a tenth of the other's time.

    Args:
        module: an `nn.Module` that is in evaluation mode.
        pictures: (2, c, h, w).
    """
    stream = io.BytesIO()
    names = {"input_names": ["picture"], "output_names": ["scores"], "dynamic_axes": {"picture": {0: "n"}}}
    torch.onnx.export(module, (pictures,), stream, dynamo=False, opset_version=OPSET, **names)
    return stream.getvalue()


def export_by_dynamo(module: Any, pictures: Any) -> bytes:
    """Return the ONNX file of PyTorch's newer exporter, which knows more operators and needs the package onnxscript.

    Args:
        module: an `nn.Module` that is in evaluation mode.
        pictures: (2, c, h, w).
    """
    shapes = ({0: torch.export.Dim("n")},)
    program = torch.onnx.export(module, (pictures,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    content: bytes = program.model_proto.SerializeToString()
    return content
