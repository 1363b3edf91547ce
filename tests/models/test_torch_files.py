"""Files of PyTorch: weights with the class that they belong to, programs, and what was made to do harm."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.errors import ModelError, UntrustedModelError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.load import load_model

pytest.importorskip("torch", reason="PyTorch is not installed (make test-frameworks installs it)")

import torch
from torch import nn

from ferviz.models.pytorch.torch_file import CHECKPOINT, EXPORTED, SAFETENSORS, SCRIPT, torch_format
from tests.torch_networks import CLASSES, SIZE, Functional, InPlace, Plain, pictures, seeded, tensor

LABELS = "a,b,c,d"
NETWORKS = Path(__file__).parents[1] / "torch_networks.py"
CODE = """
from torch import nn
import helper
class Net(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(in_channels, helper.WIDTH, 3), nn.Linear(helper.WIDTH, num_classes)
    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))
class Needs(Net):
    def __init__(self, depth):
        super().__init__(4, 1)
class Fails(Net):
    def __init__(self):
        raise RuntimeError("out of luck")
def build():
    return Net(4, 1)
number = 3
"""


class Code:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE)).astype(np.uint8)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("WIDTH = 5\n")
    (tmp_path / "my_net.py").write_text(CODE)
    return tmp_path / "my_net.py"


def open_functional(path: Path, **settings: Any) -> Any:
    return load_model(path, labels=LABELS, scaling="0..1", architecture=Functional, input=(SIZE, SIZE, 1), **settings)


def truth(faces: np.ndarray) -> np.ndarray:
    net = seeded(Functional()).eval()
    with torch.no_grad():
        return net(tensor(faces[..., None].astype(np.float32) / 255)).numpy()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, net: state,
        lambda state, net: {"epoch": 3, "state_dict": state, "optimizer": {"lr": torch.zeros(1)}},
        lambda state, net: {
            "model": {f"module.{name}": value for name, value in state.items()},
            "best": np.float64(0.5),
        },
        lambda state, net: {"state_dict": {**{f"net.{n}": v for n, v in state.items()}, "loss.weight": torch.ones(4)}},
        lambda state, net: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state, net: net,
        lambda state, net: {"net": net, "acc": 0.5},
        lambda state, net: nn.DataParallel(net),
    ],
    ids=["plain", "nested", "numpy-and-module", "lightning", "compiled", "whole", "whole-in-dict", "whole-parallel"],
)
def test_weights_are_found_wherever_they_lie(wrap: Any, tmp_path: Path, faces: np.ndarray) -> None:
    net = seeded(Functional())
    for legacy in (False, True):
        path = tmp_path / f"net{legacy}.pth"
        torch.save(wrap(net.state_dict(), net), path, _use_new_zipfile_serialization=not legacy)
        assert torch_format(path) == CHECKPOINT
        model = open_functional(path)
        np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)
        assert model.name == f"net{legacy}"
        assert len(model.sha256) == 64


def test_safetensors(tmp_path: Path, faces: np.ndarray) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "net.safetensors"
    safetensors.save_file(seeded(Functional()).state_dict(), path)
    assert torch_format(path) == SAFETENSORS
    np.testing.assert_allclose(open_functional(path).probabilities(faces), truth(faces), atol=1e-5)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match="outside the file"):
        open_functional(path)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    state = seeded(Functional()).state_dict()
    path = tmp_path / "net.pth"
    torch.save(OrderedDict((n, v) for n, v in state.items() if n != "head.bias"), path)
    with pytest.raises(ModelError, match=r"lacks head\.bias"):
        open_functional(path)
    torch.save({**state, "more.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match=r"more\.weight"):
        open_functional(path)
    torch.save({**state, "head.weight": torch.zeros(9, 6)}, path)
    with pytest.raises(ModelError, match=r"head\.weight is \(9, 6\).*\(4, 6\)"):
        open_functional(path)
    with pytest.raises(ModelError, match="Plain"):
        load_model(path, architecture=Plain)
    torch.save({"accuracy": 0.5}, path)
    with pytest.raises(ModelError, match="no weights"):
        open_functional(path)


def test_a_class_in_a_package_is_named_with_dots(tmp_path: Path, faces: np.ndarray) -> None:
    path = tmp_path / "net.bin"  # the file is told by its content
    torch.save(seeded(Functional()).state_dict(), path)
    settings = {"labels": LABELS, "scaling": "0..1", "input": (SIZE, SIZE, 1)}
    model = load_model(path, architecture="tests.torch_networks:Functional", **settings)
    np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)
    assert not any("was run" in note for note in model.notes)


def test_weights_without_a_class_ask_for_it(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(seeded(Functional()).state_dict(), path)
    with pytest.raises(ModelError, match="--architecture"):
        load_model(path)


def test_a_file_of_ones_own_builds_the_network(code: Path, tmp_path: Path, faces: np.ndarray) -> None:
    sys.path.insert(0, str(tmp_path))
    try:
        net = seeded(nn.ModuleDict({"conv": nn.Conv2d(1, 5, 3), "fc": nn.Linear(5, 4)}))
    finally:
        sys.path.remove(str(tmp_path))
    path = tmp_path / "net.pth"
    torch.save(net.state_dict(), path)
    before = list(sys.path)
    for name in ("Net", "build"):
        model = load_model(path, architecture=f"{code}:{name}", labels=LABELS, scaling="0..1", input="18x18")
        with torch.no_grad():
            x = tensor(faces[..., None].astype(np.float32) / 255)
            expected = net["fc"](net["conv"](x).relu().mean((2, 3))).numpy()
        np.testing.assert_allclose(model.logits(faces), expected, atol=1e-5)
        assert any("my_net.py was run" in note for note in model.notes)
        assert (model.file_name, model.origin.architecture) == ("net.pth", f"{code}:{name}")
        assert model.origin.files == (path, code)  # what no output may be written over
        assert not model.origin.cached  # what the class does is decided by code that no hash here covers
    assert sys.path == before
    for name, words in (
        ("Needs", "depth"), ("Fails", "out of luck"), ("Nope", "has no Nope.*Net"), ("number", "neither a class"),
    ):  # fmt: skip
        with pytest.raises((ModelError, UsageError), match=words):
            load_model(path, architecture=f"{code}:{name}", labels=LABELS)
    for architecture in ("nowhere.py:Net", "no.such.module:Net", "no-colon", str(tmp_path / "helper.py") + ":Net"):
        with pytest.raises((ModelError, UsageError)):
            load_model(path, architecture=architecture, labels=LABELS)


def test_the_code_of_a_pickle_is_not_run(tmp_path: Path, faces: np.ndarray) -> None:
    sentinel = tmp_path / "was here"
    net = seeded(Functional())
    net.extra = Code(sentinel)
    path = tmp_path / "whole.pth"
    for legacy in (False, True):
        torch.save(
            {"state_dict": net.state_dict(), "a": Code(sentinel)}, path, _use_new_zipfile_serialization=not legacy
        )
        np.testing.assert_allclose(open_functional(path).probabilities(faces), truth(faces), atol=1e-5)
        torch.save(net, path, _use_new_zipfile_serialization=not legacy)
        np.testing.assert_allclose(open_functional(path).probabilities(faces), truth(faces), atol=1e-5)
        with pytest.raises(UntrustedModelError, match=r"torch_networks\.Functional"):
            load_model(path)
        assert not sentinel.exists()
    path.write_bytes(pickle.dumps(Code(sentinel)))
    with pytest.raises(ModelError):
        load_model(path, architecture=Functional)
    assert not sentinel.exists()


def test_trust_opens_what_was_pickled_whole(tmp_path: Path, faces: np.ndarray) -> None:
    path = tmp_path / "whole.pth"
    torch.save(seeded(Functional()), path)
    model = load_model(path, trust=True, labels=LABELS, scaling="0..1", input=(SIZE, SIZE, 1))
    np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)


def test_torchscript_is_a_program(tmp_path: Path, faces: np.ndarray) -> None:
    path, net = tmp_path / "net.pt", seeded(Functional()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(net, tensor(pictures(2))), path)
    assert torch_format(path) == SCRIPT
    with pytest.raises(UntrustedModelError, match="--trust"):
        load_model(path, input=(SIZE, SIZE, 1))
    with pytest.raises(UsageError, match="architecture"):
        open_functional(path, trust=True)
    model = load_model(path, trust=True, labels=LABELS, scaling="0..1", input=(SIZE, SIZE, 1))
    assert (model.head, model.layers) == ("softmax", ())
    np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)


@pytest.mark.slow
def test_an_exported_program_is_a_program(tmp_path: Path, faces: np.ndarray) -> None:
    """In a process of its own: exporting imports torch's compiler, which must not come after TensorFlow in this one."""
    path = tmp_path / "net.pt2"
    script = (
        "import sys, torch; sys.path.insert(0, 'tests'); from torch_networks import *\n"
        "batch = {0: torch.export.Dim('batch')}\n"
        "program = torch.export.export(seeded(Functional()).eval(), (tensor(pictures(2)),), dynamic_shapes=(batch,))\n"
        "torch.export.save(program, sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True, cwd=Path(__file__).parents[2])
    assert torch_format(path) == EXPORTED
    with pytest.raises(UntrustedModelError, match="--trust"):
        load_model(path, input=(SIZE, SIZE, 1))
    model = load_model(path, trust=True, labels=LABELS, scaling="0..1", input=(SIZE, SIZE, 1))
    np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)
    assert any(layer.spatial for layer in model.layers)


