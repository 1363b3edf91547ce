"""The detector that docs/extending/write-a-detector.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ferviz.faces.detectors.detector import overlap
from ferviz.faces.detectors.registry import DETECTORS

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "extending" / "write-a-detector.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, object] = {}
    try:
        exec(code, names)
        (face,) = names["faces"]  # type: ignore[misc]
        # not a good idea, but the patch of skin does touch her face
        assert overlap(face.box, (178, 69, 270, 161)) > 0
        assert "skin" in DETECTORS
    finally:
        DETECTORS._entries.pop("skin", None)
