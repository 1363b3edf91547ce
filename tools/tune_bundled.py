"""`python tools/tune_bundled.py DATA --work FOLDER`: train the bundled network on, so that its Grad-CAM is its Shapley map.

The network keeps its layers. Its logits are a mean over the cells of the last map, so each cell gives each class a part of its
logit: Grad-CAM before its ReLU. Besides classifying (with its present self as the teacher) the network learns that of two
pictures, of which one hides what the other shows, half the difference of the logits is the difference of what the cells give:
evidence then lies where the face is seen that gives it. The answers to both pictures are the learning network's own, so it also
learns to judge by parts.

FOLDER holds the state, from which `--resume` goes on, and tuned.keras, the averaged weights after each epoch. PublicTest measures
every epoch; its copies among the Training rows are left out of what is learned.

References:
    Jethani et al., FastSHAP, ICLR 2022: the loss.
    Alkhatib et al., ViaSHAP, 2025: values learned together with the classifier.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import ferviz
from ferviz.attribution.methods.kernel_shap import draw_coalitions
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.files import atomic
from ferviz.fills import plain_filler
from ferviz.models.architectures import build
from ferviz.models.load import load_model
from ferviz.training.augment import augment
from ferviz.training.config import Augmentation
from ferviz.training.explainer.coalitions import PATCHES, patch_masks

SIZE, CELLS, BATCH = 48, 12, 64
FILLS = ("blur", "mean")  # "harmonic" is held out
TEMPERATURE, DISTILLED, SMOOTHING = 3.0, 0.7, 0.1
LIGHT = Augmentation(flip=0, shift=0, rotate=0, zoom=0, brightness=0.15, contrast=0.15, erase=0, noise=0.02)
SHIFT = 2


class Tuned:
    """The network while it is trained on.

    Args:
        weights: of the bundled network.
        rate: the highest learning rate.
        additive: weight of the additive loss.
        steps: of the whole run.
    """

    def __init__(self, weights: list[np.ndarray], rate: float, additive: float, steps: int) -> None:
        import keras
        import tensorflow as tf

        self.saved = build("residual", 7, seed=0)
        self.saved.set_weights(weights)
        self.teacher = build("residual", 7, seed=0, logits=True)
        self.teacher.set_weights(weights)
        core = build("residual", 7, seed=0, logits=True)
        core.set_weights(weights)
        self.core, self.additive, self.steps = core, additive, steps
        head = core.layers[-1]
        self.network = keras.Model(core.inputs, [core.get_layer("relu8").output, core.output])
        self.head = head
        warm = steps // 20
        self.rate = keras.optimizers.schedules.CosineDecay(
            rate / 20, steps - warm, 0.01, warmup_target=rate, warmup_steps=warm
        )
        self.optimizer = keras.optimizers.AdamW(self.rate, weight_decay=1e-4, global_clipnorm=1.0)
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(core.trainable_variables)
        self.average = [v.numpy().copy() for v in core.trainable_variables]
        self.step = tf.function(self._step, reduce_retracing=True)

    def additive_error(self, maps: Any, shown: Any, covered: Any, masks: Any) -> tuple[Any, Any]:
        """-> mean squared error of the cells' sums, and the mean square of what they should be."""
        import tensorflow as tf

        cells = tf.einsum("nijc,ck->nijk", maps, self.head.kernel) / (CELLS * CELLS)
        cells -= tf.reduce_mean(cells, -1, keepdims=True)
        half = (shown - covered) / 2
        half -= tf.reduce_mean(half, -1, keepdims=True)
        shares = tf.nn.avg_pool2d(masks[..., None], SIZE // CELLS, SIZE // CELLS, "VALID")[..., 0] - 0.5
        sums = tf.einsum("nij,nijk->nk", shares, cells)
        return tf.reduce_mean((sums - half) ** 2), tf.reduce_mean(half**2)

    def _step(self, pictures: Any, filler: Any, masks: Any, labels: Any, ramp: Any) -> tuple[Any, ...]:
        import tensorflow as tf

        count = tf.shape(pictures)[0]
        seen = masks[..., None]
        batch = tf.concat([pictures, pictures * seen + filler * (1 - seen), pictures * (1 - seen) + filler * seen], 0)
        taught = tf.stop_gradient(self.teacher(pictures, training=False))
        with tf.GradientTape() as tape:
            maps, logits = self.network(batch, training=False)
            clean, shown, covered = logits[:count], logits[count : 2 * count], logits[2 * count :]
            error, size = self.additive_error(maps[:count], shown, covered, masks)
            soft = tf.one_hot(labels, 7) * (1 - SMOOTHING) + SMOOTHING / 7
            hard = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft, clean))
            old = tf.nn.softmax(taught / TEMPERATURE)
            kept = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(old, clean / TEMPERATURE)) * TEMPERATURE**2
            loss = (1 - DISTILLED) * hard + DISTILLED * kept + self.additive * ramp * error
        variables = self.core.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, hard, kept, error, size

    def averaged(self) -> list[np.ndarray]:
        """Return the values of all weights, with the average of those that are trained."""
        mean = {id(v): a for v, a in zip(self.core.trainable_variables, self.average, strict=True)}
        return [mean.get(id(v), v.numpy()) for v in self.core.weights]

    def follow(self, momentum: float) -> None:
        """Move the average towards the present weights."""
        for mean, variable in zip(self.average, self.core.trainable_variables, strict=True):
            mean += (1 - momentum) * (variable.numpy() - mean)


