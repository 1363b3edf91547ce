"""The README and the pages of the documentation do what they say: their Python and their shell lines run as they stand.

Every ```python block of these pages, and every ```sh line that begins with `ferviz`, is run in a folder that holds the files that the
pages name. A block behind a line `<!-- not run: REASON -->` is left out; ```console blocks show what needs foreign files, minutes or
TensorFlow.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.attribution.methods.registry import METHODS
from ferviz.cli import run
from ferviz.data.synthetic import cartoons
from ferviz.files import csv_text
from ferviz.images import read_image, write_image
from ferviz.results import WRITERS

ROOT = Path(__file__).parents[1]
FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48)).astype(np.uint8)
BLOCK = re.compile(r"(?P<skip><!-- not run: .+? -->\n+)?```(?P<kind>python|sh)\n(?P<code>.*?)```", re.DOTALL)
OWN_TEST = {
    "write-a-detector.md",
    "write-a-reader.md",
    "write-an-engine.md",
    "write-an-objective.md",
    "compiled-networks.md",
}
"""Pages whose code has a test of its own, beside the tests of what it extends."""
SLOW = {"README.md", "tutorial.md", "evaluate.md", "read-the-pictures.md"}
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name not in OWN_TEST
    and not page.name.startswith("write-")
    and BLOCK.search(page.read_text(encoding="utf-8"))
]


def blocks(page: str | Path, kind: str = "python") -> list[str]:
    """Return the blocks of a page (a path, or its place below docs/) that are run."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [match["code"] for match in BLOCK.finditer(text) if match["kind"] == kind and not match["skip"]]


@pytest.fixture(scope="module")
def foreign_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of: small stand-ins for a reader's own."""
    folder = tmp_path_factory.mktemp("page")
    portrait = read_image(ROOT / "examples" / "astronaut.png")
    face = portrait[60:180, 165:285]
    write_image(folder / "face.png", face)
    write_image(folder / "group.jpg", np.hstack([portrait, portrait]))
    (folder / "photos").mkdir()
    write_image(folder / "photos" / "one.png", face)
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "astronaut.png", folder / "examples")
    # The content of a file decides what it is, so a compiled network can stand for one that needs TensorFlow.
    for name in ("my.h5", "other.h5"):
        shutil.copy(ROOT / "ferviz" / "assets" / "bundled.ferviz", folder / name)
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    drawn = cartoons.make(40, seed=0, task="emotions")
    rows, votes = [["emotion", "pixels", "Usage"]], [["Usage", "Image name", *columns]]
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        usage = "Training" if number < 20 else "PublicTest"
        rows.append([str(int(label)), " ".join(map(str, image.ravel())), usage])
        votes.append([usage, f"{number}.png", *("10" if k == number % 7 else "0" for k in range(10))])
    (folder / "fer2013.csv").write_text(csv_text(rows), encoding="utf-8")
    (folder / "fer2013new.csv").write_text(csv_text(votes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.relative_to(ROOT).as_posix(), marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in PAGES
    ],
)
def test_the_page_runs_as_it_stands(
    page: Path, foreign_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(foreign_files, folder)
    monkeypatch.chdir(folder)
    for code in blocks(page, "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["ferviz"]:
                assert run(words[1:]) == 0, (line, capsys.readouterr().err)
    names: dict[str, Any] = {"__name__": "page"}
    for code in blocks(page):
        exec(compile(code, str(page), "exec"), names)
    assert blocks(page) or blocks(page, "sh") or "<!-- not run" in page.read_text(encoding="utf-8")


def test_own_methods() -> None:
    model = ferviz.load_model()
    try:
        for block in blocks("extending/write-a-method.md"):
            exec(block, {})
        powered = ferviz.explain(model, FACES, method="absolute-cam", power=2.0)
        plain = ferviz.explain(model, FACES, method="absolute-cam")
        assert not np.allclose(powered.raw, plain.raw)
        rows = ferviz.explain(model, FACES, method="row-occlusion").raw
        assert np.all(rows == rows[..., :1]), "a row of pixels is hidden as a whole"
        assert rows.std() > 0
    finally:
        for name in ("absolute-cam", "row-occlusion"):
            METHODS._entries.pop(name, None)


def test_own_architecture() -> None:
    (code,) = blocks("extending/write-an-architecture.md")
    names: dict[str, Any] = {}
    exec(code, names)
    network, logits = names["build"](classes=5, filters=4), names["build"](classes=5, filters=4, logits=True)
    assert network.output_shape == (None, 5)
    for weight, other in zip(network.get_weights(), logits.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    np.testing.assert_allclose(network.predict(FACES[..., None], verbose=0).sum(1), 1, atol=1e-5)


def test_own_writer(foreign_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import loadmat

    monkeypatch.chdir(tmp_path)
    shutil.copy(foreign_files / "face.png", tmp_path)
    monkeypatch.setattr(WRITERS, "_entries", dict(WRITERS._entries))  # it is gone again afterwards
    names: dict[str, Any] = {}
    (code,) = blocks("extending/write-a-writer.md")
    exec(code, names)
    stored = loadmat(tmp_path / "maps.mat")
    np.testing.assert_array_equal(stored["raw"], names["explanation"].raw)
    assert "gradcam" in str(stored["manifest"])
    with pytest.raises(ferviz.OutputExistsError):
        names["explanation"].save(tmp_path / "maps.mat")
