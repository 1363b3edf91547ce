"""The clips, the detector and the network of the tests of video."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "ferviz_test_clips", Path(__file__).resolve().parents[1] / "video" / "conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
_clips = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_clips)

clip, colours, squares = _clips.clip, _clips.colours, _clips.squares
