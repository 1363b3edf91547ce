"""Every script in examples/ runs as its README says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG = {"gallery_methods.py", "gallery_dreams.py", "video_timeline.py"}  # make the pictures of the documentation


@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("*.py") if p.name not in LONG))
def test_example_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    written = [line for line in capsys.readouterr().out.splitlines() if line.startswith("written:")]
    assert written
    assert [p for p in tmp_path.iterdir() if p.stat().st_size > 100]


def test_every_example_is_in_the_readme():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in EXAMPLES.glob("*.py") if f"`{p.name}`" not in readme]
