"""Two replicas train like one device. (No second GPU is needed: TensorFlow pretends to have two processors.)"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import shutil, sys
sys.path.insert(0, sys.argv[2])
from dataclasses import replace
import numpy as np
from ferviz.engines import backend
tf = backend.tensorflow()
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
from conftest import TINY, striped_faces
from ferviz.models.architectures import build
from ferviz.training import devices, run_folder
from ferviz.training.batches import Batch, soft_targets
from ferviz.training.config import Augmentation, TrainConfig
from ferviz.training.loop import Learner
from ferviz.training.train import train

run_folder.write_curves = lambda *_: None  # nobody looks at them
faces, still = striped_faces(), Augmentation(*[0.0] * 9)
config = TrainConfig(epochs=2, batch_size=32, warmup=0.5, augmentation=still, precision="float32", ema=0.9)
run = lambda name, **more: train(faces, out=f"{sys.argv[1]}/{name}", **({"config": config} | more))
plain = {"height": 24, "width": 24, "widths": [4], "dense_widths": [8], "dropout": 0.0, "dense_dropout": 0.0}
once = {"architecture": "plain", "options": plain, "config": replace(config, epochs=1)}
alone = run("alone", **once)
devices.accelerators = lambda: ["CPU:0", "CPU:1"]
with devices.all_devices(32) as count:
    assert count == 2 == tf.distribute.get_strategy().num_replicas_in_sync
with devices.all_devices(33) as count:
    assert count == 1, "a batch that does not divide stays whole"

# Without batch normalisation two halves make exactly the whole.
both = run("both", **once)
for key in ("loss", "val_loss", "val_accuracy"):
    a, b = ([row[key] for row in r.history] for r in (alone, both))
    assert np.allclose(a, b, atol=1e-3), (key, a, b)

# With it each replica normalises its own half: the loss of a step is the mean of the halves' losses.
with devices.all_devices(32):
    network = build("residual", 7, logits=True, seed=1, **(TINY | {"dropout": 0.0}))
    x = faces.images[:32, ..., None].astype("float32") + np.where(np.arange(32) % 2, 60, 0)[:, None, None, None].astype("float32")
    y = soft_targets(faces.labels[:32], 7, 0.0)
    learning = Learner(network, 7, config, steps=10)
    halves = [np.asarray(network(x[i::2], training=True)) for i in (0, 1)]
    entire = np.asarray(network(x, training=True))
    loss = lambda logits, y: -(y * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1).mean()
    expected = np.mean([loss(h, y[i::2]) for i, h in enumerate(halves)])
    found = learning.step(Batch(x, y, np.ones(32, "float32"), faces.labels[:32]), 0.01)
    learning.close()
assert abs(found - expected) < 1e-4 < abs(found - loss(entire, y)), (found, expected)

# A run that is cut off goes on to the same end here too, from what lies on the disk then; and one can build on what it left.
def cut(p):
    if (p.epoch, p.step) == (2, 3):
        shutil.copytree(f"{sys.argv[1]}/whole", f"{sys.argv[1]}/cut")
whole = run("whole", options=TINY, progress=cut)
again = train(faces, out=f"{sys.argv[1]}/cut", config=config, resume=True)
assert [r["val_loss"] for r in whole.history] == [r["val_loss"] for r in again.history], (whole.history, again.history)
best = f"{sys.argv[1]}/whole/best.keras"
student = run("student", config=replace(config, epochs=1, teachers=(best,)), init_from=best)
assert np.isfinite(student.best["loss"])
print("held")
"""


@pytest.mark.slow
def test_two_replicas_train_like_one_device(tmp_path: Path) -> None:
    here = Path(__file__).resolve()
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(here.parents[2])}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(here.parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "held", done.stderr[-2500:]
