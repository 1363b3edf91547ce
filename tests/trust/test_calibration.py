"""The margin of the verdict: measured with random maps, kept in the package or beside a network."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ferviz.errors import DataError, ModelError
from ferviz.files import sha256
from ferviz.models.bundled import bundled_path
from ferviz.models.compiled.cache import Origin
from ferviz.models.sidecar import read_sidecar, write_trust
from ferviz.trust.calibration import DELTA, FILE, MAX_RANDOM, Calibration, calibrate, calibration_of

rng = np.random.default_rng(0)


def test_at_most_one_random_map_in_twenty_passes(pattern_network):
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    faces = np.resize(pictures[..., 0], (60, 16, 16))
    result = calibrate(model, faces)
    assert set(result.deltas) == {6, 12}
    assert all(delta >= DELTA for delta in result.deltas.values())
    for rates in result.about["random_pass_rate"].values():
        assert set(rates) == {"3x3", "6x6", "12x12", "16x16"}
        assert max(rates.values()) <= MAX_RANDOM
    # Evidence far from the centre: a random map finds it more easily than a centre blob does, so the usual margin would be too small.
    assert result.delta(6) > DELTA


def test_too_few_faces_calibrate_nothing(pattern_network):
    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    with pytest.raises(DataError, match="only 3 of 3 faces can be assessed"):
        calibrate(model, pictures[..., 0])


def test_the_bundled_network_is_calibrated():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    (record,) = document["networks"]
    assert record["model_sha256"] == sha256(bundled_path())
    assert record["faces"] >= 100
    assert max(rate for rates in record["random_pass_rate"].values() for rate in rates.values()) <= MAX_RANDOM


def test_the_calibration_beside_a_network_is_its_own(pattern_network, tmp_path):
    model, _ = pattern_network((slice(0, 4), slice(0, 4)))
    file = tmp_path / "my.h5"
    file.write_bytes(b"weights")
    model = replace(model, sha256="ab" * 32, origin=Origin(file))
    assert not calibration_of(model).calibrated
    (tmp_path / "my.h5.ferviz.json").write_text('{"schema_version": 1, "labels": ["a", "b"]}')
    measured = Calibration({6: 0.11, 12: 0.09}, True, {"model_sha256": model.sha256, "faces": 80})
    path = write_trust(file, {"calibration": measured.to_dict()})
    assert read_sidecar(path).labels == ("a", "b")  # what was there stays
    assert calibration_of(model) == measured
    # Trained further: the margin of another network says nothing.
    assert not calibration_of(replace(model, sha256="cd" * 32)).calibrated
    write_trust(file, {"calibration": {"model_sha256": model.sha256, "delta": {"6": "NaN"}}})
    with pytest.raises(ModelError, match="run ferviz trust --write again"):
        calibration_of(model)


def test_a_network_without_a_hash_has_no_calibration(pattern_network):
    model, _ = pattern_network((slice(0, 4), slice(0, 4)))
    assert calibration_of(model) == Calibration()
