"""Converts the face detector YuNet from ONNX to LiteRT, for the studio's page: python tools/convert_yunet.py yunet.onnx OUT.tflite

The file has one graph for each side of the square picture that is searched (`detect320`, `detect640`), over the same weights. A graph
takes `picture`, (1, side, side, 3) in blue, green, red from 0 to 255, and gives cls, obj, bbox and kps at the strides 8, 16 and 32, as the
ONNX file does; the decoding is OpenCV's. Needs the package onnx.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.compiler.convert import _convert
from ferviz.engines.compiler.flatbuffer import merge

SIDES = (320, 640)


def graph(model: Any, side: int) -> tuple[Any, list[Any]]:
    """-> a function of the picture that computes YuNet's outputs, and its input."""
    import onnx
    import tensorflow as tf

    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def run(picture: Any) -> dict[str, Any]:
        values: dict[str, Any] = {model.graph.input[0].name: picture}
        for node in model.graph.node:
            values[node.output[0]] = _apply(tf, node, values, weights)
        return {output.name: values[output.name] for output in model.graph.output}

    return run, [tf.TensorSpec([1, side, side, 3], tf.float32, name="picture")]


def _apply(tf: Any, node: Any, values: dict[str, Any], weights: dict[str, np.ndarray]) -> Any:
    """One operation, with the channels last."""
    import onnx

    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    x = values[node.input[0]]
    if node.op_type == "Conv":
        kernel, bias = weights[node.input[1]], weights[node.input[2]]
        pad, stride = attributes["pads"][0], attributes["strides"][0]
        x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]]) if pad and stride > 1 else x
        padding = "SAME" if pad and stride == 1 else "VALID"
        if attributes["group"] == 1:
            return tf.nn.bias_add(tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, padding), bias)
        return tf.nn.bias_add(
            tf.nn.depthwise_conv2d(x, kernel.transpose(2, 3, 0, 1), [1, stride, stride, 1], padding), bias
        )
    if node.op_type == "Relu":
        return tf.nn.relu(x)
    if node.op_type == "Sigmoid":
        return tf.sigmoid(x)
    if node.op_type == "MaxPool":
        return tf.nn.max_pool2d(x, 2, 2, "VALID")
    if node.op_type == "Resize":
        return tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]), "nearest")
    if node.op_type == "Add":
        return x + values[node.input[1]]
    if node.op_type == "Transpose":  # to channels last, where they are already
        return x
    if node.op_type == "Reshape":
        return tf.reshape(x, [1, -1, x.shape[-1]])
    raise ValueError(f"the operation {node.op_type} is not one of YuNet's")


def main() -> None:
    """Convert the file."""
    import onnx

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnx", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    model = onnx.load(arguments.onnx)
    parts = {f"detect{side}": _convert(*graph(model, side)) for side in SIDES}
    arguments.out.write_bytes(merge(parts))
    print(f"wrote {arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
