"""Labels and input: who says it (the caller, the sidecar, the network), and what is assumed when nobody does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ferviz.emotions import FER2013, FERPLUS
from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError, OutputExistsError, UsageError
from ferviz.models.infer_spec import infer_input, infer_labels
from ferviz.models.input_spec import InputSpec
from ferviz.models.load import load_model
from ferviz.models.sidecar import find_sidecar, read_sidecar, write_sidecar


def labels(given=None, classes=7, sidecar=None):
    notes: list[str] = []
    return infer_labels(given, sidecar, classes, notes.append), notes


def test_labels_that_are_given():
    assert labels("7-alphabetical") == (tuple(sorted(FER2013)), [])
    assert labels("joy, Anger", 2) == (("happy", "angry"), [])
    assert labels(["a", "b", "c"], 3) == (("a", "b", "c"), [])
    with pytest.raises(UsageError, match=r"2 classes.*7 outputs"):
        labels("happy,sad")


def test_labels_that_are_assumed_are_told():
    for classes, expected in (
        (7, FER2013),
        (8, FERPLUS),
        (6, tuple(e for e in FER2013 if e != "disgust")),
        (2, ("class0", "class1")),
    ):
        names, notes = labels(classes=classes)
        assert names == expected
        assert len(notes) == 1
        assert "--labels" in notes[0]


def network(*first):
    layers = get_keras().layers
    return get_keras().Sequential(
        [layers.Input((8, 8, 3)), *first, layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )


def scaling(*first, given=None):
    notes: list[str] = []
    spec = infer_input((8, 8, 3), network(*first), given, None, notes.append)
    return spec, notes


def test_layers_that_scale_tell_what_comes_in():
    keras = get_keras()
    layers = keras.layers
    augment = keras.Sequential([layers.Input((8, 8, 3)), layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    known = layers.Normalization(mean=[120.0, 110, 100], variance=[3600.0, 3600, 3600])
    unit = layers.Normalization(mean=[0.5, 0.5, 0.5], variance=[0.06, 0.06, 0.06])
    for first, expected in (
        ([layers.Rescaling(1 / 255)], "0..255"),
        ([layers.Rescaling(1 / 127.5, offset=-1)], "0..255"),
        ([augment, layers.Rescaling(1 / 255)], "0..255"),
        ([layers.Rescaling(1.0, offset=[-123.7, -116.8, -103.9])], "0..255"),
        ([layers.Rescaling(2.0, offset=-1)], "0..1"),
        ([layers.Rescaling(255.0)], "0..1"),
        ([layers.Rescaling(127.5, offset=127.5)], "-1..1"),
        ([layers.Rescaling(0.5, offset=0.5)], "-1..1"),
        ([known], "0..255"),
        ([unit], "0..1"),
    ):
        spec, notes = scaling(*first)
        assert spec.scaling == expected, first[-1].get_config()
        assert "scaling" not in spec.assumed
        assert "inside the network" in notes[0]


def test_batch_normalisation_of_the_picture_tells_too():
    layer = get_keras().layers.BatchNormalization()
    net = network(layer)
    layer.moving_mean.assign([128.0, 120, 110])
    layer.moving_variance.assign([4000.0, 4000, 4000])
    assert infer_input((8, 8, 3), net, None, None, lambda note: None).scaling == "0..255"


def test_without_any_sign_it_is_assumed_and_told():
    spec, notes = scaling()
    assert (spec.scaling, spec.assumed) == ("0..1", ("scaling", "resize", "order"))
    assert "assumed" in notes[0]
    spec, notes = scaling(given="-1..1")
    assert spec.scaling == "-1..1"
    assert "scaling" not in spec.assumed
    assert notes == []


def test_the_caller_wins_and_a_contradiction_is_told():
    spec, notes = scaling(get_keras().layers.Rescaling(1 / 255), given="0..1")
    assert spec.scaling == "0..1"
    assert "0..255" in notes[0]
    with pytest.raises(UsageError, match="scaling '0-1'"):
        scaling(given="0-1")


# -- the sidecar -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_sidecar_says_it(small, tmp_path, faces):
    path = tmp_path / "net.keras"
    path.write_bytes(small["keras"].read_bytes())
    for name in ("net.keras.ferviz.json", "net.ferviz.json"):
        sidecar = tmp_path / name
        sidecar.write_text(
            json.dumps(
                {"schema_version": 1, "labels": ["x", "y", "z"], "input": {"scaling": "-1..1", "resize": "float"}}
            )
        )
        model = load_model(path, engine="keras")
        assert model.labels == ("x", "y", "z")
        assert (model.input.scaling, model.input.resize, model.input.assumed) == ("-1..1", "float", ())
        assert model.notes == ()
        assert load_model(path, labels="a,b,c", scaling="0..1", engine="keras").input.scaling == "0..1"
        sidecar.unlink()


@pytest.mark.parametrize("mean", [0.5, [0.5], "map"])
def test_what_is_written_is_read_again(small, tmp_path, faces, mean):
    path = tmp_path / "net.keras"
    path.write_bytes(small["keras"].read_bytes())
    rng = np.random.default_rng(0)
    values = (
        (mean, 0.25 if mean == 0.5 else [0.25]) if mean != "map" else (rng.random((12, 12)), rng.random((12, 12)) + 0.1)
    )
    spec = InputSpec(12, 12, scaling="standardize", mean=values[0], std=values[1], unit=255, resize="float")
    written = write_sidecar(path, ("angry", "happy", "sad"), spec, about={"accuracy": 0.6})
    assert find_sidecar(path) == written
    assert (tmp_path / "net.keras.ferviz.npz").exists() == (mean == "map")
    model = load_model(path, engine="keras")
    assert model.labels == ("angry", "happy", "sad")
    assert np.allclose(model.input.preprocess(faces), spec.preprocess(faces))
    assert model.notes == ()
    with pytest.raises(OutputExistsError):
        write_sidecar(path, ("a", "b", "c"), spec, force=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "damaged"), ("[]", "schema_version"), ('{"labels": []}', "schema_version None"), ('{"schema_version": 2}', "schema_version 2"),
     ('{"schema_version": 1, "label": []}', "label is not a key.*labels"), ('{"schema_version": 1, "labels": [1, 2]}', "labels has to be"),
     ('{"schema_version": 1, "labels": ["a"]}', "two or more"), ('{"schema_version": 1, "labels": "nine"}', "nine"),
     ('{"schema_version": 1, "labels": ["a", "b"]}', "2 classes.*3 outputs"), ('{"schema_version": 1, "input": []}', "input has to be"),
     ('{"schema_version": 1, "input": {"scale": 1}}', r"input\.scale is not a key"),
     ('{"schema_version": 1, "input": {"scaling": "raw"}}', "scaling 'raw'"),
     ('{"schema_version": 1, "input": {"scaling": ["0..1"]}}', "scaling"),
     ('{"schema_version": 1, "input": {"height": 64}}', "height 64, but the network takes 12"),
     ('{"schema_version": 1, "input": {"scaling": "standardize", "mean": [1, 2], "std": [1, 1]}}', "shape"),
     ('{"schema_version": 1, "input": {"scaling": "standardize", "statistics": "../x.npz"}}', "beside it"),
     ('{"schema_version": 1, "input": {"scaling": "standardize", "statistics": "x.npz"}}', "cannot be read"),
     ('{"schema_version": 1, "input": {"mean": 1, "std": 1}}', "standardize")],
)  # fmt: skip
def test_a_wrong_sidecar_is_one_sentence(small, tmp_path, text, words):
    path = tmp_path / "net.keras"
    path.write_bytes(small["keras"].read_bytes())
    (tmp_path / "net.ferviz.json").write_text(text)
    with pytest.raises(ModelError, match=words) as caught:
        load_model(path, engine="keras")
    assert "net.ferviz.json" in str(caught.value) or "x.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_statistics_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", mean=np.array([object()], dtype=object), std=np.ones(1))
    sidecar = tmp_path / "a.ferviz.json"
    sidecar.write_text('{"schema_version": 1, "input": {"scaling": "standardize", "statistics": "x.npz"}}')
    with pytest.raises(ModelError, match="no array of numbers"):
        read_sidecar(sidecar)
    np.savez(tmp_path / "x.npz", mean=np.ones(1))
    with pytest.raises(ModelError, match="lacks std"):
        read_sidecar(sidecar)


def test_labels_and_scaling_that_contradict_the_sidecar_are_noted(tmp_path: Path) -> None:
    from ferviz.models.infer_spec import infer_input, infer_labels
    from ferviz.models.model import CAUTIONS
    from ferviz.models.sidecar import Sidecar

    notes: list[str] = []
    sidecar = Sidecar(tmp_path / "n.h5.ferviz.json", ("a", "b"), {"scaling": "-1..1"})
    assert infer_labels("b,a", sidecar, 2, notes.append) == ("b", "a")
    assert infer_input((48, 48, 1), None, "0..1", sidecar, notes.append).scaling == "0..1"
    assert [note.split(" n.h5")[0] for note in notes] == ["the labels contradict", "the scaling contradicts"]
    assert all(note.startswith(CAUTIONS) for note in notes)
    notes.clear()
    assert infer_labels("a,b", sidecar, 2, notes.append) == ("a", "b")
    infer_input((48, 48, 1), None, "-1..1", sidecar, notes.append)
    infer_labels(None, None, 7, notes.append)
    infer_input((48, 48, 1), None, None, None, notes.append)
    assert [note.startswith(CAUTIONS) for note in notes] == [True, True]
