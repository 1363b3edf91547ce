"""ferviz compile, and commands that run from compiled networks without importing what is slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.models.compiled.file import read_compiled

SLOW = ("tensorflow", "keras", "matplotlib", "rich", "h5py", "scipy", "pandas", "platformdirs")


@pytest.fixture(scope="module")
def network(networks: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "small.keras"
    networks.build("functional").save(path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERVIZ_CACHE", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    return tmp_path


def alone(*lines: tuple[str, ...], folder: Path) -> list[tuple[tuple[str, ...], int, list[str], str]]:
    """Run command lines one after another in a process of their own.

    -> for each its words, its exit code, the slow packages that are imported by now, and the standard error of them all.
    """
    code = (
        "import sys, json\nfrom ferviz.cli import run\n"
        f"print(json.dumps([[run(line), [name for name in {SLOW!r} if name in sys.modules]] for line in json.loads(sys.argv[1])]))"
    )
    environment = {**os.environ, "FERVIZ_CACHE": str(folder / "cache"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    return [(line, code, names, done.stderr) for line, (code, names) in zip(lines, answers, strict=True)]


@pytest.mark.slow
def test_compile_writes_a_file_that_other_commands_take(here: Path, network: Path, capsys: Any) -> None:
    assert run(["compile", str(network), "--labels", "a,b,c,d", "--layer", "conv2, relu1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["command"], document["out"], document["default"]) == ("compile", "small.ferviz", "relu2")
    assert document["layers"] == ["relu1", "conv2", "relu2"]
    assert document["bytes"] == (here / "small.ferviz").stat().st_size
    assert read_compiled(here / "small.ferviz").labels == ("a", "b", "c", "d")
    assert run(["compile", str(network), "--out", "small.ferviz"]) == 7
    assert "small.ferviz" in capsys.readouterr().err
    ((_, code, imported, _),) = alone(
        ("gradcam", "face.png", "--model", "small.ferviz", "--target", "all"), folder=here
    )
    assert (code, imported) == (0, [])
    assert (here / "face_gradcam_all.png").is_file()


def test_compile_says_what_is_wrong_before_the_work(here: Path, network: Path, capsys: Any) -> None:
    assert run(["compile", str(network), "--out", "nowhere/x.ferviz"]) == 1
    assert run(["compile", str(network), "--model", "other.keras"]) == 2
    assert run(["compile", str(network), "--engine", "litert"]) == 2
    assert run(["compile", str(network), "--layer", "conv9"]) == 2
    assert "conv9" in capsys.readouterr().err
    assert run(["compile", "missing.keras"]) == 4
    (here / "face.png").rename(here / "face.keras")
    assert run(["compile", "face.keras"]) == 4
    assert not list(here.glob("*.ferviz"))


@pytest.mark.slow
def test_the_bundled_network_runs_without_what_is_slow(here: Path) -> None:
    lines = [
        ("gradcam", "face.png"),
        ("gradcam", "face.png", "--target", "all", "--json"),
        ("explain", "face.png", "--method", "layercam", "--layer", "relu3", "--target", "happy-sad"),
        ("explain", "face.png", "--method", "scorecam"),
        ("explain", "face.png", "--method", "smoothgrad", "-O", "samples=2"),
        ("explain", "face.png", "--method", "guided-backprop"),
        ("explain", "face.png", "--method", "ablationcam", "--out", "numbers.npz"),
        ("activations", "face.png"),
        ("predict", "face.png", "--json"),
    ]
    for line, code, imported, errors in alone(*lines, folder=here):
        assert (code, imported) == (0, []), (line, errors)
        assert "XNNPACK" not in errors


@pytest.mark.slow
def test_the_first_explanation_of_a_network_leaves_a_compiled_form(here: Path, network: Path, capsys: Any) -> None:
    arguments = ["gradcam", "face.png", "--model", str(network), "--labels", "a,b,c,d", "--force", "--json"]
    cache = here / "cache" / "compiled"
    assert run([*arguments, "--no-cache"]) == 0
    assert not cache.exists()
    assert json.loads(capsys.readouterr().out)["engine"] == "keras"
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["engine"] == "keras"
    assert "compiling small" in shown.err
    assert len(list(cache.glob("*.ferviz"))) == 1
    assert run([*arguments, "--engine", "keras"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "keras"
    ((_, code, imported, _),) = alone(tuple(arguments), folder=here)
    assert (code, imported) == (0, [])


def test_a_home_that_cannot_be_written_only_costs_the_cache(here: Path, network: Path, capsys: Any) -> None:
    (here / "cache").write_text("in the way")
    assert run(["gradcam", "face.png", "--model", str(network), "--labels", "a,b,c,d"]) == 0
    assert "cache" in capsys.readouterr().err
    assert (here / "face_gradcam.png").is_file()


def test_the_shipped_form_belongs_to_the_shipped_network() -> None:
    from ferviz.files import sha256
    from ferviz.models.bundled import ASSETS, bundled_path

    compiled = read_compiled(ASSETS / "bundled.ferviz")
    assert compiled.sha256 == sha256(bundled_path())
    assert (ASSETS / "bundled.ferviz").stat().st_size <= 6_000_000
    assert compiled.network.refused == {}
    assert compiled.network.gradients == {info.name for info in compiled.network.layers if info.spatial}


@pytest.mark.slow
def test_the_shipped_form_answers_as_the_shipped_network() -> None:
    from ferviz.attribution.explain import explain
    from ferviz.models.load import load_model

    faces = np.random.default_rng(3).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    faces = np.stack([np.asarray(Image.fromarray(f).resize((12, 12)).resize((48, 48))) for f in faces])
    compiled, keras = load_model(engine="litert"), load_model(engine="keras")
    assert (compiled.labels, compiled.default_layer()) == (keras.labels, keras.default_layer())
    for method in ("gradcam", "layercam"):
        ours, theirs = (explain(m, faces, method, target="all", test=False) for m in (compiled, keras))
        for values, other in zip(ours.raw.reshape(28, -1), theirs.raw.reshape(28, -1), strict=True):
            np.testing.assert_allclose(values, other, rtol=0, atol=1e-4 * max(float(np.ptp(other)), 1e-6))


def test_compile_takes_an_onnx_network_and_refuses_one_without_a_graph(
    here: Path, onnx_files: Any, capsys: Any
) -> None:
    from onnx import helper

    rng, make = np.random.default_rng(0), helper.make_node
    arrays = {"w": rng.normal(size=(4, 1, 3, 3)).astype("f4"), "m": rng.normal(size=(4, 7)).astype("f4")}
    nodes = [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("GlobalAveragePool", ["c"], ["p"], "pool"),
        make("Flatten", ["p"], ["f"], "flat"),
        make("MatMul", ["f", "m"], ["scores"], "head"),
    ]
    file = onnx_files.model(nodes, arrays, ["scores"], shape=("n", 1, 12, 12))
    Path("net.onnx").write_bytes(file.SerializeToString())
    assert run(["compile", "net.onnx", "--quiet"]) == 0
    assert Path("net.ferviz").stat().st_size > 500
    Path("net.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    assert run(["compile", "net.tflite", "--quiet"]) == 4
    assert "--engine" not in capsys.readouterr().err
