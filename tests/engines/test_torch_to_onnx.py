"""PyTorch networks by way of ONNX: compiled files, diagrams and kernels under PyTorch's names, with the maps of the live network."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

nn, functional = torch.nn, torch.nn.functional


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = (
            nn.Conv2d(1, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
        )
        self.deep, self.short = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 6, 1, stride=2)
        self.head = nn.Linear(6, 7)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.norm(self.conv(x)))
        x = functional.relu(functional.max_pool2d(self.deep(x), 2) + self.short(x))
        return functional.log_softmax(self.head(x.mean((2, 3))), 1)


@pytest.fixture(scope="module")
def model() -> ferviz.Model:
    torch.manual_seed(0)
    network = Small()
    network.norm.running_mean.uniform_(-0.5, 0.5)
    network.norm.running_var.uniform_(0.5, 2)
    return ferviz.load_model(network, input=(20, 20, 1), labels="7")


def test_a_compiled_file_has_the_layers_and_maps_of_the_live_network(model: ferviz.Model, tmp_path: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 255, (3, 20, 20), dtype=np.uint8)
    ferviz.compile_model(model, tmp_path / "net.ferviz")
    compiled = ferviz.load_model(tmp_path / "net.ferviz")
    assert compiled.engine.name == "litert"
    layer = model.default_layer()[0]
    assert compiled.default_layer()[0] == layer
    for method in ("gradcam", "layercam", "saliency"):
        ours, theirs = (ferviz.explain(m, faces, method=method, target="all").heatmaps for m in (compiled, model))
        np.testing.assert_allclose(ours, theirs, atol=(1e-5 if method != "saliency" else 1e-3) * np.abs(theirs).max())


def test_dropout_that_was_left_on_is_off_in_the_compiled_file(tmp_path: Path) -> None:
    from tests.torch_networks import SIZE, Plain, seeded  # here, for the exporting process cannot import it

    faces = np.random.default_rng(0).integers(0, 255, (3, SIZE, SIZE), dtype=np.uint8)
    model = ferviz.load_model(seeded(Plain()), input=(SIZE, SIZE, 1), labels="a,b,c,d", scaling="0..1")
    assert any("dropout" in note for note in model.notes)
    ferviz.compile_model(model, tmp_path / "net.ferviz", layers=[])
    compiled = ferviz.load_model(tmp_path / "net.ferviz")
    ours, theirs = (ferviz.explain(m, faces, method="gradcam", target="all").heatmaps for m in (compiled, model))
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
    np.testing.assert_allclose(compiled.logits(faces), model.logits(faces), atol=1e-4)


class Turned(nn.Module):
    """A spatial transformer, which the older exporter cannot write."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.conv, self.head = nn.Linear(100, 6), nn.Conv2d(1, 5, 3), nn.Linear(5, 7)

    def forward(self, x: Any) -> Any:
        theta = self.place(functional.avg_pool2d(x, 2).flatten(1)).view(-1, 2, 3) * 0.1
        theta = theta + torch.tensor([[1.0, 0, 0], [0, 1, 0]])
        x = functional.grid_sample(
            x, functional.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False
        )
        return self.head(functional.gelu(self.conv(x)).mean((2, 3)))


@pytest.mark.slow
def test_the_newer_exporter_works_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    from ferviz.engines.torch import onnx_exporters

    def here(module: Any, pictures: Any) -> bytes:
        raise AssertionError("exported in this process")

    monkeypatch.setattr(onnx_exporters, "export_by_dynamo", here)
    torch.manual_seed(0)
    model = ferviz.load_model(Turned(), input=(20, 20, 1), labels="7", scaling="0..1")
    faces = np.random.default_rng(0).integers(0, 255, (2, 20, 20), dtype=np.uint8)
    ferviz.compile_model(model, tmp_path / "net.ferviz")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == ""  # the older exporter prints the graph where it gives up
    compiled = ferviz.load_model(tmp_path / "net.ferviz")
    ours, theirs = (ferviz.explain(m, faces, method="gradcam", target="all").heatmaps for m in (compiled, model))
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_a_network_that_no_other_process_can_build_is_exported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferviz.engines.torch import onnx_export, onnx_exporters

    def refused(module: Any, pictures: Any) -> bytes:
        raise RuntimeError("not this one")

    content = onnx.ModelProto(producer_name="here").SerializeToString()
    monkeypatch.setattr(onnx_exporters, "export_by_tracing", refused)
    monkeypatch.setattr(onnx_exporters, "export_by_dynamo", lambda module, pictures: content)
    network = Small().eval()
    monkeypatch.setattr(Small, "__module__", "__main__")
    assert onnx_export.export_onnx(network, (20, 20, 1)) == content
    monkeypatch.setattr(onnx_exporters, "export_by_dynamo", refused)
    with pytest.raises(ferviz.ModelError, match="not this one; not this one"):
        onnx_export.export_onnx(network, (20, 20, 1))


def test_its_diagram_and_kernels_bear_the_names_of_the_modules(model: ferviz.Model) -> None:
    names = [layer.name for layer, _ in ferviz.diagram(model).layers]
    assert {"norm", "relu", "deep", "short", "head"} <= set(names)
    kernel = ferviz.filters(model, "deep").arrays["depthwise"]
    wanted = model.engine._source.deep.weight.detach().numpy()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(kernel[:, :, :, 0], wanted[:, 0].transpose(1, 2, 0))
