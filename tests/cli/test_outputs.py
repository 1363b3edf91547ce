"""Where commands write: a second run never fails on the name of the first, and what is read is never replaced."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferviz.cli import run
from ferviz.cli.networks import split_networks
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.outputs import check_outputs, default_output
from ferviz.data.dataset import Dataset
from ferviz.data.splits import choose_split
from ferviz.errors import OutputError, UnknownNameError, UsageError
from ferviz.images import read_manifest, write_image
from ferviz.models.bundled import bundled_path
from ferviz.models.network_address import parse_network
from ferviz.registry import split_names

FACE = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a face and a copy of the bundled network."""
    monkeypatch.chdir(tmp_path)
    write_image("face.png", FACE)
    return tmp_path


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"face.png"}


def test_the_default_name_tells_what_was_asked(here: Path) -> None:
    asked = ["--target", "happy-sad", "--layer", "relu4", "--no-test", "-q"]
    assert run(["gradcam", "face.png", *asked]) == 0
    assert run(["explain", "face.png", "--method", "layercam", "-t", "happy", "-t", "sad", "--no-test", "-q"]) == 0
    assert run(["explain", "face.png", "--method", "gradcam", "--no-test", "-q"]) == 0
    assert written(here) == {
        "face_gradcam_happy-sad_relu4.png", "face_explain_layercam_happy+sad.png", "face_explain_gradcam.png",
    }  # fmt: skip
    manifest = read_manifest("face_gradcam_happy-sad_relu4.png")
    assert (manifest["targets"], manifest["layer"]) == (["happy-sad"], "relu4")


def test_a_second_run_gets_a_number(here: Path) -> None:
    for _ in range(3):
        assert run(["gradcam", "face.png", "--no-test", "-q"]) == 0
    assert written(here) == {"face_gradcam.png", "face_gradcam_2.png", "face_gradcam_3.png"}
    Path("face_gradcam.png").write_bytes(b"old")
    assert run(["gradcam", "face.png", "--no-test", "-q", "--force"]) == 0
    assert Path("face_gradcam.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("face_gradcam_4.png").exists()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (["a/b:c", "happy, sad"], "x_explain_a-b-c_happy+sad.png"),
        (["../../etc", "", "2*happy-sad"], "x_explain_etc_2-happy-sad.png"),
    ],
)
def test_what_was_asked_becomes_a_file_name(asked: list[str], name: str) -> None:
    assert str(default_output(["x.png"], "explain", asked=asked)) == name


