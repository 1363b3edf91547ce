"""Additive training: what a cell gives is what hiding its part of the face takes away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.errors import ModelError, UsageError
from ferviz.fills import fill, plain_filler
from ferviz.models.architectures import build
from ferviz.models.architectures.layers import load_keras
from ferviz.models.load import load_model
from ferviz.training.config import Augmentation, TrainConfig
from ferviz.training.losses.additive import additive_network, with_coalitions
from ferviz.training.train import train
from tests.training.conftest import TINY

SHORT = TrainConfig(epochs=2, batch_size=32, warmup=0, ema=0.0, augmentation=Augmentation(flip=0, rotate=0, shift=0))


def network(kernel: int, side: int = 12) -> Any:
    """Two cells a side, each of which sees `kernel` pixels; 6 are its own."""
    keras = load_keras()
    start = keras.Input((side, side, 1))
    weights = keras.initializers.RandomNormal(0, 0.01, seed=1)
    maps = keras.layers.Conv2D(3, kernel, 6, padding="same", kernel_initializer=weights)(start)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(maps))
    last = keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0, 1, seed=2), name="classes")
    return keras.Model(start, last(keras.layers.Dropout(0.5)(pooled)), name="cells")


def inputs(filled: float, side: int = 12) -> np.ndarray:
    """Faces of which one cell, two, or one and a half are seen, and `filled` times their mean elsewhere."""
    rng = np.random.default_rng(0)
    faces = rng.uniform(0, 255, (3, side, side, 1)).astype(np.float32)
    seen = np.zeros((3, side, side, 1), np.float32)
    seen[0, :6, :6], seen[1, :, 6:], seen[2, :6, :9] = 1, 1, 1
    filler = plain_filler(faces, "mean") * filled
    return np.concatenate([faces, faces * seen + filler * (1 - seen), faces * (1 - seen) + filler * seen, seen], -1)


def test_cells_that_see_their_own_place_alone_make_no_error() -> None:
    core, asked = network(6), inputs(0)  # to which this network answers with nothing
    outputs = additive_network(core).predict_on_batch(asked)
    np.testing.assert_allclose(outputs[:, :4], core.predict_on_batch(asked[..., :1]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs[:2, 4:], 0, atol=1e-4 * np.abs(outputs[:, :4]).max())
    assert np.abs(outputs[2, 4:]).max() > 0.01 * np.abs(outputs[:, :4]).max()  # a cell that is seen by half


def test_the_error_is_that_of_the_definition() -> None:
    core, asked = network(12), inputs(1)
    face, seen = asked[..., :1], asked[..., 3:]
    keras = load_keras()
    maps = keras.Model(core.inputs, core.layers[2].output).predict_on_batch(face)
    parts = np.einsum("nijc,ck->nijk", maps, core.layers[-1].get_weights()[0]) / 4
    shares = seen[..., 0].reshape(3, 2, 6, 2, 6).mean((2, 4))
    shown, covered = (core.predict_on_batch(asked[..., [channel]]) for channel in (1, 2))
    wanted = np.einsum("nij,nijk->nk", shares - 0.5, parts) - (shown - covered) / 2
    found = additive_network(core).predict_on_batch(asked)[:, 4:]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 0.1


def test_coalitions_are_drawn_by_the_seed_and_filled_in_turns() -> None:
    faces = np.random.default_rng(0).uniform(0, 255, (64, 24, 24, 1)).astype(np.float32)
    drawn = {step: with_coalitions(faces, [0, 1, step]) for step in range(4)}
    for step, result in drawn.items():
        np.testing.assert_array_equal(result, with_coalitions(faces, [0, 1, step]))
        np.testing.assert_array_equal(result[..., :1], faces)
        seen, kind = result[..., 3], "harmonic" if step < 2 else "mean"
        assert seen.min() >= 0
        assert seen.max() <= 1
        assert 0.4 < seen.mean() < 0.6  # either picture of a pair can be the first
        for picture, hidden in ((1, 1 - seen), (2, seen)):
            np.testing.assert_array_equal(result[..., [picture]], fill(faces, hidden, kind, step))
    assert (drawn[0][..., 3] != drawn[2][..., 3]).any()


@pytest.mark.slow
def test_a_run_makes_the_cells_answer_for_their_places(stripes: Dataset, tmp_path: Path) -> None:
    before = train(stripes, out=tmp_path / "a", options=TINY, config=replace(SHORT, epochs=4)).folder / "last.keras"
    config = replace(SHORT, epochs=6, additive_weight=3.0, learning_rate=0.01, teachers=(str(before),))
    after = train(stripes, out=tmp_path / "b", init_from=before, config=config).folder / "last.keras"

    def unexplained(path: Path) -> float:
        core = build("residual", 7, logits=True, **TINY)
        core.set_weights(load_model(path, engine="keras").engine.network.get_weights())  # type: ignore[attr-defined]
        errors = []
        for step in range(8):
            asked = with_coalitions(stripes.images[:64, ..., None].astype(np.float32), [9, 9, step])
            errors.append(additive_network(core).predict_on_batch(asked)[:, 7:])
        return float(np.mean(np.square(errors)))

    assert unexplained(after) < 0.5 * unexplained(before)
    old, new = load_model(before), load_model(after)
    assert [layer.name for layer in new.engine.layers] == [layer.name for layer in old.engine.layers]
    test = stripes.part("PublicTest")
    hits = [(m.probabilities(test.images).argmax(1) == test.labels).mean() for m in (old, new)]
    assert hits[1] >= hits[0] - 0.1


def test_what_cannot_be_trained_additively(stripes: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="init_from"):
        train(stripes, out=tmp_path / "a", options=TINY, config=replace(SHORT, additive_weight=1.0))
    with pytest.raises(UsageError, match="ferplus_weight"):
        TrainConfig(additive_weight=1.0, ferplus_weight=0.1)
    flat = build("plain", 7, widths=[4], dense_widths=[4], logits=True, height=12, width=12)
    with pytest.raises(ModelError, match="mean over a map"):
        additive_network(flat)
