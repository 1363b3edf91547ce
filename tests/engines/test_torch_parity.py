"""Grad-CAM of the PyTorch engine against pytorch-grad-cam and captum, at the size of the map."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed (make test-frameworks installs it)")

from torch import nn

import ferviz
from ferviz.engines.torch.torch_engine import TorchEngine
from tests.torch_networks import CLASSES, SIZE, Functional, InPlace, pictures, seeded, tensor

ROOT = Path(__file__).parents[2]


def deep() -> nn.Module:
    """Convolutions, norms and pooling in a row, without anything in place."""
    parts: list[nn.Module] = []
    for inputs, outputs in ((1, 6), (6, 8), (8, 8)):
        parts += [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(2, 1),
        ]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(8 * 15 * 15, CLASSES))


NETWORKS = {
    "residual": (lambda: seeded(Functional()).eval(), "relu2", lambda net: net.relu2),
    "in place": (lambda: seeded(InPlace()).eval(), "body.3", lambda net: net.body[3]),
    "deep": (lambda: seeded(deep()).eval(), "6", lambda net: net[6]),
}


def our_maps(net: Any, layer: str, batch: np.ndarray, target: int) -> np.ndarray:
    """Grad-CAM of one class with ReLU, (N, h, w)."""
    weights = np.zeros((len(batch), 1, CLASSES), np.float32)
    weights[:, 0, target] = 1
    activation, gradient, _ = TorchEngine(net, (SIZE, SIZE, 1)).gradients(batch, layer, weights)
    return np.maximum(np.einsum("nhwc,nc->nhw", activation, gradient[:, 0].mean((1, 2))), 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_is_pytorch_grad_cams(name: str) -> None:
    library = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    build, layer, module = NETWORKS[name]
    net, batch = build(), pictures(3)
    head = {"residual": Logits(net), "in place": nn.Sequential(net, nn.Flatten())}.get(name, net)
    compared = 0
    with library.GradCAM(model=head, target_layers=[module(net)]) as cam:
        cam.get_target_width_height = lambda *_: None  # maps at the layer's own size
        for target in range(CLASSES):
            theirs = cam(input_tensor=tensor(batch), targets=[targets.ClassifierOutputTarget(target)] * 3)
            ours = our_maps(net, layer, batch, target)
            kept = np.ptp(ours, axis=(1, 2)) > 1e-3  # they scale what is constant by 1e-7
            np.testing.assert_allclose(unit(ours[kept]), unit(theirs[kept]), atol=1e-5)
            compared += kept.sum()
    assert compared > 2


def unit(maps: np.ndarray) -> np.ndarray:
    """Maps, each from 0 to 1."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.asarray((maps - low) / (high - low))


class Logits(nn.Module):
    """The scores under the softmax of `Functional`: what both libraries have to be given."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        net = self.net
        x = net.relu1(net.norm1(net.conv1(x)))
        x = net.relu2(net.point(net.depth(x)) + net.short(x))
        return net.head(x.mean((2, 3)))


@pytest.mark.parametrize("name", ["residual", "deep"])
def test_grad_cam_is_captums(name: str) -> None:
    attr = pytest.importorskip("captum.attr")
    build, layer, module = NETWORKS[name]
    net, batch = build(), pictures(3)
    cam = attr.LayerGradCam(net if name != "residual" else Logits(net), module(net))
    for target in range(CLASSES):
        theirs = cam.attribute(tensor(batch), target=target, relu_attributions=True).detach().numpy()[:, 0]
        ours = our_maps(net, layer, batch, target)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.slow
def test_everything_runs_on_it_without_tensorflow(tmp_path: Path) -> None:
    """Every method, activations, dreams, check, trust, studies and evaluate, in a process that never imports TensorFlow."""
    script = """
        import sys
        sys.path.insert(0, "tests")
        import numpy as np
        import ferviz
        from ferviz.attribution.methods.registry import METHODS
        from ferviz.data.dataset import Dataset
        from ferviz.engines.protocols import KerasBacked
        from ferviz.emotions import label_scheme
        from torch_networks import Functional, seeded

        labels = ("angry", "happy", "sad", "neutral")
        model = ferviz.load_model(seeded(Functional()), input=(18, 18, 1), labels=labels, scaling="0..1")
        rng = np.random.default_rng(0)
        faces = rng.integers(0, 256, (40, 18, 18)).astype(np.uint8)
        few = {"rise": {"samples": 20}, "shapley": {"samples": 32}}
        for name in METHODS:
            method = METHODS[name]
            if KerasBacked in method.needs or method.needs_regions or method.needs_explainer:
                continue
            maps = ferviz.explain(model, faces[:2], method=name, test=False).heatmaps
            assert np.isfinite(maps).all() and maps.shape[:2] == (2, 1), name
        ferviz.activations(model, faces[:1], layers="conv1").to_arrays()
        ferviz.explain(model, faces[:2], test=True)
        ferviz.dream(model, "happy", steps=3)
        data = Dataset(faces, rng.integers(0, 4, 40), np.full(40, "PublicTest"), np.arange(40), label_scheme(labels))
        ferviz.evaluate(model, data).to_dict()
        ferviz.check(model, data)
        report = ferviz.trust_report(model, data, methods="gradcam,occlusion", faces=8, steps=4)
        assert all(row.randomised is not None for row in report.rows if not row.control)
        assert np.isfinite(ferviz.study("regions", model, data, faces=4, variants=0).arrays["mass"]).all()
        ferviz.study("mean-maps", model, data, faces=4).to_dict()
        ferviz.study("compare", model, data, second=model, faces=6).to_dict()
        assert "tensorflow" not in sys.modules and "keras" not in sys.modules
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.slow
def test_tensorflow_before_pytorch_does_not_end_the_process() -> None:
    """Importing triton after TensorFlow aborts a process; ferviz keeps it out where it opens PyTorch networks."""
    script = """
        import sys
        from ferviz.engines.backend import tensorflow
        tensorflow()
        from ferviz.engines.torch.torch_import import torch
        torch()
        assert "triton" in sys.modules and sys.modules["triton"] is None
        import torch._dynamo
        print("alive")
    """
    alive(script)


@pytest.mark.slow
def test_pytorch_before_tensorflow_does_not_end_the_process_either() -> None:
    """The user's own PyTorch, ferviz' TensorFlow for compiling, and then what imports triton."""
    pytest.importorskip("onnx")
    script = """
        import sys, torch
        sys.path.insert(0, "tests")
        import ferviz
        from torch_networks import Functional, seeded
        model = ferviz.load_model(seeded(Functional()), input=(18, 18, 1), labels="a,b,c,d", scaling="0..1")
        assert "triton" not in sys.modules
        ferviz.compile_model(model, layers=[])
        assert "tensorflow" in sys.modules and sys.modules["triton"] is None
        import torchvision, torch._dynamo
        assert sys.modules["triton"] is None
        print("alive")
    """
    alive(script)


def alive(script: str) -> None:
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip().endswith("alive"), result.stderr[-2000:]


def test_the_public_way(tmp_path: Path) -> None:
    """The three lines of the documentation."""
    net = seeded(Functional())
    model = ferviz.load_model(net, input=(SIZE, SIZE, 1), labels="angry,happy,sad,neutral", scaling="0..1")
    explanation = ferviz.explain(model, np.zeros((1, 30, 30), np.uint8) + 90, method="gradcam", target="happy")
    explanation.save(tmp_path / "map.png")
    assert explanation.layer == "relu2"
    assert (tmp_path / "map.png").stat().st_size > 1000