def test_a_long_question_still_fits() -> None:
    names = {default_output(["x" * 300], "explain", asked=["l" * 300 + end]).name for end in "ab"}
    assert len(names) == 2
    assert all(len(name.encode()) <= 255 for name in names)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--model", "missing.h5"], 4, "missing.h5"),
        (["--target", "hapy"], 2, "did you mean 'happy'"),
        (["--layer", "nosuch"], 2, "layer 'nosuch' is not in this model"),
        (["--detector", "nosuch"], 2, "detector 'nosuch'"),
    ],
)
@pytest.mark.parametrize("command", ["gradcam", "explain", "compare"])
def test_what_was_typed_is_checked_before_the_output(
    command: str, words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there.png").write_text("mine")
    assert run([command, "face.png", *words, "--out", "there.png"]) == code
    assert sentence in capsys.readouterr().err


def test_the_same_holds_for_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    Path("there.png").write_text("mine")
    for command, code, sentence in (
        (["activations", "face.png", "--layer", "nosuch"], 2, "nosuch"),
        (["predict", "face.png", "--model", "missing.h5"], 4, "missing.h5"),
        (["dream", "--layer", "nosuch"], 2, "nosuch"),
        (["dream", "--target", "hapy"], 2, "hapy"),
        (["layers", "--filters", "nosuch"], 2, "nosuch"),
        (["data", "missing.csv"], 6, "missing.csv"),
        (["evaluate", "missing.csv"], 6, "missing.csv"),
        (["trust", "missing.csv"], 6, "missing.csv"),
    ):
        assert run([*command, "--out", "there.png"]) == code, command
        err = capsys.readouterr().err
        assert sentence in err
        assert "already there" not in err
    assert Path("there.png").read_text() == "mine"


@pytest.mark.parametrize("through", ["itself", "a link", "a hard link", "another spelling"])
@pytest.mark.parametrize("command", ["predict", "gradcam", "explain", "compare", "activations"])
def test_a_picture_is_never_replaced(
    command: str, through: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = {"itself": "face.png", "another spelling": f"../{here.name}/./face.png"}.get(through, "link.png")
    if through == "a link":
        Path(out).symlink_to("face.png")
    if through == "a hard link":
        os.link("face.png", out)
    before = Path("face.png").read_bytes()
    assert run([command, "face.png", "--detector", "none", "--out", out, "--force"]) == 1
    assert "never replaced" in capsys.readouterr().err
    assert Path("face.png").read_bytes() == before


def test_no_file_that_is_read_is_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command with an input of another kind as its output; all of them keep their bytes."""
    for name in ("net.png", "net.npz", "net.png.ferviz.json"):
        shutil.copy(bundled_path(), name)
    Path("net.png.ferviz.json").write_text('{"schema_version": 1}')
    Path("d.csv").write_text("emotion,pixels,Usage\n")
    Path("d.png").write_bytes(Path("d.csv").read_bytes())
    folder = here / "data" / "Training" / "happy"
    folder.mkdir(parents=True)
    write_image(folder / "1.png", FACE)
    movie = cv2.VideoWriter("v.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(3):
        movie.write(np.zeros((64, 64, 3), np.uint8))
    movie.release()
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    for command in (
        ["gradcam", "face.png", "--model", "net.png", "--out", "net.png"],
        ["gradcam", "face.png", "--model", "net.png?labels=7", "--out", "net.png.ferviz.json"],
        ["explain", "face.png", "--detector-model", "net.npz", "--out", "net.npz"],
        ["compare", "face.png", "--against", "net.png?labels=7", "--out", "net.png"],
        ["predict", "face.png", "--model", "net.png", "--out", "net.png"],
        ["predict", "face.png", "--crops", "x", "--out", "face.png"],
        ["predict", "v.mp4", "--out", "v.mp4"],
        ["gradcam", "v.mp4", "--out", "v.mp4"],
        ["predict", "v.mp4", "--model", "net.png", "--timeline", "net.png"],
        ["dream", "--image", "face.png", "--out", "face.png"],
        ["dream", "--judge", "net.npz", "--out", "net.npz"],
        ["layers", "net.png", "--diagram", "--out", "net.png"],
        ["data", "data", "--out", "data/Training/happy/1.png"],
        ["data", "d.png", "--reader", "csv", "--out", "d.png"],
        ["evaluate", "data", "--out", "data/Training/happy/1.png"],
        ["evaluate", "d.csv", "--compare", "net.png", "--out", "net.png"],
        ["trust", "d.csv", "--out", "d.csv"],
        ["dataset", "explain", "d.csv", "--model", "net.npz", "--out", "net.npz"],
        ["compile", "net.npz", "--out", "net.npz"],
    ):
        code = run([*command, "--force"])
        err = capsys.readouterr().err
        assert (code, "never replaced" in err or "not there" in err) == (1, True), (command, err)
    assert {path: path.read_bytes() for path in before} == before


def test_crops_and_annotated_pictures_keep_the_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shots").mkdir()
    for name in ("a.png", "a_01.png", "a_predict.png"):
        write_image(Path("shots") / name, FACE)
    before = {path: path.read_bytes() for path in Path("shots").iterdir()}
    for option in ("--crops", "--out"):
        assert run(["predict", "shots", "--detector", "none", option, "shots", "--force", "-q"]) == 1
        assert "never replaced" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_two_outputs_are_two_files(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="two outputs"):
        check_outputs(["a.gif", None, "./a.gif"], [])
    assert run(["dream", "--out", "a.webp", "--animate", "a.webp"]) == 2
    assert "two outputs" in capsys.readouterr().err


def test_the_library_replaces_no_picture_either() -> None:
    import ferviz

    model = ferviz.load_model()
    (face,) = ferviz.find_faces("face.png", detector="none")
    for result in (ferviz.explain(model, face, test=False), ferviz.activations(model, face)):
        with pytest.raises(OutputError, match="never replaced"):
            result.save("face.png", force=True)
    assert read_manifest("face.png") is None or "method" not in read_manifest("face.png")


def test_a_network_with_its_conventions_is_one_value() -> None:
    assert parse_network("net.h5") == ("net.h5", {})
    options = ModelOptions("net.h5?scaling=-1..1&labels=7-alphabetical")
    assert (options.model, options.scaling, options.labels) == ("net.h5", "-1..1", "7-alphabetical")
    assert ModelOptions("a.json?weights=b+c%20d.h5").weights == "b+c d.h5"
    assert parse_network("https://example.org/n.h5?x=1") == ("https://example.org/n.h5?x=1", {})
    for wrong in ("n.h5?", "n.h5?labels", "n.h5?label=7", "n.h5?labels=7&labels=8", "n.h5?"):
        with pytest.raises(UsageError):
            parse_network(wrong)
    with pytest.raises(UsageError, match="contradict"):
        ModelOptions("n.h5?labels=7", labels="8-ferplus")
    Path("what?.h5").write_text("")
    assert parse_network("what?.h5") == ("what?.h5", {})


def test_networks_are_given_with_commas_or_again() -> None:
    Path("a,b.h5").write_text("")
    Path("folder").mkdir()
    for texts, networks in (
        (["a.h5,b.keras", "c"], ["a.h5", "b.keras", "c"]),
        (["a.h5?labels=happy,sad,b.h5"], ["a.h5?labels=happy,sad", "b.h5"]),
        (["a.h5?labels=happy,sad&scaling=0..1,folder"], ["a.h5?labels=happy,sad&scaling=0..1", "folder"]),
        (["a,b.h5"], ["a,b.h5"]),
        (["bundled,x"], ["bundled", "x"]),
    ):
        assert split_networks(texts) == networks


def test_the_question_mark_reaches_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Labels behind the question mark are those of the result, in --model and --against."""
    names = "a,b,c,d,e,f,g"
    assert run(["predict", "face.png", "--detector", "none", "--model", f"bundled?labels={names}", "--csv"]) == 0
    assert ",p_a,p_b,p_c," in capsys.readouterr().out.splitlines()[0]
    assert run(["layers", f"bundled?labels={names}", "--json"]) == 0
    assert '"labels": [\n    "a",' in capsys.readouterr().out


@pytest.mark.parametrize("command", [["gradcam"], ["predict"], ["data"], ["check", "bundled"], ["predict", "--model"]])
def test_a_url_is_called_one(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*command, "https://example.org/faces.csv?x=1" if command != ["predict"] else "https://example.org/a.mp4"]
    assert run([*words, *(["face.png"] if "--model" in command else []), "--json"]) in (3, 4, 6)
    err = capsys.readouterr().err
    assert "https://example.org" in err
    assert "is a URL" in err
    assert "download it" in err


def test_a_url_with_a_question_mark_is_no_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gradcam", "https://example.org/face.png?x=[1]"]) == 3
    assert "is a URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("conv3", "--layer conv3"),
        ("happy", "--target happy"),
        ("happy-sad", "--target happy-sad"),
        ("face.png", "--image face.png"),
    ],
)
def test_a_word_without_an_option_is_told_which_one_it_needs(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dream", word]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_several_layers_are_given_with_commas_or_again() -> None:
    comma, again, spaced = ["-l", "relu4,relu2"], ["-l", "relu4", "-l", "relu2"], ["-l", "relu4, relu2"]
    for words in (comma, again, spaced):
        assert run(["activations", "face.png", *words, "--out", "a.json", "-f", "-q"]) == 0
        shown = Path("a.json").read_text()
        assert '"relu2"' in shown
        assert '"relu4"' in shown
    for words in (comma, again):
        assert run(["gradcam", "face.png", *words, "--no-test", "--out", "g.png", "-f", "-q"]) == 0
        assert read_manifest("g.png")["layer"] == "relu4+relu2"
    assert run(["compare", "face.png", *spaced, "--method", "gradcam,layercam", "--out", "c.png", "-f", "-q"]) == 0
    assert read_manifest("c.png")["names"] == [
        "gradcam, relu4", "gradcam, relu2", "layercam, relu4", "layercam, relu2",
    ]  # fmt: skip


def test_one_method_explains_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "face.png", "--method", "gradcam,rise"]) == 2
    assert "ferviz compare --method gradcam,rise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "known", "names"),
    [
        ("a,b", (), ["a", "b"]),
        ("a, b", ("a", "b"), ["a", "b"]),
        (["a,b", "c"], ("a,b",), ["a,b", "c"]),
        ("x,a,b,c,y", ("a,b,c", "a,b", "x"), ["x", "a,b,c", "y"]),
        (["a", "b"], ("a,b",), ["a", "b"]),
        ((), ("a,b",), []),
    ],
)
def test_names_with_commas_of_their_own_stay_whole(given: object, known: tuple[str, ...], names: list[str]) -> None:
    assert split_names(given, known) == names


def test_data_with_one_split_needs_no_name() -> None:
    rows = np.arange(4)
    pixels = np.zeros((4, 48, 48), np.uint8)
    single = Dataset(pixels, rows % 2, np.full(4, "Training"), rows)
    assert choose_split(single) is single
    assert choose_split(replace(single, split=np.full(4, ""))).splits == ("",)
    several = replace(single, split=np.array(["Training", "Training", "PublicTest", "PrivateTest"]))
    assert choose_split(several).splits == ("PublicTest",)
    with pytest.raises(UnknownNameError):
        choose_split(single, "PublicTest")
