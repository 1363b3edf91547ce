"""A process that is killed at random moments, again and again, ends with the network of one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ferviz.models.load import load_model

PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[3])
from conftest import TINY, striped_faces
from ferviz.training.config import TrainConfig
from ferviz.training.train import train
def slow(p):
    time.sleep(0.02)
    if p.epoch == 1 and p.step == 1 or sys.argv[2] == "resume":
        print("running", flush=True)
train(striped_faces(), out=sys.argv[1], options=TINY, resume=sys.argv[2] == "resume",
      config=TrainConfig(seed=3, epochs=6, batch_size=32, warmup=0.5), progress=slow if sys.argv[2] != "whole" else None)
"""
KILLS = 2


def start(folder: Path, how: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", PROGRAM, str(folder), how, str(Path(__file__).parent)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_and_resumed_is_never_interrupted(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", "whole")
    draw = random.Random()
    killed = 0
    for how in ("new", *["resume"] * KILLS):
        child = start(tmp_path / "cut", how)
        assert child.stdout is not None
        if killed < KILLS:
            assert child.stdout.readline() == "running\n"
            time.sleep(draw.uniform(0.0, 0.8))
            child.send_signal(signal.SIGKILL)
            killed += 1
            child.stdout.close()
            child.wait()
            assert not (tmp_path / "cut" / "manifest.json").exists(), "it had ended before it was killed"
        else:
            child.communicate()
            assert child.returncode == 0
    whole.communicate()
    assert whole.returncode == 0
    for name in ("last", "best"):
        first, second = (load_model(tmp_path / run / f"{name}.keras").engine for run in ("whole", "cut"))
        for a, b in zip(first.network.get_weights(), second.network.get_weights(), strict=True):  # type: ignore[attr-defined]
            np.testing.assert_array_equal(a, b)
    rows = [(tmp_path / run / "history.csv").read_text().split() for run in ("whole", "cut")]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]
    assert not list((tmp_path / "cut").glob("*.tmp"))
