"""`check` finds the histogram and the crop that a network was trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import FER2013, SCHEMES
from ferviz.evaluation.check.candidates import CROP, Preprocessing, variants
from ferviz.evaluation.check.check import check
from ferviz.models.input_spec import InputSpec
from ferviz.models.sidecar import read_sidecar


def read_code(batch: np.ndarray) -> np.ndarray:
    """An answer that is right where the first pixel is a sixth of the class's number."""
    code = np.clip(np.rint(batch[:, 0, 0, 0].astype(float) * 6), 0, 6).astype(int)
    return 3 * np.eye(7)[code]


def dataset(images: np.ndarray, true: np.ndarray) -> Dataset:
    return Dataset(
        images, true, np.full(len(true), "PublicTest"), np.arange(len(true)), SCHEMES["7"], source="made here"
    )


def equalised_faces(count: int = 400) -> Dataset:
    """Faces in three greys of any contrast; the share of the middle one among the two brighter ones tells the class."""
    rng = np.random.default_rng(0)
    true, images = rng.integers(0, 7, count), np.zeros((count, 20, 20), np.uint8)
    for image, label in zip(images, true, strict=True):
        greys = np.sort(rng.choice(np.arange(1, 250), 3, replace=False))
        middle = round(300 * label / 6)
        flat = np.repeat(greys, [100, middle, 300 - middle])
        image[...] = np.roll(flat, -100 if label else -99).reshape(20, 20)
        image[0, 0] = greys[1] if label else greys[0]
    return dataset(images, true)


def cropped_faces(count: int = 400) -> Dataset:
    """Faces of 22 pixels whose code lies at (1, 1), where a crop to 20 pixels begins."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 7, count)
    images = rng.integers(0, 256, (count, 22, 22)).astype(np.uint8)
    images[:, 1, 1] = np.rint(true * 255 / 6)
    return dataset(images, true)


def test_equalised_histograms_are_found_and_written(make_model, tmp_path: Path) -> None:
    result = check(make_model(read_code, FER2013, InputSpec(20, 20, scaling="0..1")), equalised_faces())
    assert result.best.preprocessing.spec.equalize
    assert result.best.accuracy > 0.95 > 0.5 > (result.current.accuracy if result.current else 1)
    assert "equalised" in result.best.title
    assert result.to_dict()["best"]["equalize"] is True
    sidecar = result.write_sidecar(tmp_path / "net.pth")
    assert read_sidecar(sidecar).input["equalize"] is True


def test_a_network_that_does_not_want_it_is_left_alone(make_model) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 7, 400)
    images = (255 * rng.random((400, 20, 20)) ** 3).astype(np.uint8)
    images[:, 0, 0] = np.rint(true * 255 / 6)
    result = check(
        make_model(read_code, FER2013, InputSpec(20, 20, scaling="0..1", equalize=True)), dataset(images, true)
    )
    assert not result.best.preprocessing.spec.equalize
    assert result.cost is not None
    assert result.cost.difference > 0.5


def test_a_centre_crop_is_found_and_written(make_model, tmp_path: Path) -> None:
    result = check(make_model(read_code, FER2013, InputSpec(20, 20, scaling="0..1")), cropped_faces())
    spec = result.best.preprocessing.spec
    assert spec.crop_pct == pytest.approx(20 / 22)
    assert result.best.accuracy > 0.95
    written = read_sidecar(result.write_sidecar(tmp_path / "net.pth")).input
    assert InputSpec(**written) == spec


def test_what_is_tried_for_a_network_of_any_size() -> None:
    faces = np.zeros((3, 48, 48), np.uint8)
    tried = [p.spec for p in variants(Preprocessing("0..1", InputSpec(48, 48)), faces, free=True)]
    assert [(s.height, s.width, s.equalize, s.crop_pct) for s in tried] == [
        (48, 48, True, 1.0), (44, 44, False, CROP), (44, 44, True, CROP),
    ]  # fmt: skip
    fixed = [p.spec for p in variants(Preprocessing("0..1", InputSpec(48, 48)), faces)]
    assert [(s.size, s.equalize, s.crop_pct) for s in fixed] == [((48, 48), True, 1.0)]
