"""`ferviz dream`: what it writes, prints and refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.cli import run
from ferviz.dreaming.result import Dream

FEW = ["--steps", "3", "--samples", "1", "--quiet"]


@pytest.fixture(autouse=True, scope="module")
def opened_once(frozen_once: None) -> Iterator[None]:
    """Open each network once for each way of feeding it: what is tested here is what the command does with it."""
    from ferviz.models import load

    models: dict[str, Any] = {}
    real = load.load_model

    def once(*args: Any, **options: Any) -> Any:
        key = repr((args, sorted(options.items())))
        if key not in models:
            models[key] = real(*args, **options)
        return models[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load_model", once)
        yield


@pytest.fixture(scope="module")
def network(networks: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a tiny network of four classes (tests/networks.py) and a sidecar that says what they are."""
    file = tmp_path_factory.mktemp("network") / "tiny.keras"
    networks.build("softmax_layer").save(file)
    sidecar = {"schema_version": 1, "labels": ["angry", "happy", "sad", "surprise"], "input": {"scaling": "-1..1"}}
    Path(f"{file}.ferviz.json").write_text(json.dumps(sidecar))
    return str(file)


def ferviz_dream(*arguments: Any) -> int:
    return run(["dream", *map(str, arguments)])


@pytest.mark.slow
def test_all_classes_with_judge_animation_and_json(
    network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(network, tmp_path / "second.keras")
    arguments = [
        "-m",
        network,
        "--judge",
        f"{network}?labels=sad,happy,angry,surprise&scaling=0..1",
        "--judge",
        "second.keras?labels=sad,happy,angry,surprise&scaling=0..1",
        "--animate",
        "way.gif",
        "--json",
    ]
    assert ferviz_dream(*arguments, *FEW[:-1]) == 0  # not quiet
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (answer["schema_version"], answer["command"], answer["out"]) == (1, "dream", "ferviz_dream.png")
    verdicts = [line for line in printed.err.splitlines() if "recognised" in line]
    assert [line.partition(":")[0] for line in verdicts] == ["tiny", "second"]  # a line each
    assert [d["objective"] for d in answer["dreams"]] == ["angry", "happy", "sad", "surprise"]
    assert all(0 <= d["probability"] <= 1 and 0 <= d["judges"]["tiny"] <= 1 for d in answer["dreams"])
    with Image.open("ferviz_dream.png") as sheet, Image.open("way.gif") as way:
        assert json.loads(sheet.info["ferviz"])["settings"]["steps"] == 3
        assert way.n_frames > 1
    assert ferviz_dream(*arguments, *FEW) == 7
    assert "way.gif" in capsys.readouterr().err  # the sheet's own name would be numbered


@pytest.mark.slow
def test_the_seed_decides_and_npz_holds_the_pixels(network: str, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert (
            ferviz_dream("-m", network, "-t", "happy,sad-angry", "--seed", seed, "-o", tmp_path / f"{name}.npz", *FEW)
            == 0
        )
    a, b, c = (Dream.load(tmp_path / f"{name}.npz") for name in "abc")
    assert a.objective == ("happy", "sad - angry")
    assert (a.settings["seed"], c.settings["seed"]) == (1, 2)
    assert a.images.tobytes() == b.images.tobytes() != c.images.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--layer", "conv1", "--channel", "3,0"], ["conv1 3", "conv1 0"]),
        (["--layer", "conv1", "--channel", "mean"], ["conv1"]),
        (["--layer", "classes", "--channel", "all"], [f"classes {i}" for i in range(4)]),
        (["--layer", "conv1", "--count", "2"], 2),
        (["--target", "surprise", "--prior", "none", "--copies", "2"], ["surprise", "surprise"]),
    ],
)
def test_layers_channels_and_copies(network: str, tmp_path: Path, arguments: list[str], names: Any) -> None:
    assert ferviz_dream("-m", network, *arguments, "-o", tmp_path / "a.npz", *FEW) == 0
    result = Dream.load(tmp_path / "a.npz")
    if isinstance(names, int):
        assert len(set(result.objective)) == names
    else:
        assert list(result.objective) == names


