"""Networks that other people trained, of every age: each loads and explains, or gives its one named error."""

from __future__ import annotations

import functools
import warnings
from dataclasses import replace

import numpy as np
import pytest

from ferviz.emotions import FER2013
from ferviz.engines.backend import keras as get_keras
from ferviz.errors import FervizError

LOADS = {
    "mini_xception_48.hdf5": (48, 48, 1, 7),
    "big_xception_64.hdf5": (64, 64, 1, 7),
    "emopy_012.hdf5": (48, 48, 1, 3),
    "allconv_v6_23.hdf5": (48, 48, 1, 7),
    "himanshu_fer.json": (48, 48, 1, 7),
    "himanshu_fer.h5": (48, 48, 1, 7),
    "akipekoren_fer.json": (48, 48, 1, 7),
    "akipekoren_fer.h5": (48, 48, 1, 7),
    "teachable_machine_224.h5": (224, 224, 3, 6),
    "pouyazr_emotion_model.h5": (48, 48, 1, 7),
    "binni24_hdf5_named.keras": (48, 48, 1, 7),
    "binni24_hdf5_named.json": (48, 48, 1, 7),
    "patientwolfx_112.keras": (112, 112, 1, 8),
    "patientwolfx_savedmodel": (112, 112, 1, 8),
    "chetanvamsi_augmenting.keras": (48, 48, 1, 7),
    "highintothesky_anysize_rgb.h5": (None, None, 3, 6),
    "trial_gap_48.keras": (48, 48, 1, 7),
}
REFUSED = {
    "keras1_channels_first_architecture_only.json": "an architecture without weights",
    "not_a_model_text.h5": "no Keras network",
    "not_a_model_html.h5": "a web page",
}
SCALED_INSIDE = {"chetanvamsi_augmenting.keras", "trial_gap_48.keras"}

# What their authors trained with, and the accuracy that the folder's README measured on rows that are not here. The rows
# below are others, and 300 of them: three standard errors are 8 points, and a wrong convention costs 12 to 44.
RIGHT = {
    "mini_xception_48.hdf5": ("7", "-1..1", 65.6),
    "big_xception_64.hdf5": ("7", "-1..1", 66.4),
    "himanshu_fer.json": ("7", "0..255", 54.6),
    "akipekoren_fer.json": ("7", "standardize", 61.2),
    "pouyazr_emotion_model.h5": ("7-alphabetical", "0..1", 60.8),
    "chetanvamsi_augmenting.keras": ("7-alphabetical", None, 57.5),
    "trial_gap_48.keras": ("7", None, 63.9),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fer2013(sheets):
    """The loader that lies with the data: usage -> pixels, emotion, votes, row."""
    return functools.cache(sheets.load)


@pytest.fixture(scope="module")
def opened(shared_data, published):
    """name -> Model or FervizError of every file."""
    return {
        path.name: published(path.name)
        for path in sorted((shared_data / "models").iterdir())
        if path.name != "README.md"
    }


def test_every_file_has_its_place_in_this_test(opened):
    assert set(opened) == set(LOADS) | set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(opened, name):
    assert type(opened[name]).__name__ == "ModelError"
    assert REFUSED[name] in str(opened[name])
    assert "\n" not in str(opened[name])


@pytest.mark.parametrize("name", LOADS)
def test_loads(opened, name):
    model = opened[name]
    assert not isinstance(model, Exception), model
    spec = model.input
    assert (spec.height, spec.width, spec.channels, len(model.labels)) == LOADS[name]
    assert ("scaling" not in spec.assumed) == (name in SCALED_INSIDE)
    logits = model.logits(np.random.default_rng(0).integers(0, 256, (2, 60, 50, 3), np.uint8))
    assert logits.shape == (2, LOADS[name][3])
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    "name", ["mini_xception_48.hdf5", "big_xception_64.hdf5", "pouyazr_emotion_model.h5", "patientwolfx_112.keras"]
)
def test_same_answers_as_keras_own_loader(opened, shared_data, name):
    model = opened[name]
    batch = np.random.default_rng(0).random((3, *model.input.size, 1), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice on how to write a network
        theirs = get_keras().models.load_model(shared_data / "models" / name, compile=False)(batch, training=False)
    values = model.engine.logits(batch)
    ours = np.exp(values - values.max(1, keepdims=True))
    assert np.allclose(ours / ours.sum(1, keepdims=True), theirs, atol=1e-5)


def test_the_savedmodel_answers_as_the_keras_file_does(opened):
    one, other = opened["patientwolfx_112.keras"], opened["patientwolfx_savedmodel"]
    faces = np.random.default_rng(0).integers(0, 256, (4, 112, 112), np.uint8)
    assert np.allclose(one.probabilities(faces), other.probabilities(faces), atol=1e-5)


@pytest.mark.parametrize("name", RIGHT)
def test_fed_the_right_way_it_is_as_good_as_measured_elsewhere(opened, fer2013, name):
    labels, scaling, expected = RIGHT[name]
    pixels, emotion, _, _ = fer2013("PublicTest")
    some, emotion = pixels[::12], emotion[::12]
    model = opened[name]
    spec = replace(model.input, scaling=scaling or model.input.scaling)
    if scaling == "standardize":
        spec = replace(spec, mean=pixels.mean(0), std=pixels.std(0))
    order = FER2013 if labels == "7" else tuple(sorted(FER2013))
    model = replace(model, labels=order, input=spec)
    guessed = model.logits(some).argmax(axis=1)
    accuracy = 100 * np.mean([order[g] == FER2013[e] for g, e in zip(guessed, emotion, strict=True)])
    assert accuracy == pytest.approx(expected, abs=8)


def test_the_table(opened, capsys):
    """Prints file, loads?, Grad-CAM?, reason; every network with maps is explained, once where it came in two forms."""
    from ferviz.attribution.explain import explain

    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), np.uint8)
    rows, failed = [], []
    for name, model in opened.items():
        if name in LOADS and name.endswith(".json"):
            continue
        if isinstance(model, Exception):
            rows.append((name, "no", "-", str(model).rpartition("/")[2]))
            continue
        try:
            layer, note = model.default_layer()
            raw = explain(model, face, method="gradcam", test=False).raw
            rows.append(
                (name, "yes", "yes" if np.isfinite(raw).all() else "NaN", f"{layer} {raw.shape[2:]} {note}".strip())
            )
        except FervizError as error:
            rows.append((name, "yes", "no", str(error)))
            failed.append(name)
    with capsys.disabled():
        print()
        for row in rows:
            print(f"{row[0]:46} {row[1]:4} {row[2]:4} {row[3][:140]}")
    assert failed == ["patientwolfx_savedmodel"]
    assert all(row[2] != "NaN" for row in rows)