def batches(images: np.ndarray, regions: np.ndarray, labels: np.ndarray, seed: int) -> Any:
    """Yield the steps of one epoch: pictures, fillers, masks (1 = seen) and labels."""
    rng = np.random.default_rng(seed)
    patches = patch_masks(SIZE, SIZE)
    order = rng.permutation(len(images))
    for number, start in enumerate(range(0, len(order) - BATCH + 1, BATCH)):
        rows = order[start : start + BATCH]
        pictures = augment(images[rows], LIGHT, rng)
        by_region = number % 3 == 0
        players = len(REGIONS) if by_region else PATCHES**2
        drawn = draw_coalitions(players, BATCH, int(rng.integers(2**31))).members
        drawn = drawn[rng.integers(len(drawn), size=BATCH)] ^ (rng.random((BATCH, 1)) < 0.5)
        if by_region:
            masks = np.einsum("np,npij->nij", drawn.astype(np.float32), regions[rows].astype(np.float32) / 255)
        else:
            masks = np.tensordot(drawn.astype(np.float32), patches, 1)
        if by_region:  # the borders of regions move with the face
            pictures, masks = moved(pictures, masks, rng)
        else:
            pictures, _ = moved(pictures, masks, rng)
        yield pictures, plain_filler(pictures, FILLS[number % 2]), np.clip(masks, 0, 1).astype(np.float32), labels[rows]


def moved(pictures: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return faces mirrored and shifted at random, and their masks with them."""
    pad = ((SHIFT, SHIFT), (SHIFT, SHIFT))
    results = np.empty_like(pictures), np.empty_like(masks)
    for row, (picture, mask) in enumerate(zip(pictures[..., 0], masks, strict=True)):
        top, left = rng.integers(0, 2 * SHIFT + 1, 2)
        mirrored = -1 if rng.random() < 0.5 else 1
        for result, plane in ((results[0][..., 0], picture), (results[1], mask)):
            result[row] = np.pad(plane, pad, mode="edge")[top : top + SIZE, left : left + SIZE][:, ::mirrored]
    return results


def prepared(data: Dataset, work: Path, rows: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, Dataset]:
    """Return pictures, regions (uint8) and labels to learn from, and PublicTest."""
    public, training = data.part("PublicTest"), data.part("Training")
    training = training.take(np.flatnonzero(~also_in(training, public)))
    if rows:
        training, public = training.take(np.arange(rows)), public.take(np.arange(rows))
    images = training.images.reshape(-1, SIZE, SIZE, 1)
    path = work / "regions.npy"
    if not path.exists():
        parts = [
            np.rint(255 * FaceRegions.of(locate_landmarks(as_faces(images[i : i + 512])), (SIZE, SIZE)).masks).astype(
                np.uint8
            )
            for i in range(0, len(images), 512)
        ]
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(parts))
    return images, np.load(path), training.labels.astype(np.int32), public


@click.command()
@click.argument("data")
@click.option("--work", type=click.Path(path_type=Path), required=True)
@click.option("--epochs", default=20, show_default=True)
@click.option("--rate", default=5e-4, show_default=True)
@click.option("--additive", default=1.0, show_default=True, help="Weight of the additive loss.")
@click.option("--rows", type=int, help="Faces of each split, for a trial.")
@click.option("--resume", is_flag=True)
def main(data: str, work: Path, epochs: int, rate: float, additive: float, rows: int | None, resume: bool) -> None:
    """Train the bundled network on with the Training rows of DATA (fer2013.csv)."""
    work.mkdir(parents=True, exist_ok=True)
    images, regions, labels, public = prepared(ferviz.read_data(data), work, rows)
    steps = len(images) // BATCH
    network = load_model(engine="keras")
    tuned = Tuned(network.engine.network.get_weights(), rate, additive, steps * epochs)
    state, first = work / "state.npz", 0
    if resume and state.exists():
        with np.load(state) as arrays:
            first = int(arrays["epoch"])
            for kind, variables in (("w", tuned.core.variables), ("o", tuned.optimizer.variables)):
                for number, variable in enumerate(variables):
                    variable.assign(arrays[f"{kind}{number}"])
            tuned.average = [arrays[f"a{number}"] for number in range(len(tuned.average))]
    for epoch in range(first, epochs):
        started, sums = time.monotonic(), []
        for number, (pictures, filler, masks, targets) in enumerate(batches(images, regions, labels, epoch)):
            ramp = min((epoch * steps + number) / max(2 * steps, 1), 1.0)
            sums.append([float(v) for v in tuned.step(pictures, filler, masks, targets, np.float32(ramp))])
            tuned.follow(min(0.998, 1 - 1 / (epoch * steps + number + 2)))
            if number % 50 == 49:
                click.echo(f"  {number + 1} of {steps}: {np.round(np.mean(sums[-50:], 0), 4)}", err=True)
        tuned.saved.set_weights(tuned.averaged())
        with atomic(work / "tuned.keras") as temporary:
            tuned.saved.save(temporary)
        answers = tuned.saved.predict(
            public.images.reshape(-1, SIZE, SIZE, 1).astype(np.float32), batch_size=256, verbose=0
        )
        loss, hard, kept, error, size = np.mean(sums, 0)
        row = {
            "epoch": epoch + 1, "loss": loss, "hard": hard, "kept": kept, "unexplained": error / size,
            "public": float((answers.argmax(1) == public.labels).mean()), "seconds": time.monotonic() - started,
        }  # fmt: skip
        click.echo(json.dumps({name: round(float(value), 4) for name, value in row.items()}))
        arrays = {"epoch": np.array(epoch + 1)}
        arrays |= {f"w{n}": v.numpy() for n, v in enumerate(tuned.core.variables)}
        arrays |= {f"o{n}": v.numpy() for n, v in enumerate(tuned.optimizer.variables)}
        arrays |= {f"a{n}": a for n, a in enumerate(tuned.average)}
        with atomic(state) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)


if __name__ == "__main__":
    main()
