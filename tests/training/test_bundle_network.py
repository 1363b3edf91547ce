"""Replacing the bundled network: what is written measures what it says, and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.errors import DataError, ModelError
from ferviz.files import sha256
from ferviz.models.load import load_model
from ferviz.training.config import TrainConfig
from ferviz.training.train import train

pytestmark = pytest.mark.slow
OPTIONS = {"height": 24, "width": 24, "widths": [4], "blocks": [1], "stem": 4}


@pytest.fixture(scope="module")
def bundling(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("tools/bundle_network.py")


@pytest.fixture(scope="module")
def run(stripes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "a"
    train(stripes, out=folder, options=OPTIONS, config=TrainConfig(epochs=2, batch_size=32, precision="float32"))
    return folder


def test_bundled_network_and_what_it_says(bundling: ModuleType, run: Path, stripes: Dataset, tmp_path: Path) -> None:
    tuned = Path(shutil.copytree(run, tmp_path / "run"))
    config = json.loads((tuned / "config.json").read_text())
    first = run / "last.keras"
    config |= {"init_from": str(first)}
    config["config"] |= {"teachers": [f"{first}?labels=7", "lost.keras"], "drop_copies": True}
    (tuned / "config.json").write_text(json.dumps(config))
    about = bundling.bundle(tuned, stripes, tmp_path)
    known = {"file": "last.keras", "sha256": sha256(first)}
    assert about["init_from"] == known
    assert about["teachers"] == [known, {"file": "lost.keras", "sha256": None}]
    assert about["data"]["fitted"] == "FER2013 Training, without copies of PublicTest"
    model = load_model(tmp_path / "bundled.keras", engine="keras")
    judged = stripes.take(stripes.split == "PublicTest")
    assert about["measured"]["accuracy"] == pytest.approx(
        (model.logits(judged.images).argmax(1) == judged.labels).mean(), abs=1e-4
    )
    assert model.sha256 == about["sha256"]
    document = json.loads((tmp_path / "bundled.ferviz.json").read_text())
    assert document["about"]["config"]["epochs"] == 2
    compiled = load_model(tmp_path / "bundled.ferviz")
    np.testing.assert_allclose(compiled.probabilities(judged.images), model.probabilities(judged.images), atol=1e-3)


def test_what_is_not_bundled(
    bundling: ModuleType, run: Path, stripes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(stripes, labels=(stripes.labels + 1) % 7)
    with pytest.raises(DataError, match="trained on"):
        bundling.bundle(run, wrong, tmp_path)
    with pytest.raises(ModelError, match="train first"):
        bundling.bundle(tmp_path, stripes, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(bundling, "MAX_BYTES", 100)
        with pytest.raises(ModelError, match="bytes"):
            bundling.bundle(run, stripes, tmp_path)
    other = tmp_path / "six"
    shutil.copytree(run, other)
    train(
        stripes, labels="6-dropped", out=other, force=True, options=OPTIONS, config=TrainConfig(epochs=1, batch_size=32)
    )
    with pytest.raises(ModelError, match="seven"):
        bundling.bundle(other, stripes, tmp_path)
    assert not list(tmp_path.glob("bundled*"))