def test_damaged_files_are_one_sentence(tmp_path: Path) -> None:
    whole = tmp_path / "net.pth"
    for legacy in (False, True):
        torch.save(seeded(Functional()).state_dict(), whole, _use_new_zipfile_serialization=not legacy)
        content = whole.read_bytes()
        for length in (20, 300, len(content) // 2, len(content) - 10):
            path = tmp_path / f"cut{length}.pth"
            path.write_bytes(content[:length])
            with pytest.raises(ModelError):
                open_functional(path)
    page = tmp_path / "page.pth"
    page.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    with pytest.raises(ModelError, match="web page"):
        open_functional(page)


def test_each_bad_file_is_one_line_and_exit_code_4(
    code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentinel, plain = tmp_path / "was here", f"{NETWORKS}:Plain"
    state, net = seeded(Plain()).state_dict(), seeded(Functional())
    net.extra = Code(sentinel)
    for name, content in (
        ("whole", net), ("sound", state), ("lacks", {n: v for n, v in state.items() if n != "fc.bias"}),
        ("more", {**state, "more.weight": torch.zeros(3, 3)}),
    ):  # fmt: skip
        torch.save(content, tmp_path / f"{name}.pth")
    content = (tmp_path / "sound.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    assert run(["layers", str(tmp_path / "sound.pth"), "--architecture", plain, "--input", "18x18x1"]) == 0
    capsys.readouterr()
    for name, architecture, size, words in (
        ("whole", None, "18x18x1", r"torch_networks\.Functional.*--trust"),
        ("lacks", plain, "18x18x1", r"lacks fc\.bias"),
        ("more", plain, "18x18x1", r"more\.weight"),
        ("sound", f"{code}:Needs", "18x18x1", "depth"),
        ("sound", plain, "24x24x1", "cannot be run on pictures of 24 x 24 x 1"),
        ("cut", plain, "18x18x1", r"cut\.pth"),
    ):
        chosen = [] if architecture is None else ["--architecture", architecture]
        assert run(["layers", str(tmp_path / f"{name}.pth"), *chosen, "--input", size]) == 4
        printed = capsys.readouterr()
        assert len(printed.err.splitlines()) == 1
        assert re.search(words, printed.err), printed.err
        assert not printed.out
    assert not sentinel.exists()


def test_a_live_module_in_one_line(faces: np.ndarray) -> None:
    model = load_model(seeded(Functional()), input=(SIZE, SIZE, 1), labels=LABELS, scaling="0..1")
    assert (model.name, model.engine.name, model.sha256) == ("Functional", "torch", "")
    np.testing.assert_allclose(model.probabilities(faces), truth(faces), atol=1e-5)
    spec = InputSpec(SIZE, SIZE, scaling="-1..1")
    assert load_model(seeded(Functional()), input=spec, labels=LABELS).input == spec
    with pytest.raises(UsageError, match="contradicts"):
        load_model(seeded(Functional()), input=spec, scaling="0..1", labels=LABELS)
    with pytest.raises(UsageError, match="classes"):
        load_model(seeded(Functional()), input=(SIZE, SIZE, 1), labels="a,b")
    with pytest.raises(ModelError, match="Functional"):
        load_model(seeded(Functional(channels=3)), input=(SIZE, SIZE, 1))
    with pytest.raises(UsageError, match="architecture"):
        load_model(seeded(Functional()), architecture=Functional)


def test_weights_that_are_not_finite_are_refused() -> None:
    net = seeded(InPlace())
    with torch.no_grad():
        net.body[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"not finite.*body\.0\.weight"):
        load_model(net, input=(SIZE, SIZE, 1), labels=LABELS)


def test_class_counts() -> None:
    assert load_model(seeded(InPlace()), input=(SIZE, SIZE, 1), labels=LABELS).engine.classes == CLASSES


@pytest.mark.slow
def test_timm_and_torchvision_build_by_name(tmp_path: Path) -> None:
    """The number of classes and of channels comes from the tensors; timm's configuration tells the input."""
    timm = pytest.importorskip("timm")
    torchvision = pytest.importorskip("torchvision")
    path = tmp_path / "net.pth"
    net = timm.create_model("mobilenetv3_small_050", num_classes=8)
    torch.save(net, path)
    model = load_model(path, architecture="timm:mobilenetv3_small_050")
    assert model.labels[0] == "neutral"
    assert (model.input.size, model.input.scaling, model.input.unit) == ((224, 224), "standardize", 255)
    assert model.input.mean.ravel().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert any("timm's configuration" in note for note in model.notes)
    face = np.full((1, 224, 224, 3), 128, np.uint8)
    expected = net.eval()(tensor(model.preprocess(face))).detach().numpy()
    np.testing.assert_allclose(model.logits(face), expected, atol=1e-4)
    net = torchvision.models.squeezenet1_1(num_classes=7)
    net.features[0] = nn.Conv2d(1, 64, 3, stride=2)
    torch.save(net.state_dict(), path)
    grey = load_model(path, architecture="torchvision:squeezenet1_1", input="64x64x1")
    assert (grey.input.channels, len(grey.labels)) == (1, 7)
    for name in ("timm:mobilenetv9", "torchvision:mobilenetv9"):
        with pytest.raises(ModelError, match="mobilenetv9"):
            load_model(path, architecture=name)


class Bands(nn.Module):
    """Counts bright pixels in seven bands of columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 1, 1), nn.Linear(14 * 14, 7)

    def forward(self, x: Any) -> Any:
        return self.fc(self.conv(x).relu().flatten(1))


class Turned(Bands):
    """The same tensors, read along the other axis."""

    def forward(self, x: Any) -> Any:
        return self.fc(self.conv(x).relu().transpose(2, 3).flatten(1))


def test_weights_that_load_strictly_into_the_wrong_class_are_caught_by_check(tmp_path: Path) -> None:
    from ferviz import check
    from ferviz.data.dataset import Dataset
    from ferviz.emotions import label_scheme

    net, path = Bands(), tmp_path / "net.pth"
    with torch.no_grad():
        net.conv.weight.fill_(1), net.conv.bias.fill_(-0.5)
        net.fc.weight.copy_(torch.eye(7).repeat_interleave(2, 1).repeat(1, 14) * 0.05)
        net.fc.bias.fill_(0)
    torch.save(net.state_dict(), path)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 300)
    faces = rng.integers(0, 160, (300, 14, 14))
    faces[np.arange(14) // 2 == truth[:, None, None] + np.zeros((1, 14, 1), int)] += 90
    data = Dataset(faces.astype(np.uint8), truth, np.full(300, "PublicTest"), np.arange(300), label_scheme("7"))
    right, wrong = (
        check(load_model(path, architecture=kind, input=(14, 14, 1), labels="7", scaling="0..1"), data, faces=300)
        for kind in (Bands, Turned)
    )
    assert right.usable
    assert right.best.accuracy > 0.95
    assert not wrong.usable
    assert any("trained on something else" in warning for warning in wrong.warnings)
