"""Saved results, sidecars and names from files: a DataError or ModelError in one sentence, before memory is asked for; nothing hangs."""

from __future__ import annotations

import json
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ferviz.attribution.explanation import Explanation
from ferviz.data.csv_reader import read_table
from ferviz.emotions import label_scheme
from ferviz.errors import DataError, ModelError, UsageError
from ferviz.faces import crops
from ferviz.faces.face import Face, captions
from ferviz.models.infer_spec import infer_input
from ferviz.models.input_spec import InputSpec
from ferviz.models.prediction import Prediction
from ferviz.models.sidecar import read_sidecar
from ferviz.npz import ArchiveError, read_arrays
from ferviz.printable import printable
from ferviz.tables.csv_table import csv_text


def explanation():
    rng = np.random.default_rng(0)
    faces = [
        Face(rng.integers(0, 256, (6, 5 + i, 3), np.uint8), "a.png", (0, 0, 5, 6), np.ones((5, 2), np.float32), 0.5)
        for i in range(2)
    ]
    predictions = [Prediction("happy", {"happy": 0.75, "sad": 0.25}, face) for face in faces]
    maps = rng.normal(size=(2, 1, 4, 4)).astype(np.float32)
    return Explanation(maps, maps, tuple(faces), ("happy",), "gradcam", "conv", tuple(predictions), {"model": "m"})


@pytest.fixture
def saved(tmp_path):
    return explanation().save(tmp_path / "e.npz")


def rewrite(path, change=None, **arrays):
    """Write a saved explanation again, with a changed manifest or other arrays."""
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    if change is not None:
        record = json.loads(str(content["manifest"]))
        content["manifest"] = np.array(json.dumps(change(record) or record))
    np.savez_compressed(path, **(content | arrays))
    return path


def refused(path, match="not an explanation"):
    with pytest.raises(DataError, match=match) as caught:
        Explanation.load(path)
    assert len(str(caught.value)) < 1000


# -- NPZ ---------------------------------------------------------------------------------------------------------------


def write_member(path, name, content):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w") as member,
    ):
        for piece in content:
            member.write(piece)


