"""The same code on JAX: trains over two (pretended) devices, and resumes exactly. Needs jax, which ferviz does not install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
from conftest import TINY, striped_faces
from ferviz.models.architectures.parts import load_keras
from ferviz.training.devices import all_devices
from ferviz.training.recipe import Recipe
from ferviz.training.train import train
assert load_keras().config.backend() == "jax"
with all_devices(32) as count:
    assert count == 2, count
recipe = Recipe(epochs=3, batch=32, warmup=0.5)
class Cut(Exception):
    pass
def cut(p):
    if (p.epoch, p.step) == (2, 3):
        raise Cut
whole = train(striped_faces(), out=sys.argv[1] + "/a", options=TINY, recipe=recipe)
try:
    train(striped_faces(), out=sys.argv[1] + "/b", options=TINY, recipe=recipe, progress=cut)
except Cut:
    pass
again = train(striped_faces(), out=sys.argv[1] + "/b", resume=True, recipe=recipe)
assert [r["val_loss"] for r in whole.history] == [r["val_loss"] for r in again.history]
"""


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs jax, the other backend that training runs on"
)
def test_training_on_jax(tmp_path: Path) -> None:
    here = Path(__file__).resolve()
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(here.parents[2]),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(here.parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