@pytest.mark.slow
def test_a_picture_is_dreamt_in_octaves(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save("face.png")
    asked = ["-m", network, "--layer", "conv1", "--size", "48"]
    assert ferviz_dream(*asked, "--image", "face.png", "--octaves", "2", *FEW) == 0
    assert ferviz_dream(*asked, "-i", "face.png", "--octaves", "1", "-o", "a.npz", *FEW) == 0
    assert Dream.load("a.npz").images.shape == (1, 32, 48, 3)
    with Image.open("face_dream_conv1.png") as sheet:
        assert json.loads(sheet.info["ferviz"])["settings"]["octaves"] == [[23, 34], [32, 48]]


@pytest.mark.slow
def test_a_class_is_dreamt_on_the_largest_face_of_a_photograph(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait = Path(__file__).resolve().parents[2] / "examples" / "astronaut.png"
    monkeypatch.chdir(tmp_path)
    shared = ["-m", network, "--target", "happy", "--image", portrait, "--steps", "1", "--samples", "1", "--quiet"]
    assert ferviz_dream(*shared, "-o", "face.npz") == 0
    assert ferviz_dream(*shared, "-o", "whole.npz", "--detector", "none") == 0
    (face,) = ferviz.find_faces(portrait, largest=True)
    likeness = {}
    for name in ("face", "whole"):
        dreamt = Dream.load(f"{name}.npz").images[0]
        for other, picture in (("face", face.pixels), ("whole", ferviz.read_image(portrait))):
            small = np.asarray(Image.fromarray(picture).convert("L").resize(dreamt.shape[::-1], Image.Resampling.BOX))
            likeness[name, other] = np.corrcoef(dreamt.ravel(), small.ravel())[0, 1]
    assert min(likeness["face", "face"], likeness["whole", "whole"]) > 0.8
    assert max(likeness["face", "whole"], likeness["whole", "face"]) < 0.6
    Image.new("RGB", (400, 300)).save("grey.png")
    assert ferviz_dream("-m", network, "--target", "happy", "--image", "grey.png", *FEW) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--layer", "conv9"], 2, "conv9"),
        (["--layer", "conv1", "--channel", "x"], 2, "--channel"),
        (["--layer", "conv1", "--channel", "99"], 2, "99"),
        (["--channel", "1"], 2, "--layer"),
        (["--layer", "conv1", "--target", "happy"], 2, "--target"),
        (["--target", "hapy"], 2, "'happy'"),
        (["--octaves", "3"], 2, "--image"),
        (["--steps", "0"], 2, "steps"),
        (["--facets", "2"], 2, "--faces DATA"),
        (["--detector", "haar"], 2, "--detector"),
        (["--reader", "csv"], 2, "--faces"),
        (["--animate", "way.mp4"], 2, ".gif"),
        (["--out", "a.txt"], 2, ".txt"),
        (["--image", "none.png", "--layer", "conv1"], 3, "none.png"),
        (["--judge", "tiny.keras?label=7"], 2, "not label"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_code(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    steps = [] if "--steps" in arguments else FEW[:4]
    assert ferviz_dream("-m", network, *steps, *arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("ferviz: ") == 1
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_the_reader_of_the_faces_can_be_named(network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table under another name is read by the reader that is named, and its bad row left out where that is asked for."""
    rng = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    lines += [f"{3 + n % 2},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},Training" for n in range(8)]
    table = tmp_path / "faces.dat"
    table.write_text("\n".join([*lines, "3,words,Training"]) + "\n")
    asked = [
        "-m",
        network,
        "--layer",
        "conv1",
        "--count",
        "2",
        "--faces",
        table,
        "-o",
        tmp_path / "d.json",
        "--steps",
        "3",
    ]
    assert ferviz_dream(*asked, "--reader", "csv") == 6
    assert "faces.dat, line 10" in capsys.readouterr().err
    assert ferviz_dream(*asked, "--reader", "csv", "--skip-bad") == 0
    assert "skipped" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "d.json").read_text())["dreams"]) == 2


@pytest.mark.slow
def test_bare_dreams_are_nothing_but_their_pixels(network: str, tmp_path: Path) -> None:
    command = ["-m", network, "--target", "happy,sad", *FEW]
    assert ferviz_dream(*command, "--bare", "--out", tmp_path / "bare.png") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare-happy.png", "bare-sad.png"]
    assert ferviz_dream(*command, "--out", tmp_path / "all.npz") == 0
    images = Dream.load(tmp_path / "all.npz").images
    for name, pixels in zip(("happy", "sad"), images, strict=True):
        with Image.open(tmp_path / f"bare-{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture.convert("L" if pixels.ndim == 2 else "RGB")), pixels)
            assert "ferviz" in picture.text  # what a caption has to tell
    assert ferviz_dream(*command, "--bare", "--side", "64", "--out", tmp_path / "large.png") == 0
    with Image.open(tmp_path / "large-happy.png") as picture:
        assert max(picture.size) == 64
    assert ferviz_dream(*command, "--bare", "--out", tmp_path / "bare.png") != 0, "pictures that are there stay"
    assert ferviz_dream(*command, "--bare", "--out", tmp_path / "bare.pdf") != 0