def header(shape, descr="<f4"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    size = 300 * 1024**2
    write_member(tmp_path / "bomb.npz", "a", [header((size // 4,)), *[bytes(1 << 20)] * 300])
    assert (tmp_path / "bomb.npz").stat().st_size < 3 * 1024**2
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *a, **k: pytest.fail("unpacked"))
    with pytest.raises(ArchiveError, match="far more"):
        read_arrays(tmp_path / "bomb.npz", ["a"])
    with pytest.raises(ArchiveError, match="far more"):
        read_arrays(tmp_path / "bomb.npz", ["a"], limit=1000)


@pytest.mark.parametrize(
    "content",
    [header((10**12,)), header((-1, -5)) + bytes(20), header((2,), "|O") + bytes(16), header((1,), "|V4") + bytes(4), header((3, 3)),
     header((2**62, 4)) + bytes(64), header((0,), "|S2000000000"), header(((((1,),),),)) + bytes(4),
     header("x") + bytes(4), b"\x93NUMPY\x09\x00",
     b"", header((1,)).replace(b"(1,)", b"(" * 2000) + bytes(4), header((1,), "<U0") + bytes(0)],
)  # fmt: skip
def test_headers_that_lie(tmp_path, content):
    write_member(tmp_path / "a.npz", "a", [content])
    with pytest.raises(ArchiveError):
        read_arrays(tmp_path / "a.npz", ["a"])


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.zeros((0, 3)),
                                        np.array("text"), np.array(3, np.uint8), np.array([True, False]),
     np.arange(3, dtype=">i4")])  # fmt: skip
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path, array):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", a=array)
        read = read_arrays(tmp_path / "a.npz", ["a"])["a"]
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    refused(pipe, "not a regular file")
    refused("/dev/zero", "not a regular file")
    refused(tmp_path, "folder")
    refused(tmp_path / "none.npz", "not there")
    refused("a\0b.npz")
    for path in (pipe, "/dev/zero"):
        with pytest.raises(DataError, match="not a regular file"):
            read_table(Path(path))


# -- the manifest ------------------------------------------------------------------------------------------------------


def face(record):
    return record["pictures"][0]["faces"][0]


CHANGES = {
    "null pictures": lambda r: r.update(pictures=None),
    "a picture that is null": lambda r: r["pictures"].append(None),
    "null targets": lambda r: r.update(targets=None),
    "targets that are one text": lambda r: r.update(targets="h"),
    "a target that is a number": lambda r: r.update(targets=[3]),
    "null warnings": lambda r: r.update(warnings=None),
    "null settings": lambda r: r.update(settings=None),
    "a method that is a list": lambda r: r.update(method=[]),
    "a forged line": lambda r: r.update(layer="conv\nferviz: wrote x.png"),
    "a surrogate": lambda r: r.update(targets=["\udcff"]),
    "probabilities that are null": lambda r: face(r).update(probabilities=None),
    "probabilities that are texts": lambda r: face(r).update(probabilities={"happy": "1", "sad": "0"}),
    "probabilities that are true": lambda r: face(r).update(probabilities={"happy": True, "sad": False}),
    "other classes": lambda r: face(r).update(probabilities={"happy": 1, "angry": 0}),
    "a label of no class": lambda r: face(r).update(label="angry"),
    "a label that is a list": lambda r: face(r).update(label=["happy"]),
    "a huge number": lambda r: face(r).update(score=10**400),
    "no angle": lambda r: face(r).pop("angle"),
    "a box of three": lambda r: face(r).update(box=[1, 2, 3]),
    "a box of texts": lambda r: face(r).update(box=["a"] * 4),
    "landmarks of three": lambda r: face(r).update(landmarks=[[1, 2, 3]]),
    "a source that is a number": lambda r: r["pictures"][0].update(source=3),
    "a list": lambda r: [r],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_manifests_of_odd_types(saved, change):
    refused(rewrite(saved, CHANGES[change]))


def test_a_manifest_nested_deeply(saved):
    refused(rewrite(saved, manifest=np.array('{"pictures": ' + "[" * 100_000 + "]" * 100_000 + "}")), "nested")


@pytest.mark.parametrize("arrays", [{"sizes": np.array([[-1, -1], [6, 6]])}, {"sizes": np.array([[6, 5], [600, 6]])},
                                    {"sizes": np.array([[6.5, 5], [6, 6]])}, {"images": np.zeros((2, 6, 6), np.uint8)},
                                    {"images": np.zeros((2, 6, 6, 3), np.float32)}, {"heatmaps": np.zeros((2, 1, 0, 4), np.float32)},
                                    {"raw": np.array("text")}, {"raw": np.zeros((3, 1, 4, 4), np.float32)}])  # fmt: skip
def test_arrays_that_do_not_fit(saved, arrays):
    refused(rewrite(saved, **arrays))


ATOMS = [
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    float("nan"),
    "",
    "happy",
    "\udcff",
    "a\nb",
    [],
    {},
    [None],
    [[1]],
    {"happy": 1},
]


def test_no_manifest_makes_anything_but_a_data_error(saved):
    with np.load(saved) as file:
        content = {name: file[name] for name in file.files}
    record = json.loads(str(content["manifest"]))
    rng, opened = random.Random(5), 0
    for _ in range(200):
        document = json.loads(json.dumps(record))
        parent, steps = document, rng.randint(1, 5)
        for _ in range(steps):
            keys = list(parent if isinstance(parent, dict) else range(len(parent)))
            key = rng.choice(keys)
            if not isinstance(parent[key], dict | list) or not parent[key]:
                break
            if _ == steps - 1:
                break
            parent = parent[key]
        parent[key] = rng.choice(ATOMS)
        np.savez(saved, **(content | {"manifest": np.array(json.dumps(document))}))
        try:
            result = Explanation.load(saved)
        except DataError:
            continue
        opened += 1
        if opened % 10 == 0:  # what is let in can be drawn and written
            result.picture()
            json.dumps(result.manifest())
    assert 20 < opened < 190


def test_faces_of_very_different_sizes_need_no_memory_for_all(monkeypatch):
    pixels = [np.zeros((1, 2**20, 3), np.uint8), np.zeros((2**20, 1, 3), np.uint8)]
    with pytest.raises(UsageError, match="GiB as one array"):
        crops.pad_crops(pixels)
    assert crops.pad_crops([])[0].shape == (0, 0, 0, 3)


# -- sidecars ----------------------------------------------------------------------------------------------------------

IMPOSSIBLE = [
    10**400,
    float("nan"),
    float("inf"),
    1e300,
    True,
    "0.5",
    [[1], [1, 2]],
    [[[[0.5]]]],
    {"a": 1},
    [None],
    [True],
    [10**400],
]


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("key", ["mean", "std"])
def test_statistics_that_are_no_numbers(tmp_path, key, value):
    fields = {"scaling": "standardize", "mean": 0.5, "std": 0.2} | {key: value}
    path = tmp_path / "net.h5.ferviz.json"
    path.write_text(json.dumps({"schema_version": 1, "input": fields}))
    with pytest.raises(ModelError, match=key) as caught:
        infer_input((48, 48, 1), None, None, read_sidecar(path), lambda note: None)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("field", ["scaling", "resize", "order", "unit", "height", "width"])
@pytest.mark.parametrize("value", [None, True, [], {}, [1], 10**400, float("nan"), "x" * 100_000, -1])
def test_fields_of_any_type(tmp_path, field, value):
    path = tmp_path / "net.h5.ferviz.json"
    path.write_text(json.dumps({"schema_version": 1, "input": {field: value}}))
    try:
        spec = infer_input((None, None, 3), None, None, read_sidecar(path), lambda note: None)
    except ModelError as error:
        message = str(error)
    else:
        assert (field, value) in [("height", None), ("width", None), ("unit", True)]
        assert isinstance(spec, InputSpec)
        return
    assert len(message) < 600


def test_a_sidecar_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "net.h5.ferviz.json")
    with pytest.raises(ModelError, match="regular file"):
        read_sidecar(tmp_path / "net.h5.ferviz.json")


def test_statistics_that_unpack_to_too_much(tmp_path):
    write_member(tmp_path / "s.npz", "mean", [header((300 * 1024**2 // 4,)), *[bytes(1 << 20)] * 300])
    (tmp_path / "net.ferviz.json").write_text(json.dumps({"schema_version": 1, "input": {"statistics": "s.npz"}}))
    with pytest.raises(ModelError, match="cannot be used as mean and std"):
        read_sidecar(tmp_path / "net.ferviz.json")


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predicted", "Predicted ", "all", "ALL", "+", "-", "_", "", " ", "2*happy", "*", "a\nferviz: wrote x.png",
                                  "\x1b[2J", "\u202eabc", "\udcff", "x" * 10_000, "a,b", "happy", "Happy_", " HAPPINESS"])  # fmt: skip
def test_class_names_that_cannot_be_shown_or_named(name):
    with pytest.raises(UsageError) as caught:
        label_scheme([name, "happy"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_class_names_that_only_look_odd():
    assert label_scheme(["a", "b", "a-b", "x+y", "Ärger", "怒り", "2"]).labels == (
        "a",
        "b",
        "a-b",
        "x+y",
        "ärger",
        "怒り",
        "2",
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("\x1b[31mred", r"\x1b[31mred"), ("\u202egnp", r"\u202egnp"), ("\udcff", r"\udcff"), ("\x85\u2028", r"\x85\u2028"),
     ("怒り é 👩\u200d🚀", "怒り é 👩\u200d🚀"), ("plain", "plain")],
)  # fmt: skip
def test_text_is_made_fit_to_be_shown(text, shown):
    assert printable(text) == shown
    printable(text).encode()


def test_messages_are_one_line_that_can_be_encoded():
    message = str(DataError("the file \udcff\nferviz: wrote x.png\x1b[2J is missing"))
    assert message == r"the file \udcff\nferviz: wrote x.png\x1b[2J is missing"


def test_file_names_in_captions_and_tables():
    face = Face(np.zeros((2, 2, 3), np.uint8), "folder/\udcff\n\x1b[2J.png")
    assert captions([face]) == [r"\udcff\n\x1b[2J.png"]
    csv_text([[face.source]]).encode()
