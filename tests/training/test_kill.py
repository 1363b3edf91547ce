"""A process that is killed at random moments, again and again, ends with the network of one that was left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.models.load import load_model
from ferviz.training.config import TrainConfig
from ferviz.training.train import train

from .conftest import TINY

# What is killed is forked from a process that has imported TensorFlow and computed nothing yet: one import for all of them. It makes no
# step before it is allowed, so that it cannot have ended before it is killed, however busy the machine is.
PROGRAM = """
import multiprocessing, os, random, signal, sys, time
sys.path.insert(0, sys.argv[2])
from conftest import TINY, striped_faces
from ferviz.engines import backend
from ferviz.training import run_folder
from ferviz.training.config import TrainConfig
from ferviz.training.train import train
backend.keras()
run_folder.write_curves = lambda *_: None  # nobody looks at them
def attempt(resume, progress):
    train(striped_faces(), out=sys.argv[1], options=TINY, resume=resume, progress=progress,
          config=TrainConfig(seed=3, epochs=3, batch_size=32, warmup=0.5))
rng = random.Random(0)
for resume, steps in ((False, rng.randint(8, 13)), (True, rng.randint(1, 7))):  # of 21, and an epoch has seven
    told, tell = os.pipe()
    wait, allow = os.pipe()
    def paced(p):
        os.write(tell, b".")
        os.read(wait, 1)
    child = multiprocessing.get_context("fork").Process(target=attempt, args=(resume, paced))
    child.start()
    os.close(tell)
    os.write(allow, steps * b".")
    for _ in range(steps):
        assert os.read(told, 1), "it ended by itself"
    time.sleep(rng.uniform(0, 0.05))  # into the next step, or what comes before it
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL, child.exitcode
    assert not os.path.exists(sys.argv[1] + "/manifest.json"), "it had ended before it was killed"
attempt(True, lambda p: None)
"""


@pytest.mark.slow
def test_killed_and_resumed_is_never_interrupted(stripes: Dataset, tmp_path: Path) -> None:
    train(
        stripes,
        out=tmp_path / "whole",
        options=TINY,
        config=TrainConfig(seed=3, epochs=3, batch_size=32, warmup=0.5),
    )
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "cut"), str(Path(__file__).parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2500:]
    for name in ("last", "best"):
        first, second = (load_model(tmp_path / run / f"{name}.keras").engine for run in ("whole", "cut"))
        for a, b in zip(first.network.get_weights(), second.network.get_weights(), strict=True):  # type: ignore[attr-defined]
            np.testing.assert_array_equal(a, b)
    rows = [(tmp_path / run / "history.csv").read_text().split() for run in ("whole", "cut")]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]
    assert not list((tmp_path / "cut").glob("*.tmp"))
