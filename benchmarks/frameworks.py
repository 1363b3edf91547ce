"""Grad-CAM of PyTorch networks: ferviz beside pytorch-grad-cam and captum in one run, processor time and largest difference.

    python benchmarks/frameworks.py [--repeats 5] [--faces 64] [--networks mini,plain,resnet18]

Needs torch, torchvision, grad-cam and captum (`make test-frameworks` sets up a venv with them). All contenders answer in turn on one
thread, so that a busy moment hits all; the best processor time of the repeats is printed, and how far each map is from ferviz' (each
scaled to 0..1). Maps are those of the layer, at its own size. The networks are made here, with random weights.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Separable(nn.Module):
    """A residual block of separable convolutions, as in a mini-Xception, with a max pooling of stride 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.point = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.short = nn.Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x: Any) -> Any:
        return self.pool(functional.relu(self.norm(self.point(self.depth(x))))) + self.short(x)


def mini() -> nn.Module:
    """A mini-Xception of 8 to 128 channels with a global mean, 48 x 48."""
    blocks = [Separable(a, b) for a, b in ((8, 16), (16, 32), (32, 64), (64, 128))]
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 7)
    )


class Plain(nn.Module):
    """Three convolutions and two matrices, with functional ReLUs and `view`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.conv3, self.act, self.pool = nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.fc1, self.out = nn.Linear(128 * 36, 128), nn.Linear(128, 7)

    def forward(self, x: Any) -> Any:
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = self.pool(self.act(self.conv3(x)))
        return self.out(functional.relu(self.fc1(x.view(-1, 128 * 36))))


def resnet18() -> nn.Module:
    """torchvision's ResNet-18 with 7 classes, 64 x 64 colours."""
    from torchvision.models import resnet18 as build

    return build(num_classes=7)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], str, Callable[[Any], nn.Module]]] = {
    "mini": (mini, (48, 48, 1), "5", lambda net: net[5]),
    "plain": (Plain, (48, 48, 1), "act", lambda net: net.act),
    "resnet18": (resnet18, (64, 64, 3), "layer4", lambda net: net.layer4),
}


def contenders(name: str, batch: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Return for each library a function that computes the maps (N, h, w) of one class."""
    from ferviz.engines.torch.torch_engine import TorchEngine

    build, shape, layer, part = NETWORKS[name]
    torch.manual_seed(0)
    net = build().eval()
    engine = TorchEngine(net, shape)
    predicted = int(engine.logits(batch).mean(0).argmax())
    weights = np.zeros((len(batch), 1, 7), np.float32)
    weights[:, 0, predicted] = 1
    # A plain copy of a grey batch counts as channels last, too, which `view` refuses.
    pictures = torch.tensor(np.moveaxis(batch, 3, 1)).clone(memory_format=torch.contiguous_format)

    def ours() -> np.ndarray:
        activation, gradient, _ = engine.gradients(batch, layer, weights)
        return np.maximum(np.einsum("nhwc,nc->nhw", activation, gradient[:, 0].mean((1, 2))), 0)

    libraries: dict[str, Callable[[], np.ndarray]] = {"ferviz": ours}
    if importlib.util.find_spec("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        cam = GradCAM(model=net, target_layers=[part(net)])
        cam.get_target_width_height = lambda *_: None  # maps at the layer's own size
        targets = [ClassifierOutputTarget(predicted)] * len(batch)
        libraries["pytorch-grad-cam"] = lambda: np.asarray(cam(input_tensor=pictures, targets=targets))
    if importlib.util.find_spec("captum"):
        from captum.attr import LayerGradCam

        attribution = LayerGradCam(net, part(net))
        libraries["captum"] = lambda: (
            attribution.attribute(pictures, target=predicted, relu_attributions=True).detach().numpy()[:, 0]
        )
    return libraries


def unit(maps: np.ndarray) -> np.ndarray:
    """Maps, each from 0 to 1."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.asarray((maps - low) / np.maximum(high - low, 1e-12))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, best processor time of {options.repeats}")
    print(f"{'network':<10}{'faces':>6}  {'library':<18}{'ms':>9}{'to ferviz':>11}{'difference':>12}")
    for name in options.networks.split(","):
        shape = NETWORKS[name][1]
        for count in (1, options.faces):
            batch = np.random.default_rng(0).random((count, *shape), np.float32)
            libraries = contenders(name, batch)
            maps = {library: unit(compute()) for library, compute in libraries.items()}
            best = dict.fromkeys(libraries, float("inf"))
            for _ in range(options.repeats):
                for library, compute in libraries.items():
                    start = time.process_time()
                    compute()
                    best[library] = min(best[library], time.process_time() - start)
            varied = np.ptp(maps["ferviz"], axis=(1, 2)) > 0.5  # others have no evidence anywhere
            for library, seconds in best.items():
                apart = np.abs(maps[library] - maps["ferviz"])[varied]
                print(
                    f"{name:<10}{count:>6}  {library:<18}{1000 * seconds:>9.1f}{seconds / best['ferviz']:>11.2f}"
                    f"{apart.max() if varied.any() else float('nan'):>12.1e}"
                )


if __name__ == "__main__":
    main()
