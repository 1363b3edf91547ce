"""The examples of the pages that have no test of their own run as they stand, and do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

import ferviz
from ferviz.attribution.methods.registry import METHODS

ROOT = Path(__file__).parents[1]
FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48)).astype(np.uint8)


def blocks(page: str) -> list[str]:
    """The Python blocks of a page in docs/."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


def test_own_methods() -> None:
    model = ferviz.load_model()
    try:
        for block in blocks("extending/write-a-method.md"):
            exec(block, {})
        powered = ferviz.explain(model, FACES, method="absolute-cam", power=2.0)
        plain = ferviz.explain(model, FACES, method="absolute-cam")
        assert not np.allclose(powered.raw, plain.raw)
        rows = ferviz.explain(model, FACES, method="row-occlusion").raw
        assert np.all(rows == rows[..., :1]), "a row of pixels is hidden as a whole"
        assert rows.std() > 0
    finally:
        for name in ("absolute-cam", "row-occlusion"):
            METHODS._entries.pop(name, None)


def test_own_architecture() -> None:
    (code,) = blocks("extending/write-an-architecture.md")
    names: dict[str, Any] = {}
    exec(code, names)
    whole, logits = names["build"](classes=5, filters=4), names["build"](classes=5, filters=4, logits=True)
    assert whole.output_shape == (None, 5)
    for one, other in zip(whole.get_weights(), logits.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(whole.predict(FACES[..., None], verbose=0).sum(1), 1, atol=1e-5)


def test_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    for name in re.findall(r"ferviz\.([a-z_]+)", code):
        assert hasattr(ferviz, name), name
