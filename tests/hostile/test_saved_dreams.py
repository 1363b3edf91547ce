"""A saved dream that is not one: a sentence when it is loaded, rather than a traceback when it is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.dreaming.result import Dream
from ferviz.errors import DataError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images, frames = (rng.integers(0, 256, shape, np.uint8) for shape in ((2, 9, 9), (1, 2, 9, 9)))
    trace, probability = rng.random((2, 5)).astype(np.float32), np.array([0.9, np.nan])
    dream = Dream(
        images, ("happy", "conv1:3"), ("happy", ""), trace, probability, ("happy", "sad"), frames, {"seed": 0}
    )
    return dream.save(tmp_path / "dream.npz")


def rewrite(path: Path, **changes: Any) -> None:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    document = json.loads(str(arrays["manifest"]))
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value(arrays[name])
        else:
            document[name] = value(document[name])
    np.savez(path, allow_pickle=False, **{**arrays, "manifest": np.array(json.dumps(document))})


def test_what_was_saved_is_loaded(saved: Path) -> None:
    rewrite(saved)
    dream = Dream.load(saved)
    assert dream.objective == ("happy", "conv1:3")
    assert dream.picture().size[0] > 0
    odd = {"seed": 0, "names": 3, "title": "x", "margins": [1], "copies": "many", "warnings": {}}
    rewrite(saved, settings=lambda s: odd)
    assert Dream.load(saved).picture().size[0] > 0


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"images": lambda a: a[:1]}, "2 pictures cannot have the shape"),
        ({"images": lambda a: a[..., None]}, "cannot have the shape"),
        ({"images": lambda a: a[:, :0]}, "cannot have the shape"),
        ({"images": lambda a: a.astype(np.float32)}, "not uint8"),
        ({"frames": lambda a: a[0]}, "frames"),
        ({"frames": lambda a: a[:, :, :5]}, "frames"),
        ({"trace": lambda a: a[:, :0]}, "trace"),
        ({"trace": lambda a: a[0]}, "trace"),
        ({"trace": lambda a: a.astype("U5")}, "trace"),
        ({"probability": lambda a: a[:1]}, "probabilities"),
        ({"before": lambda a: np.zeros((2, 3, 3), np.uint8)}, "before"),
        ({"probability_before": lambda a: np.zeros(2)}, "before"),
        ({"dreams": lambda d: d[:1]}, "1 pictures"),
        ({"dreams": lambda d: [dict(d[0], objective=[1]), d[1]]}, "not texts"),
        ({"dreams": lambda d: 5}, "not iterable"),
        ({"targets": lambda t: t[:1]}, "target"),
        ({"settings": lambda s: [1]}, "settings"),
    ],
)
def test_what_does_not_fit_together_is_named(saved: Path, changes: dict[str, Any], match: str) -> None:
    rewrite(saved, **changes)
    with pytest.raises(DataError, match=match):
        Dream.load(saved)
