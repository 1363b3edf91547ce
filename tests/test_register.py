"""`ferviz.register`: what is registered is known everywhere, and nothing is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ferviz
from ferviz.cli import run
from ferviz.data.read import READERS
from ferviz.engines.registry import ENGINES
from ferviz.faces.detectors.detector import Detection
from ferviz.faces.detectors.registry import DETECTORS
from ferviz.models.architectures import ARCHITECTURES
from ferviz.writers import WRITERS

FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48)).astype(np.uint8)


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test registers is gone afterwards."""
    from ferviz.attribution.methods.registry import METHODS

    for registry in (METHODS, DETECTORS, READERS, ARCHITECTURES, ENGINES, WRITERS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_a_method():
    @ferviz.register.method("peak", "the strongest channel", title="Peak", from_maps=True)
    def peak(activation, gradient, *, power: float = 1.0):
        return np.einsum("nhwk,ntk->nthw", activation, np.abs(gradient.mean((2, 3))) ** power)

    model = ferviz.load_model()
    assert ferviz.methods()["peak"] == "the strongest channel"
    raw = ferviz.explain(model, FACES, method="peak").raw
    assert raw.shape[:2] == (2, 1)
    assert not np.allclose(raw, ferviz.explain(model, FACES, method="peak", power=2.0).raw)
    assert peak.__name__ == "peak"  # the decorator gives the function back


def test_a_detector(tmp_path, monkeypatch, capsys):
    @ferviz.register.detector("corner", "the upper left corner")
    class Corner:
        name, threshold, max_pixels = "corner", 0.5, 1_000_000

        def __init__(self, model=None):
            self.model = model

        def detect(self, pixels, threshold, min_size):
            return [Detection((0.0, 0.0, 30.0, 30.0), 0.9)]

    from ferviz.images import write_image

    monkeypatch.chdir(tmp_path)
    write_image("a.png", np.full((80, 90, 3), 120, np.uint8))
    (face,) = ferviz.find_faces("a.png", detector="corner", tilt="none")
    assert face.score == 0.9
    assert "corner" in ferviz.detectors()
    assert run(["predict", "a.png", "--detector", "corner", "--tilt", "none"]) == 0
    assert capsys.readouterr().out.startswith("a.png: ")


def test_a_reader(tmp_path):
    from ferviz.data.read import Reader

    csv = READERS["csv"]

    @ferviz.register.reader("semicolons", "tables with semicolons", recognises=lambda path: path.suffix == ".semi")
    def read(path, skip_bad, classes):
        plain = tmp_path / "plain.csv"
        plain.write_text(path.read_text().replace(";", ","))
        return csv.read(plain, skip_bad, classes)

    rows = [f"{label};{' '.join(['9'] * 48 * 48)};Training" for label in (0, 3)]
    (tmp_path / "faces.semi").write_text("\n".join(["emotion;pixels;Usage", *rows]) + "\n")
    data = ferviz.read_data(tmp_path / "faces.semi")
    assert len(data) == 2
    assert isinstance(READERS["semicolons"], Reader)


def test_an_architecture():
    @ferviz.register.architecture("tiny", "one convolution")
    def build(classes, *, filters=4, seed=0, logits=False):
        raise NotImplementedError

    assert ferviz.architectures()["tiny"] == "one convolution"
    assert ARCHITECTURES["tiny"] is build


def test_an_engine():
    class Network:
        pass

    @ferviz.register.engine("own", "networks of my own", recognises=lambda source: isinstance(source, Network))
    def open_network(source, trust):
        raise ferviz.ModelError(f"opened with trust={trust}")

    with pytest.raises(ferviz.ModelError, match="trust=False"):
        ferviz.load_model(Network())


def test_a_writer(tmp_path):
    @ferviz.register.writer(".txt", "the number of faces", needs=["to_dict"])
    def write(result, path, options):
        path.write_text(f"{len(result)} faces")

    explanation = ferviz.explain(ferviz.load_model(), FACES)
    explanation.save(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "2 faces"


def test_a_name_is_given_once():
    for register, name in ((ferviz.register.detector, "haar"), (ferviz.register.architecture, "plain")):
        with pytest.raises(ValueError, match=name):
            register(name, "another")(lambda: None)


def test_the_door_itself_imports_nothing():
    code = (
        "import sys, ferviz; ferviz.register;"
        "print([m for m in ('numpy', 'cv2', 'PIL', 'tensorflow', 'ferviz.data', 'ferviz.faces') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
