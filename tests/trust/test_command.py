"""`ferviz trust` on a network whose evidence is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.engines.base import LayerInfo
from ferviz.models.compiled.cache import Origin
from ferviz.models.sidecar import read_sidecar
from ferviz.trust.calibration import calibration_of
from ferviz.trust.recommendation import kept_placement


@pytest.fixture
def network(pattern_network, tmp_path, monkeypatch):
    """A network that looks at the upper left corner, in a file of its own; `trust` gets it, and 48 faces, whatever the arguments are."""
    from ferviz.cli.commands import trust

    model, pictures = pattern_network((slice(0, 4), slice(0, 4)))
    faces = np.repeat(pictures[..., 0], 16, axis=0)
    faces[:, 6:] = np.random.default_rng(0).integers(100, 130, faces[:, 6:].shape)
    data = Dataset(faces, np.zeros(48, int), np.full(48, "PublicTest"), np.arange(48), source="corners")
    file = tmp_path / "my.h5"
    file.write_bytes(b"weights")
    model = replace(model, sha256="ab" * 32, origin=Origin(file))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trust, "open_model", lambda options, console: model)
    monkeypatch.setattr(trust, "open_data", lambda *arguments, **options: data)
    return model


def test_a_report_on_the_terminal_in_files_and_beside_the_network(network, tmp_path, capsys):
    assert run(["trust", "faces.csv", "--method", "saliency", "--faces", "12", "--out", "trust.csv", "--write"]) == 0
    out, err = capsys.readouterr()
    assert "up to 1 passes a face: Saliency (100%)" in out
    assert err.splitlines()[-2:] == [f"wrote {tmp_path / 'my.h5.ferviz.json'}", "wrote trust.csv"]
    kept = read_sidecar(tmp_path / "my.h5.ferviz.json").trust["report"]
    assert (kept["recommendation"]["1"]["method"], kept["model_sha256"]) == ("saliency", network.sha256)
    assert kept["placement"] == []  # saliency looks at no layer


def test_where_cells_look_is_kept_beside_the_network(network, capsys):
    network.engine.layers = (LayerInfo("map", "Conv2D", (16, 16, 1), True),)
    asked = ["trust", "faces.csv", "--method", "gradcam", "--faces", "5", "--write", "-q"]
    assert run(asked) == 0
    place = kept_placement(network, "map")
    assert (len(place["measured"][0]), place["ratio"]) == (6, 1)
    assert kept_placement(network, "another") is None


def test_a_calibration_beside_the_network_is_used_from_then_on(network, tmp_path, capsys):
    assert run(["trust", "faces.csv", "--calibrate", "--faces", "44", "--write", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["calibration"]
    assert record["faces"] == 44
    measured = calibration_of(network)
    assert (measured.calibrated, measured.delta(6)) == (True, record["delta"]["6"])
    # A report that is written later leaves the margin where it is.
    assert run(["trust", "faces.csv", "--method", "saliency", "--faces", "5", "--write", "-q"]) == 0
    assert calibration_of(network) == measured


def test_calibrating_makes_no_report(network, capsys):
    assert run(["trust", "faces.csv", "--calibrate", "--out", "trust.png"]) == 2
    assert "leave out --out" in capsys.readouterr().err
