import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ferviz import Explanation, Face, Prediction
from ferviz.errors import DataError, OutputError, OutputExistsError, UsageError
from ferviz.images import read_manifest

LABELS = ("angry", "happy", "sad")


def made(count: int = 3, targets: tuple[str, ...] = ("predicted",), sizes=(48, 60, 31), **changes) -> Explanation:
    rng = np.random.default_rng(0)
    faces = [
        Face(
            rng.integers(0, 256, (sizes[i % len(sizes)], 48, 3), dtype=np.uint8),
            "group.jpg" if i < 2 else f"{i}.png",
            (i, 2, i + 48, 50) if i < 2 else None,
            rng.random((5, 2)).astype(np.float32).round(2) if i else None,
            0.5 + i if i < 2 else None,
            float(i),
        )
        for i in range(count)
    ]
    said = [
        Prediction(LABELS[i % 3], dict(zip(LABELS, np.roll([0.7, 0.2, 0.1], i).tolist(), strict=True)), f)
        for i, f in enumerate(faces)
    ]
    raw = rng.random((count, len(targets), 12, 12)).astype(np.float32)
    heat = np.repeat(np.repeat(raw, 4, axis=2), 4, axis=3)
    settings = {"model": "tiny", "model_sha256": "ab" * 32, "engine": "keras", "seed": 0}
    known = {"settings": settings, "method": "gradcam", "layer": "conv3", **changes}
    return Explanation(heat, raw, faces, targets, predictions=said, **known)


