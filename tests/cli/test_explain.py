"""`ferviz gradcam`, `explain` and `activations` with a network small enough to know its heatmaps beforehand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.engines.base import INPUT, LayerInfo
from ferviz.images import read_manifest, write_image
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad")
VOTES = np.array([[0, 3, -1], [1, 0, 2]], np.float32)  # (channels, classes): light speaks for happy, darkness for sad


class LightAndDark:
    """Two channels, light and darkness of a 12 x 12 picture; a logit is the sum of their votes over the mean."""

    name, classes, head = "by-hand", 3, "softmax"
    layers = (LayerInfo("light", "Conv2D", (12, 12, 2), True, 1), LayerInfo("votes", "Dense", (3,), False, 6))

    def maps(self, batch):
        light = batch.reshape(len(batch), 12, 4, 12, 4).mean(axis=(2, 4))
        return np.stack([light, 1 - light], axis=-1).astype(np.float32)

    def logits(self, batch):
        return self.maps(batch).mean(axis=(1, 2)) @ VOTES

    def activations(self, batch, layers):
        known = {"light": self.maps(batch), "votes": self.logits(batch)}
        return [known[name] for name in layers]

    def gradients(self, batch, layer, weights):
        slopes = weights @ VOTES.T / 144  # (N, T, channels)
        if layer == INPUT:
            slope = (slopes[..., 0] - slopes[..., 1]) / 16
            return batch, np.broadcast_to(slope[:, :, None, None, None], (*slope.shape, 48, 48, 1)), self.logits(batch)
        gradient = np.broadcast_to(slopes[:, :, None, None, :], (*slopes.shape[:2], 12, 12, 2))
        return self.maps(batch), gradient, self.logits(batch)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    from ferviz.cli import heatmaps
    from ferviz.cli.commands import activations

    fake = Model("by-hand", "ef" * 32, LABELS, InputSpec(48, 48, 1, "0..1"), LightAndDark())
    for module in (heatmaps, activations):
        monkeypatch.setattr(module, "open_model", lambda options, console: fake)
    return fake


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three crops, a text that calls itself a picture, and a picture without a face."""
    monkeypatch.chdir(tmp_path)
    left = np.zeros((48, 48, 3), np.uint8)
    left[:, :24] = 255
    (tmp_path / "shots").mkdir()
    write_image("face.png", left)
    write_image("shots/1.png", np.full((48, 48, 3), 240, np.uint8))
    write_image("shots/2.png", np.full((48, 48, 3), 10, np.uint8))
    Path("words.png").write_text("these are words")
    write_image("empty.png", np.zeros((60, 200, 3), np.uint8))
    return tmp_path


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def answer(capsys: pytest.CaptureFixture[str]) -> dict:
    """Standard output, which is one JSON document and nothing else."""
    return json.loads(capsys.readouterr().out)


