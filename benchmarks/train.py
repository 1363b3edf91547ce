"""Faces per second of `ferviz.train` against the same network in a bare Keras `fit` loop.

    python benchmarks/train.py                    # faces made of noise: only the speed counts
    python benchmarks/train.py --rows 1280 --rounds 1

ferviz augments, averages weights, validates and writes its run folder; the bare loop does none of that. Both take turns, and the ratio is
that of their best rounds. The first epoch of each (tracing) is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.models import architectures
from ferviz.models.architectures.layers import load_keras
from ferviz.training.config import TrainConfig
from ferviz.training.network import dtype_policy, resolve_precision
from ferviz.training.train import TrainingProgress, train


def faces(rows: int) -> Dataset:
    """Return faces made of noise.

    Args:
        rows: how many for training; 256 more are for validation.
    """
    rng = np.random.default_rng(0)
    split = np.where(np.arange(rows + 256) < rows, "Training", "PublicTest")
    images = rng.integers(0, 256, (rows + 256, 48, 48)).astype(np.uint8)
    return Dataset(images, rng.integers(0, 7, rows + 256), split, np.arange(rows + 256), source="noise", sha256="0")


def ferviz_seconds(data: Dataset, options: dict[str, Any], epochs: int, precision: str) -> float:
    """Return the seconds of the fastest epoch of `ferviz.train`, with validation and files.

    Args:
        data, options: the faces, and the options of the architecture.
        epochs: how many are measured, after the first.
        precision: the number format.
    """
    ends: list[float] = []

    def watch(p: TrainingProgress) -> None:
        if p.validated:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(epochs=epochs + 1, precision=precision)
        train(data, out=Path(folder) / "run", options=options, config=config, progress=watch)
    return float(np.diff(ends).min())


def keras_seconds(data: Dataset, options: dict[str, Any], epochs: int, precision: str) -> float:
    """Return the seconds of the fastest epoch of `network.fit` on arrays in memory.

    Args:
        data, options, epochs, precision: as for `ferviz_seconds`.
    """
    keras = load_keras()
    part = data.take(data.split == "Training")
    with dtype_policy(precision):
        network = architectures.build("residual", 7, logits=True, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.AdamW(2e-3), loss=loss)
    ends: list[float] = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    pixels = part.images[..., None].astype(np.float32)
    network.fit(pixels, part.labels, batch_size=128, epochs=epochs + 1, verbose=0, callbacks=[note])
    return float(np.diff(ends).min())


def main() -> None:
    """Measure all in turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    data, options = faces(arguments.rows), {}
    fast = resolve_precision("auto")
    rivals = {"ferviz train": (ferviz_seconds, fast), "Keras fit, float32": (keras_seconds, "float32")}
    if fast != "float32":
        rivals[f"Keras fit, {fast}"] = (keras_seconds, fast)
        rivals["ferviz train, float32"] = (ferviz_seconds, "float32")
    best = dict.fromkeys(rivals, float("inf"))
    for _ in range(arguments.rounds):
        for name, (seconds, precision) in rivals.items():
            best[name] = min(best[name], seconds(data, options, arguments.epochs, precision))
    own = best["ferviz train"]
    print(f"residual, {arguments.rows} faces an epoch, batch 128, {fast} where not said")
    for name, seconds in best.items():
        print(f"{name:24s} {arguments.rows / seconds:8.0f} faces/s   ferviz train is {seconds / own:.2f} x as fast")


if __name__ == "__main__":
    main()
