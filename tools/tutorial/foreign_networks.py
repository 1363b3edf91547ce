"""Writes stand-ins for networks of other frameworks, with the Python whose packages they take: `python foreign_networks.py emotions.onnx`.

It ends with one line and exit code 1 where a package is not installed, or where a name has no stand-in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BUNDLED = Path(__file__).resolve().parents[2] / "ferviz" / "assets" / "bundled.keras"
CLASSES = 7
CODE = f'''from torch import nn


class MyNet(nn.Module):
    """Three convolutions and a mean: grey pictures in, {CLASSES} scores out."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(16, {CLASSES})

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))
'''


def onnx_file(path: Path) -> None:
    """Write a small ONNX network whose weights are drawn.

    Args:
        path: an .onnx file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator, sizes = np.random.default_rng(0), ((8, 1, 5, 5), (16, 8, 3, 3), (16, 16, 3, 3))
    nodes: list[Any] = []
    arrays: list[Any] = []
    source = "picture"
    for number, size in enumerate(sizes, 1):
        kernel = generator.normal(size=size) * (2 / np.prod(size[1:])) ** 0.5
        arrays.append(numpy_helper.from_array(kernel.astype(np.float32), f"conv{number}.weight"))
        border = [size[2] // 2] * 4
        nodes.append(helper.make_node("Conv", [source, arrays[-1].name], [f"c{number}"], f"conv{number}", pads=border))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"], f"relu{number}"))
        source = f"r{number}"
        if number < len(sizes):
            pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(helper.make_node("MaxPool", [source], [f"p{number}"], f"pool{number}", **pool))
            source = f"p{number}"
    dense = generator.normal(size=(sizes[-1][0], CLASSES)).astype(np.float32)
    arrays.append(numpy_helper.from_array(dense, "scores.weight"))
    nodes.append(helper.make_node("GlobalAveragePool", [source], ["mean"], "mean"))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"], "flat"))
    nodes.append(helper.make_node("MatMul", ["flat", "scores.weight"], ["scores"], "scores"))
    graph = helper.make_graph(
        nodes,
        "emotions",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 48, 48])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])],
        arrays,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def tflite_file(path: Path) -> None:
    """Convert the bundled network, as TensorFlow's guide says.

    Args:
        path: a .tflite file.
    """
    import keras
    import tensorflow as tf

    network = keras.models.load_model(BUNDLED, compile=False)
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def torch_weights(path: Path) -> None:
    """Write my_net.py and the weights of its class.

    Args:
        path: a .pth file.
    """
    import torch

    path.with_name("my_net.py").write_text(CODE, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(CODE, names)
    torch.manual_seed(0)
    torch.save(names["MyNet"]().state_dict(), path)


def timm_weights(path: Path) -> None:
    """Write weights of one of timm's networks, for grey pictures.

    Args:
        path: a .pth file.
    """
    import timm
    import torch

    torch.manual_seed(0)
    torch.save(timm.create_model("efficientnet_b0", in_chans=1, num_classes=CLASSES).state_dict(), path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "emotions.onnx": onnx_file,
    "emotions.tflite": tflite_file,
    "weights.pth": torch_weights,
    "efficientnet.pth": timm_weights,
}


def main(name: str) -> int:
    """Write one network; return 1 with a line that says what is missing.

    Args:
        name: a file's name, as a page has it.
    """
    if name not in WRITERS:
        print("there is no stand-in for it")
        return 1
    try:
        WRITERS[name](Path(name))
    except ModuleNotFoundError as error:
        print(f"it takes {error.name}, which is not installed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