def test_gradcam_writes_a_picture_beside_nothing_else(here, capsys):
    before = files(here)
    assert run(["gradcam", "face.png"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    verdict = "not assessable: hiding the whole face hardly changes the answer"
    assert err.splitlines() == [f"face.png: happy 0.58; {verdict}", "wrote face_gradcam.png"]
    assert files(here) - before == {"face_gradcam.png"}
    manifest = read_manifest("face_gradcam.png")
    assert (manifest["method"], manifest["layer"], manifest["model"]) == ("gradcam", "light", "by-hand")


def test_a_map_is_tested_unless_it_is_not_to_be(capsys):
    assert run(["gradcam", "face.png", "--json"]) == 0
    tested = answer(capsys)
    assert tested["pictures"][0]["faces"][0]["verdict"]["happy"]["outcome"] == "not-assessable"
    assert (tested["test"]["steps"], tested["test"]["calibrated"]) == (6, False)
    assert run(["gradcam", "face.png", "--json", "--no-test", "--force"]) == 0
    plain = answer(capsys)
    assert plain["test"] is None
    assert "verdict" not in plain["pictures"][0]["faces"][0]


def test_quiet_says_nothing(capsys):
    assert run(["gradcam", "face.png", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["gradcam", "explain"])
def test_numbers_are_those_worked_out_by_hand(command):
    """Grad-CAM of happy is relu(3/144 * light): the left half of the face, 3/144 there and nothing on the right."""
    method = ["--method", "gradcam"] if command == "explain" else []
    assert run([command, "face.png", *method, "--target", "happy,happy-sad", "--out", "a.npz"]) == 0
    with np.load("a.npz") as file:
        raw = file["raw"]
        assert raw.shape == (1, 2, 12, 12)
        np.testing.assert_allclose(raw[0, 0, :, :6], 3 / 144, rtol=1e-5)
        np.testing.assert_allclose(raw[0, 0, :, 6:], 0, atol=1e-8)
        np.testing.assert_allclose(raw[0, 1, :, :6], 4 / 144, rtol=1e-5)
        assert json.loads(str(file["manifest"]))["targets"] == ["happy", "happy-sad"]


def test_json(capsys):
    assert run(["gradcam", "face.png", "--target", "all", "--json"]) == 0
    document = answer(capsys)
    assert document["schema_version"] == 1
    assert document["command"] == "gradcam"
    about = {k: document[k] for k in ("model", "method", "layer", "targets", "engine", "out")}
    assert about == {
        "model": "by-hand", "method": "gradcam", "layer": "light", "targets": list(LABELS), "engine": "by-hand",
        "out": "face_gradcam_all.png",
    }  # fmt: skip
    (picture,) = document["pictures"]
    assert (picture["source"], picture["error"]) == ("face.png", None)
    (face,) = picture["faces"]
    assert face["box"] is None
    assert face["label"] == "happy"
    assert face["evidence"]["happy"] == {"max": pytest.approx(3 / 144), "min": 0.0, "argmax": [0.042, 0.042]}
    # Sad's map is what darkness adds less what light takes away: 2/144 on the right, nothing on the left.
    assert face["evidence"]["sad"]["argmax"][0] > 0.5
    light = np.exp([0.5, 1.5, 0.5])
    np.testing.assert_allclose(list(face["probabilities"].values()), light / light.sum(), rtol=1e-5)


def test_a_folder_goes_in_order(here, capsys):
    assert run(["explain", "shots", "--method", "layercam", "--json"]) == 0
    document = answer(capsys)
    assert [(p["source"], p["faces"][0]["label"]) for p in document["pictures"]] == [
        ("shots/1.png", "happy"),
        ("shots/2.png", "sad"),
    ]
    assert document["method"] == "layercam"
    assert document["out"] == "shots_explain_layercam.png"
    assert (here / "shots_explain_layercam.png").is_file()


@pytest.mark.parametrize("command", ["gradcam", "activations"])
def test_one_bad_picture_does_not_stop_the_rest(here, capsys, command):
    assert run([command, "shots/1.png", "words.png", "empty.png", "shots/2.png", "--json"]) == 3
    out, err = capsys.readouterr()
    pictures = json.loads(out)["pictures"]
    assert [len(p["faces"]) for p in pictures] == [1, 0, 0, 1]
    assert "words.png" in pictures[1]["error"]
    assert "no face" in pictures[2]["error"].lower()
    assert pictures[0]["error"] is pictures[3]["error"] is None
    assert "words.png" in err
    assert (here / f"1_{command}.png").is_file()


def test_all_bad(here, capsys):
    before = files(here)
    assert run(["gradcam", "empty.png", "words.png", "--json"]) == 5
    document = answer(capsys)
    assert document["out"] is None
    assert all(p["error"] for p in document["pictures"])
    assert files(here) == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gradcam", "none.png"], 3, "none.png"),
        (["gradcam", "words.png"], 3, "words.png.* PNG"),
        (["gradcam", "empty.png"], 5, "empty.png"),
        (["gradcam", "face.png", "--layer", "ligth"], 2, "'ligth'.* light, votes.* 'light'"),
        (["gradcam", "face.png", "--target", "hapy"], 2, "'hapy'.* angry, happy, sad"),
        (["gradcam", "face.png", "--layer", "votes"], 4, "votes"),
        (["gradcam", "face.png", "--out", "a"], 2, "a .*suffix.* .png"),
        (["gradcam", "face.png", "--out", "a.docx"], 2, "a.docx .* .png"),
        (["gradcam", "face.png", "--out", "none/a.png"], 1, "folder none"),
        (["gradcam", "face.png", "--out", "shots"], 2, "shots .*folder"),
        (["gradcam", "face.png", "--detector", "none", "--batch-size", "0"], 2, "--batch-size"),
        (["gradcam", "face.png", "--vmax", "0"], 2, "--vmax"),
        (["gradcam", "face.png", "--method", "rise"], 2, "--method"),
        (["explain", "face.png", "--method", "gradcm"], 2, "'gradcm'.* 'gradcam'"),
        (["explain", "face.png", "--option", "steps"], 2, "'steps'.*NAME=VALUE"),
        (["explain", "face.png", "--option", "steps=3"], 2, "setting 'steps'"),
        (["activations", "face.png", "--layer", "lights"], 2, "'lights'.* 'light'"),
        (["activations", "face.png", "--layer", "votes", "--mode", "channels"], 2, "'votes'"),
        (["activations", "face.png", "--layer", "light", "--layer", "votes", "--mode", "channels"], 2, "--layer"),
        (["activations", "words.png"], 3, "words.png"),
        (["activations", "face.png", "--out", "a.txt"], 2, "a.txt"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence_and_leave_nothing(here, capsys, arguments, code, says):
    before = files(here)
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("ferviz: ")
    assert re.search(says if ".*" in says else re.escape(says), err), err
    assert files(here) == before


@pytest.mark.parametrize("command", ["gradcam", "explain", "activations"])
def test_nothing_is_overwritten_unasked(here, capsys, command):
    target = here / f"face_{command}.png"
    target.write_text("mine")
    assert run([command, "face.png", "--out", str(target)]) == 7
    out, err = capsys.readouterr()
    assert out == ""
    assert "--force" in err
    assert run([command, "face.png"]) == 0
    assert target.read_text() == "mine"
    assert read_manifest(f"face_{command}_2.png")["schema_version"] == 1
    assert run([command, "face.png", "--force"]) == 0
    assert read_manifest(target)["schema_version"] == 1


def test_an_existing_output_is_told_before_the_faces_are_searched(here, monkeypatch):
    from ferviz.cli import heatmaps

    def never(*_):
        raise AssertionError("faces were searched")

    monkeypatch.setattr(heatmaps, "find_all", never)
    (here / "mine.png").write_text("mine")
    assert run(["gradcam", "face.png", "--out", "mine.png"]) == 7


def test_same_command_same_pixels(here):
    from ferviz.images import read_image

    for name in "ab":
        assert run(["explain", "face.png", "--method", "smoothgrad", "--seed", "3", "--out", f"{name}.png"]) == 0
    np.testing.assert_array_equal(read_image("a.png"), read_image("b.png"))


def test_the_seed_reaches_the_method():
    for seed in "01":
        assert (
            run(
                [
                    "explain",
                    "face.png",
                    "--method",
                    "rise",
                    "--option",
                    "masks=8",
                    "--seed",
                    seed,
                    "--out",
                    f"{seed}.npz",
                ]
            )
            == 0
        )
    with np.load("0.npz") as a, np.load("1.npz") as b:
        assert not np.array_equal(a["raw"], b["raw"])
        assert json.loads(str(b["manifest"]))["settings"]["seed"] == 1


def test_activations(capsys, here):
    assert run(["activations", "face.png", "--layer", "light", "--layer", "votes", "--json", "--out", "a.npz"]) == 0
    document = answer(capsys)
    assert document["layers"] == [{"name": "light", "shape": [12, 12, 2]}, {"name": "votes", "shape": [3]}]
    assert (document["command"], document["mode"], document["out"]) == ("activations", "mean", "a.npz")
    with np.load("a.npz") as file:
        np.testing.assert_allclose(file["activations/light"][0, :, :6, 0], 1)
        np.testing.assert_allclose(file["activations/votes"], [[0.5, 1.5, 0.5]], rtol=1e-5)


def test_channels_of_the_default_layer(here):
    assert run(["activations", "face.png", "--mode", "channels", "--own-scale"]) == 0
    assert read_manifest("face_activations_channels.png")["layers"][0]["name"] == "light"
    assert run(["activations", "shots", "--mode", "channels", "--max-channels", "1", "--out", "b.png"]) == 0


def test_methods_are_listed_with_their_settings(capsys):
    from ferviz import methods

    assert run(["explain", "--methods"]) == 0
    out = capsys.readouterr().out
    assert set(methods()) <= {line.split(" ")[0] for line in out.splitlines()}
    assert "relu=True" in out


def test_zoom_makes_the_picture_larger():
    from ferviz.images import read_image

    for name, zoom in (("one", "1"), ("two", "2")):
        assert run(["gradcam", "face.png", "--zoom", zoom, "--out", f"{name}.png"]) == 0
        assert run(["activations", "face.png", "--zoom", zoom, "--out", f"a{name}.png"]) == 0
    for kind in ("", "a"):
        ratio = np.array(read_image(f"{kind}two.png").shape) / read_image(f"{kind}one.png").shape
        np.testing.assert_allclose(ratio[:2], 2, atol=0.05)


def test_patterns_name_their_output_after_the_first_file(here):
    assert run(["gradcam", "shots/*.png"]) == 0
    assert (here / "1_gradcam.png").is_file()


def test_more_faces_than_a_page_holds(here, capsys):
    for number in range(50):
        write_image(f"shots/{number}.png", np.full((48, 48, 3), number, np.uint8), force=True)
    assert run(["gradcam", "shots", "--out", "a.png"]) == 0
    assert (
        "note: a.png shows the first 48 of 50 faces; --out FILE.npz or FILE.json holds all of them"
        in capsys.readouterr().err
    )
    assert run(["gradcam", "shots", "--out", "a.npz"]) == 0
    assert "shows the first" not in capsys.readouterr().err
    with np.load("a.npz") as file:
        assert file["raw"].shape == (50, 1, 12, 12)


def test_the_way_to_a_picture_imports_no_framework(here):
    """What the process pays beside the network itself: no TensorFlow, matplotlib or rich."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_explain as t\n"
        "from ferviz.cli import run\n"
        "from ferviz.cli import heatmaps\n"
        "heatmaps.open_model = lambda *_: t.Model('m', '', t.LABELS, t.InputSpec(48, 48, 1, '0..1'), t.LightAndDark())\n"
        "assert run(['gradcam', 'face.png']) == 0\n"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'rich', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_real_network_from_its_file(here, monkeypatch, capfd):
    """From a Keras file to a picture; TensorFlow's own noise stays away from the terminal."""
    from ferviz.cli import heatmaps, inputs
    from ferviz.engines import backend

    keras = backend.keras()
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            keras.layers.Conv2D(4, 3, strides=4, padding="same", activation="relu", name="map"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    network.save("tiny.keras")
    monkeypatch.setattr(heatmaps, "open_model", inputs.open_model)
    capfd.readouterr()
    arguments = ["gradcam", "face.png", "--model", "tiny.keras", "--labels", "happy,sad,neutral", "--scaling", "0..1"]
    assert run([*arguments, "--no-cache", "--json"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert (document["model"], document["layer"], document["engine"]) == ("tiny", "map", "keras")
    assert "wrote face_gradcam.png" in err.splitlines()
    assert all(line.startswith(("note: ", "face.png: ", "wrote ")) for line in err.splitlines()), err
    pixels = np.zeros((1, 48, 48, 1), np.float32)
    pixels[:, :, :24] = 1
    expected = np.asarray(network(pixels))[0]
    np.testing.assert_allclose(list(document["pictures"][0]["faces"][0]["probabilities"].values()), expected, atol=1e-5)


def test_a_text_is_no_network(here, monkeypatch, capsys):
    from ferviz.cli import heatmaps, inputs

    monkeypatch.setattr(heatmaps, "open_model", inputs.open_model)
    Path("words.h5").write_text("these are words")
    before = files(here)
    assert run(["gradcam", "face.png", "--model", "words.h5"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "words.h5" in err
    assert files(here) == before


def test_the_reader_of_a_data_set_can_be_named(here, capsys, monkeypatch, model):
    """A table under another name is a data set where its reader is named; without that it is a picture that cannot be read."""
    from ferviz.cli.commands.dataset import explain

    monkeypatch.setattr(explain, "open_model", lambda options, console: model)
    light, dark = (" ".join([str(value)] * 48 * 48) for value in (255, 0))
    rows = [f"3,{light},Training", f"4,{dark},PublicTest", "3,words,PublicTest"]
    Path("faces.dat").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    asked = ["explain", "faces.dat", "--target", "happy", "--out", "maps.npz"]
    assert run(asked) == 3
    assert run([*asked, "--reader", "csv"]) == 6
    assert "faces.dat, line 4" in capsys.readouterr().err
    assert run([*asked, "--reader", "csv", "--skip-bad"]) == 0
    assert "skipped" in capsys.readouterr().err
    with np.load("maps.npz") as file:
        np.testing.assert_allclose(file["raw"][:, 0].mean(axis=(1, 2)), [3 / 144, 0], atol=1e-6)
    assert run([*asked, "--force", "--reader", "csv", "--skip-bad", "--split", "PublicTest", "--json", "--quiet"]) == 0
    assert answer(capsys)["faces"] == 1
    assert run([*asked, "--reader", "cvs", "--force"]) == 2
    assert "'csv'" in capsys.readouterr().err


def test_bare_writes_one_picture_a_map_and_replaces_none(here, capsys):
    from PIL import Image

    command = ["explain", "face.png", "--detector", "none", "--target", "all", "--no-test", "-o", "map.png"]
    assert run([*command, "--bare-heatmap", "--side", "200"]) == 0
    files = sorted(path.name for path in here.glob("map-*.png"))
    assert files == [f"map-{label}.png" for label in LABELS]
    for name in files:
        with Image.open(name) as written:
            assert (written.size, written.mode) == ((200, 200), "RGBA")
    capsys.readouterr()
    assert run([*command, "--bare"]) != 0
    assert "already there" in capsys.readouterr().err
    assert run([*command, "--side", "200"]) == 2


def test_what_was_assumed_is_in_the_picture_and_said_once(model, monkeypatch, capsys):
    from dataclasses import replace

    from ferviz.cli import heatmaps

    assumed = "the file does not name its 3 outputs: angry, happy, sad is assumed (name them with --labels)"
    other = "the weights were taken from w.h5, the file beside a.json"
    guessed = replace(model, notes=(assumed, other))
    monkeypatch.setattr(heatmaps, "open_model", lambda options, console: guessed)
    assert run(["gradcam", "face.png", "--out", "a.png", "--json"]) == 0
    out, err = capsys.readouterr()
    assert assumed in json.loads(out)["warnings"]
    assert assumed not in err, "open_model prints it"
    kept = read_manifest("a.png")["warnings"]
    assert assumed in kept
    assert other not in kept


def test_faces_of_a_picture_are_numbered_and_sentences_said_once(monkeypatch, capsys):
    from ferviz.faces.find import find_faces

    (light,) = find_faces("shots/1.png", detector="none")
    (dark,) = find_faces("shots/2.png", detector="none")
    monkeypatch.setattr("ferviz.faces.find.find_faces", lambda path, **chosen: [light, dark, light])
    assert run(["gradcam", "face.png"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[1] for line in lines[:3]] == ["#1:", "#2:", "#3:"]
    sentences = [line for line in lines if "not assessable" in line]
    assert len(sentences) == 1
    assert "3 faces" in sentences[0]


def test_explain_takes_the_best_method_and_says_why_and_gradcam_stays_what_it_is(capsys):
    assert run(["explain", "face.png", "--no-test", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["method"] == "rise"
    assert f"method rise: {document['chosen']}" in err
    assert run(["gradcam", "face.png", "--no-test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["method"], document["chosen"]) == ("gradcam", None)
