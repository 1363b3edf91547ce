"""The same code on JAX: trains over two (pretended) devices, resumes exactly, reads the networks it builds on.

Needs jax, which ferviz does not install.
"""

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
from ferviz.models.architectures.layers import load_keras
from ferviz.training.devices import all_devices
from ferviz.training.config import TrainConfig
from ferviz.training.train import train
TINY |= {"blocks": [2], "stem": 8}
assert load_keras().config.backend() == "jax"
with all_devices(32) as count:
    assert count == 2, count
config = TrainConfig(epochs=3, batch_size=32, warmup=0.5)
class Cut(Exception):
    pass
def cut(p):
    if (p.epoch, p.step) == (2, 3):
        raise Cut
whole = train(striped_faces(), out=sys.argv[1] + "/a", options=TINY, config=config)
try:
    train(striped_faces(), out=sys.argv[1] + "/b", options=TINY, config=config, progress=cut)
except Cut:
    pass
again = train(striped_faces(), out=sys.argv[1] + "/b", resume=True, config=config)
assert [r["val_loss"] for r in whole.history] == [r["val_loss"] for r in again.history]

# What a run builds on is read on this backend too: its answers are those of the network that was saved.
import numpy as np
from ferviz.errors import ModelError
from ferviz.models.load import load_model
keras = load_keras()
best, old = sys.argv[1] + "/a/best.keras", sys.argv[1] + "/old.h5"
network = keras.saving.load_model(best)
faces = striped_faces().images[:64]
shares = np.asarray(network.predict_on_batch(faces[..., None].astype("float32")))
for precision in ("float32", "bfloat16"):
    from ferviz.training.losses.distillation import teacher_logits
    logits = teacher_logits([best], tuple(load_model(best).labels), precision)(faces[..., None].astype("float32"))
    answers = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(answers - shares).max() < (1e-5 if precision == "float32" else 0.02), precision
network.save(old)
read = load_model(old, labels="7", scaling="0..255")
assert np.allclose(read.probabilities(list(faces)), shares, atol=1e-5)
try:
    read.engine.gradients(None, "input", None)
except ModelError as error:
    assert "KERAS_BACKEND=tensorflow" in str(error)
gently = TrainConfig(epochs=1, batch_size=32, warmup=0.0, distillation=0.5, teachers=(best,))
student = train(striped_faces(), out=sys.argv[1] + "/c", options=TINY, config=gently)
assert np.isfinite(student.best["loss"])
still = TrainConfig(epochs=1, batch_size=32, learning_rate=1e-6, warmup=0.0, ema=0.0)
tuned = train(striped_faces(), out=sys.argv[1] + "/d", config=still, init_from=sys.argv[1] + "/a/last.keras")
assert abs(tuned.best["val_accuracy"] - whole.history[-1]["val_accuracy"]) < 0.05, (tuned.best, whole.history[-1])

# The check of a file's claims holds here too: a few bytes that ask for gigabytes are refused before anything is made.
small = keras.Sequential([keras.layers.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7)])
big = small.to_json().replace('"units": 7', '"units": 90000')
from pathlib import Path
Path(sys.argv[1] + "/big.json").write_text(big)
try:
    load_model(sys.argv[1] + "/big.json", weights=old)
    raise SystemExit("a network of 200 million weights was built")
except ModelError as error:
    assert "more than" in str(error), error
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
