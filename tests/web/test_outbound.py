"""Nothing leaves the machine: the studio, its processes and a browser in a network that leads nowhere, where every attempt is counted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ENCLOSED = ["unshare", "--user", "--map-root-user", "--net", "--"]
"""Runs a program in a network namespace of its own, for which it needs no rights."""


def test_nobody_looks_for_a_way_out_and_the_page_outlives_its_server(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="the package playwright is not installed")
    pytest.importorskip("uvicorn", reason="the extra studio is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*ENCLOSED, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine allows no network namespaces")
    Image.fromarray(np.full((40, 40), 120, np.uint8)).save(tmp_path / "grey.png")
    program = Path(__file__).with_name("enclosed.py")
    command = [*ENCLOSED, sys.executable, str(program), chromium, str(tmp_path / "grey.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["noticed"]["IPv4"] > 0, "an attempt of this test itself is counted"
    assert set(told["attempts"].values()) == {0}, told["attempts"]
    assert told["others"] == [], "the page asks nobody but its own server"
    assert "does not answer" in told["told"]
    assert "%" in told["bars"]
