"""Ordinary trouble at the command line: folders that may not be looked into, names that are too long, connections that break."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import default_output
from ferviz.errors import UsageError

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"
CAPGET, CAPSET = {"x86_64": (125, 126), "aarch64": (90, 91)}.get(
    os.uname().machine if hasattr(os, "uname") else "", (0, 0)
)
VERSION, OVERRIDE = 0x20080522, 0b110  # of capabilities(7): CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@pytest.fixture
def obeying() -> Iterator[None]:
    """Permissions hold for this thread even where tests run as root."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    if not sys.platform.startswith("linux") or not CAPGET:
        pytest.skip("root is refused nothing here")
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.syscall(CAPGET, header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~OVERRIDE
    assert libc.syscall(CAPSET, header, sets) == 0
    yield
    sets[0] = effective
    assert libc.syscall(CAPSET, header, sets) == 0


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obeying: None) -> Iterator[Path]:
    """A folder `locked` with a file of each kind, which may not even be looked into; the tests work beside it."""
    folder = tmp_path / "locked"
    folder.mkdir()
    for name in ("a.png", "v.mp4", "d.csv", "m.h5", "m.ferviz"):
        shutil.copy(PORTRAIT, folder / name)
    (folder / "run").mkdir()
    shutil.copy(PORTRAIT, tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("words", "code"),
    [("gradcam locked/a.png", 3), ("explain locked/a.png", 3), ("compare locked/a.png", 3), ("activations locked/a.png", 3),
     ("dream --image locked/a.png --out x.png", 3), ("predict locked/a.png", 3), ("predict locked", 3), ("predict locked/v.mp4", 3),
     ("video explain locked/v.mp4", 3), ("live locked/v.mp4 --port 0", 3), ("gradcam a.png --model locked/m.h5", 4),
     ("gradcam a.png --model locked/m.ferviz", 4), ("gradcam a.png --detector yunet --detector-model locked/m.h5", 4),
     ("layers --model locked/m.h5", 4), ("layers --model locked", 4), ("compile locked/m.h5", 4), ("data locked/d.csv", 6),
     ("data locked", 6), ("dataset explain locked/d.csv", 6), ("explain locked/d.csv --resume", 6), ("train locked/d.csv --out run", 6),
     ("evaluate locked/d.csv --out r.png", 6), ("check m.h5 locked/d.csv", 6), ("train d.csv --out locked/run --resume", 1),
     ("predict a.png --out locked/x.png", 1), ("predict a.png --out locked/x", 1), ("predict a.png --out locked/x.csv", 1),
     ("predict a.png --crops locked/x", 1), ("gradcam a.png --out locked/x.png", 1), ("dream --out locked/x.png", 1),
     ("gradcam a.png --out a.png/x.png", 1), ("predict a.png/x.png", 3), ("layers --model a.png/x.h5", 4), ("data a.png/x.csv", 6)],
)  # fmt: skip
def test_a_folder_that_may_not_be_searched_is_one_sentence(
    words: str, code: int, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words.split()) == code
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("ferviz: ")
    assert not {"x.png", "run", "r.png"} & {path.name for path in locked.parent.iterdir()}


@pytest.mark.parametrize(
    ("words", "code"),
    [("gradcam {}.png", 3), ("predict {}.png", 3), ("layers --model {}.h5", 4), ("data {}.csv", 6), ("compile {}.h5", 4),
     ("gradcam a.png --out {}.png", 1), ("predict a.png --out {}", 1), ("predict a.png --crops {}", 1), ("explain {}.mp4", 3),
     ("gradcam a.png --detector yunet --detector-model {}.onnx", 4), ("dream --out {}.png", 1)],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_one_sentence(
    words: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PORTRAIT, tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert run(words.format("x" * 300).split()) == code
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("ferviz: ")


@pytest.mark.parametrize("command", [["gradcam"], ["predict", "--out", "annotated", "--crops", "crops"]])
def test_the_longest_legal_name_gets_results(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "x" * 251 + ".png"
    shutil.copy(PORTRAIT, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert run([*command, name, "--detector", "none", "-q"]) == 0
    (written, *_) = [path for path in tmp_path.rglob("xxx*.png") if path.name != name]
    assert len(written.name) <= 255


def test_the_default_name_keeps_the_command() -> None:
    assert str(default_output(["face.png"], "gradcam")) == "face_gradcam.png"
    assert default_output(["x" * 250 + ".csv"], "explain", ".npz").name.endswith("_explain.npz")


def test_a_hyphen_is_no_output() -> None:
    with pytest.raises(UsageError, match="--json"):
        OutputOptions(out="-")


def test_a_connection_that_breaks_is_not_a_reader_that_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("ferviz.faces.detectors.downloads.fetch", broken)
    assert run(["detectors", "get", "ssd"]) == 1
    assert "connection broke off" in capsys.readouterr().err


def test_one_bad_picture_of_several_keeps_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PORTRAIT, tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    for words in (["predict"], ["gradcam", "--out", "g.png"]):
        assert run([*words, "good.png", "bad.png", "gone.png", "--detector", "none"]) == 3
        printed = capsys.readouterr()
        assert "bad.png" in printed.err
        assert "gone.png is not there" in printed.err
        assert "good.png" in printed.out + printed.err
    assert (tmp_path / "g.png").is_file()


def test_large_pictures_do_not_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command holds of large pictures at one time, in bytes."""
    from ferviz.cli import pictures
    from ferviz.cli.commands import predict
    from ferviz.cli.console import Console
    from ferviz.cli.options.input_options import FaceOptions
    from ferviz.faces.face import Face
    from ferviz.models.model import Model

    large = Face(np.zeros((1500, 3000, 3), np.uint8))
    monkeypatch.setattr(pictures, "faces_of", lambda path, _: pictures.PictureFaces(str(path), [large]))
    kept = pictures.find_all([Path("a"), Path("b")], FaceOptions(detector="none"), Console(True))
    assert [face.pixels.shape for picture in kept for face in picture.faces] == [(512, 1024, 3)] * 2

    passes: list[int] = []
    real = Model.predict

    def counted(self: Model, faces: list[Face]) -> object:
        passes.append(len(faces))
        return real(self, [Face(face.pixels[::40, ::40]) for face in faces])

    monkeypatch.setattr(Model, "predict", counted)
    monkeypatch.setattr(predict, "faces_of", pictures.faces_of)
    monkeypatch.setattr(predict, "CHUNK_BYTES", 2 * large.pixels.nbytes)
    for name in "abcde":
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert run(["predict", str(tmp_path), "--detector", "none", "-q"]) == 0
    assert passes == [2, 2, 1]