def test_npz_comes_back_equal(tmp_path):
    before = made(targets=("happy", "happy-sad"), warnings=("careful",))
    before.save(tmp_path / "a.npz")
    after = Explanation.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(after.heatmaps, before.heatmaps)
    np.testing.assert_array_equal(after.raw, before.raw)
    assert after.raw.dtype == np.float32
    for a, b in zip(after.faces, before.faces, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        assert (a.source, a.box, a.score, a.angle) == (b.source, b.box, b.score, b.angle)
    assert [(p.label, p.probabilities) for p in after.predictions] == [
        (p.label, p.probabilities) for p in before.predictions
    ]
    assert after.to_dict() == before.to_dict()
    assert (after.settings, after.warnings) == (before.settings, before.warnings)
    assert after.picture().tobytes() == before.picture().tobytes()


def test_npz_reads_without_ferviz(tmp_path):
    made().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert set(file.files) == {"heatmaps", "raw", "images", "sizes", "manifest"}
        assert file["images"].shape == (3, 60, 48, 3)
        assert file["sizes"].tolist() == [[48, 48], [60, 48], [31, 48]]
        assert (file["images"][2, 31:] == 0).all()
        manifest = json.loads(str(file["manifest"]))
    assert manifest["layer"] == "conv3"
    assert manifest["settings"]["model_sha256"] == "ab" * 32
    assert manifest["settings"]["seed"] == 0
    assert {"ferviz", "numpy", "python"} <= set(manifest["versions"])


@pytest.mark.parametrize("broken", ["missing", "text", "cut", "foreign"])
def test_load_refuses_in_one_sentence(tmp_path, broken):
    path = tmp_path / "a.npz"
    if broken == "text":
        path.write_text("no numbers")
    elif broken == "cut":
        made().save(path)
        path.write_bytes(path.read_bytes()[:-500])
    elif broken == "foreign":
        np.savez(path, heatmaps=np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npz is not"):
        Explanation.load(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_carry_their_manifest(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    made().save(path)
    manifest = read_manifest(path)
    assert manifest["command"] == "explain"
    assert (manifest["method"], manifest["layer"], manifest["targets"]) == ("gradcam", "conv3", ["predicted"])
    assert manifest["map"] == [12, 12]
    with Image.open(path) as picture:
        assert picture.size == made().picture().size


def test_same_explanation_same_pixels(tmp_path):
    for name in "ab":
        made().save(tmp_path / f"{name}.png")
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert a.tobytes() == b.tobytes()
    found = [read_manifest(tmp_path / f"{name}.png") | {"created": ""} for name in "ab"]
    assert found[0] == found[1]


def test_same_bytes_under_a_fixed_clock(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    for name in "ab":
        made().save(tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert read_manifest(tmp_path / "a.png")["created"] == "1970-01-02T00:00:00Z"


def test_json_is_the_documented_one(tmp_path):
    made().save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["schema_version"] == 1
    assert document["command"] == "explain"
    assert [p["source"] for p in document["pictures"]] == ["group.jpg", "2.png"]
    assert [len(p["faces"]) for p in document["pictures"]] == [2, 1]
    first = document["pictures"][0]["faces"][0]
    assert first["box"] == [0, 2, 48, 50]
    assert first["landmarks"] is None
    assert first["label"] == "angry"
    assert first["probabilities"] == {"angry": 0.7, "happy": 0.2, "sad": 0.1}
    assert document["pictures"][0]["error"] is None
    assert {"model", "method", "layer", "targets", "engine"} <= set(document)


def test_evidence_says_how_much_and_where():
    one = made(1, targets=("happy", "sad"))
    one.raw[0, 0] = 0
    one.raw[0, 0, 2, 9] = 5
    one.raw[0, 0, 3, 3] = -1
    one.raw[0, 1] = 0
    assert one.evidence(0)["happy"] == {"max": 5.0, "min": -1.0, "argmax": [round(9.5 / 12, 3), round(2.5 / 12, 3)]}
    assert one.evidence(0)["sad"] == {"max": 0.0, "min": 0.0, "argmax": None}
    assert one.to_dict()["pictures"][0]["faces"][0]["evidence"] == one.evidence(0)


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_figures_are_the_same_each_time_and_carry_their_manifest(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    for name in "ab":
        made(1).save(tmp_path / f"{name}{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data == (tmp_path / f"b{suffix}").read_bytes()
    assert b"gradcam" in data
    if suffix == ".svg":
        assert ElementTree.fromstring(data).tag.endswith("svg")
        assert b">Grad-CAM</text>" in data  # letters, not outlines


@pytest.mark.parametrize("name", ["a.docx", "a", "a.npy"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(UsageError, match=re.escape(name) + r".* use one of \.png"):
        made().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".npz", ".json", ".svg"])
def test_nothing_is_overwritten_unasked(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        made().save(path)
    assert path.read_text() == "mine"
    made().save(path, force=True)
    assert path.read_bytes()[:4] != b"mine"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="is not there"):
        made().save(tmp_path / "none" / "a.png")


def test_half_a_file_never_stays(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    with pytest.raises(OutputError, match="No space left"):
        made().save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_predicted_means_what_each_face_shows():
    assert [made().target_names(i) for i in range(3)] == [("angry",), ("happy",), ("sad",)]
    assert made(targets=("sad", "happy")).target_names(0) == ("sad", "happy")


@pytest.mark.parametrize(("targets", "words"), [
    (("predicted",), "evidence for the predicted class"), (("happy",), "evidence for happy"), (LABELS, "evidence for each class"),
    (("happy-sad",), "evidence for happy rather than sad"), (("happy-sad", "sad"), "evidence for each target"),
])  # fmt: skip
def test_what_a_picture_says_it_shows(targets, words):
    assert made(targets=targets).sheet().subtitle == words


def test_contrasts_name_both_ends():
    one = made(targets=("happy-sad",))
    assert replace(one, heatmaps=one.heatmaps - 0.5).sheet().ends == ("for sad", "for happy")
    assert replace(one, heatmaps=one.heatmaps - 0.5).sheet().signed
    assert not one.sheet().signed


def test_scale_is_shared_unless_asked():
    one = made()
    one.heatmaps[0] *= 0.1
    assert {c.ends for c in one.sheet().cells} == {()}
    assert one.sheet().vmax == one.heatmaps.max()
    own = [c.ends for c in one.sheet(shared_scale=False).cells]
    assert own == [tuple(float(h.max()) for h in maps) for maps in one.heatmaps]
    assert one.sheet(vmax=3.0).vmax == 3.0


def test_where_a_signed_scale_ends_is_written_into_the_picture():
    one = made(targets=("happy-sad",))
    signed = replace(one, heatmaps=one.heatmaps - 0.5)
    assert any("99.5th percentile" in note for note in signed.sheet().notes)
    assert any("each map ends at the 99.5th percentile" in note for note in signed.sheet(shared_scale=False).notes)
    assert not any("percentile" in note for note in (*signed.sheet(vmax=0.3).notes, *one.sheet().notes))
    assert signed.sheet(vmax=0.3).vmax == 0.3


def test_a_page_says_that_it_is_one_and_keeps_the_scale_of_all():
    many = made(50)
    many.heatmaps[49] *= 10
    first, all_ = many.picture(), float(many.heatmaps.max())
    assert first.tobytes() != many[:48].picture(vmax=all_).tobytes()  # the line that says which faces these are
    top = (0, 0, first.width, first.height - 120)
    assert first.crop(top).tobytes() == many[:48].picture(vmax=all_).crop(top).tobytes()
    assert many.picture().height > many.picture(start=48).height
    with pytest.raises(UsageError, match="no face number 50"):
        many.picture(start=50)


def test_coarse_maps_are_told_once():
    coarse = made(1)
    coarse = replace(coarse, raw=coarse.raw[:, :, :3, :3])
    assert "3x3" in coarse.cautions()[0]
    assert replace(coarse, warnings=("the map is coarse",)).cautions() == ("the map is coarse",)
    assert made(1).cautions() == ()


def test_a_slice_is_an_explanation():
    some = made()[1:]
    assert len(some) == 2
    assert some.predictions[0].label == "happy"
    assert len(list(made())) == 3
    np.testing.assert_array_equal(made()[-1].raw, made().raw[2:])


def test_shapes_that_do_not_fit():
    good = made()
    with pytest.raises(UsageError, match="raw of 3 faces and 1 targets"):
        replace(good, raw=good.raw[:2])
    with pytest.raises(UsageError, match="3 faces cannot have 2 predictions"):
        replace(good, predictions=good.predictions[:2])


def test_notebooks_show_a_png():
    assert made(1)._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(("method", "words"), [
    ("gradcam", "Grad-CAM"), ("tf-keras-vis:scorecam", "Score-CAM (tf-keras-vis)"), ("gradient-x-input", "Gradient x input"),
])  # fmt: skip
def test_methods_are_written_as_people_write_them(method, words):
    assert made(method=method).sheet().title == words


def test_sizes_do_not_speak_for_anything():
    sizes = made(method="saliency")
    assert sizes.sheet().subtitle == "what matters for the predicted class"
    assert (
        replace(sizes, heatmaps=sizes.heatmaps - 0.5).sheet().subtitle == "evidence for and against the predicted class"
    )


def test_classes_with_a_hyphen_are_not_contrasts():
    one = made(1, targets=("not-happy",))
    said = replace(one.predictions[0], probabilities={"not-happy": 0.4, "happy": 0.6})
    assert replace(one, predictions=(said,)).sheet().subtitle == "evidence for not-happy"
    both = replace(one, predictions=(said,), targets=("not-happy-happy",)).sheet()
    assert both.subtitle == "evidence for not-happy rather than happy"
