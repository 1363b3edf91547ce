"""`python tools/train_landmarks.py fer2013.csv yunet.onnx FOLDER`: train the landmark network that ferviz brings along.

YuNet labels FER2013's faces (Training rows to learn from, PublicTest rows to choose by), a small network learns to give the same five
points from 48 x 48 pixels, and becomes ferviz/assets/landmarks.tflite. FOLDER keeps the labels and the state after every epoch: a run
that was stopped goes on where it was. Training pictures whose pixels are those of a PublicTest picture are left out.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from ferviz.data.read import read_data
from ferviz.faces.landmarks.landmark_network import ASSET, SCALE, LandmarkNetwork, normalised
from ferviz.faces.landmarks.points import SIDE, TEMPLATE, mirrored
from ferviz.faces.landmarks.yunet_views import MAX_SCATTER, MIN_SCORE, YuNetViews
from ferviz.files import atomic, write_text

BATCH, NEGATIVES = 64, 6  # faces in a step, and pictures among them that are made into no faces
WIDTHS = ((18, 2), (32, 1), (32, 2), (64, 1), (64, 2), (88, 1))  # channels and stride of each convolution


@click.command()
@click.argument("data", type=click.Path(exists=True))
@click.argument("yunet", type=click.Path(exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--epochs", default=16, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=ASSET, show_default=True)
def main(data: str, yunet: str, folder: Path, epochs: int, seed: int, out: Path) -> None:
    """Label DATA (fer2013.csv) with YUNET, train, and write the network to OUT."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = {}
    for split in ("PublicTest", "Training"):
        faces = read_data(data, split=split)
        emotions = np.array([faces.names[label] for label in faces.labels])
        splits[split] = Split.read(faces.images, emotions, YuNetViews(yunet), folder / f"{split}.npz")
    test, training = splits["PublicTest"], splits["Training"].without(splits["PublicTest"])
    click.echo(
        f"{training.reliable.sum()} of {len(training)} Training faces and {test.reliable.sum()} of {len(test)} PublicTest"
    )
    best = train(training, test, folder / f"seed{seed}.npz", epochs, seed)
    content = to_tflite(best)
    with atomic(out) as temporary:
        temporary.write_bytes(content)
    figures = evaluate(content, test)
    write_text(folder / "figures.json", json.dumps(figures, indent=1))
    click.echo(json.dumps(figures, indent=1))


class Split:
    """Faces and what YuNet says about them.

    Attributes:
        images: (N, 48, 48) uint8.
        emotions: (N,) names.
        points: (N, 5, 2), the mean of YuNet's two views, in pixels.
        reliable: (N,) bool, both views have a face and agree.
    """

    def __init__(self, images: np.ndarray, emotions: np.ndarray, points: np.ndarray, reliable: np.ndarray) -> None:
        self.images, self.emotions, self.points, self.reliable = images, emotions, points, reliable

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def read(cls, images: np.ndarray, emotions: np.ndarray, yunet: YuNetViews, path: Path) -> Split:
        """Return the faces with their labels, which are kept in a file."""
        if not path.is_file():
            views = [yunet.views(image, retry=False) for image in images]
            np.savez(path, points=np.stack([v.points for v in views]), scores=np.stack([v.scores for v in views]))
        with np.load(path) as file:
            points, scores = file["points"], file["scores"]
        mean = points.mean(1)
        scatter = np.sqrt(((points - mean[:, None]) ** 2).sum(-1).mean((1, 2)))
        reliable = (scores.min(1) > MIN_SCORE) & (np.nan_to_num(scatter, nan=np.inf) < MAX_SCATTER)
        return cls(
            images.reshape(-1, SIDE, SIDE), emotions, np.where(reliable[:, None, None], mean, TEMPLATE), reliable
        )

    def without(self, other: Split) -> Split:
        """Return these faces without those whose pixels are also in another split."""
        known = {image.tobytes() for image in other.images}
        keep = np.array([image.tobytes() not in known for image in self.images])
        return Split(self.images[keep], self.emotions[keep], self.points[keep], self.reliable[keep])


def batches(split: Split, rng: np.random.Generator) -> Any:
    """Yield the batches of one epoch: pictures, targets (x, y of five points in units of the network), reliable."""
    order = rng.permutation(len(split))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        index = order[start : start + BATCH]
        pictures, targets = zip(*(augmented(split.images[i], split.points[i], rng) for i in index), strict=True)
        batch, reliable = np.stack(pictures), split.reliable[index].copy()
        for i in range(NEGATIVES):
            batch[i], reliable[i] = no_face(batch[i], rng), False
        offsets = ((np.stack(targets) - TEMPLATE).reshape(-1, 10) / SCALE).astype(np.float32)
        yield normalised(batch), offsets, reliable.astype(np.float32)


def augmented(image: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn, scale, shift and mirror a face, change its light, and move its points along."""
    if rng.random() < 0.5:
        image, points = image[:, ::-1], mirrored(points, SIDE)
    angle, scale = rng.uniform(-18, 18), np.exp(rng.uniform(-0.2, 0.2))
    centre = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle, scale)
    matrix[:, 2] += rng.uniform(-4, 4, 2)
    border = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)[rng.integers(3)]
    values = image.astype(np.float32)
    turned = cv2.warpAffine(
        np.ascontiguousarray(values), matrix, (SIDE, SIDE), None, cv2.INTER_LINEAR, border, float(values.mean())
    )
    if rng.random() < 0.3:
        turned = cv2.GaussianBlur(turned, (0, 0), rng.uniform(0.4, 1.2))
    turned = 255 * (np.clip(turned, 0, 255) / 255) ** np.exp(rng.uniform(-0.4, 0.4))
    turned = turned + rng.normal(0, rng.uniform(0, 6), turned.shape)
    return turned.astype(np.float32), points @ matrix[:, :2].T + matrix[:, 2]


def no_face(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a picture without a face from one with: shuffled, on its head, a detail, smooth noise, or flat."""
    kind = rng.integers(5)
    if kind == 0:
        tiles = rng.permutation(picture.reshape(4, 12, 4, 12).swapaxes(1, 2).reshape(16, 12, 12))
        return tiles.reshape(4, 4, 12, 12).swapaxes(1, 2).reshape(SIDE, SIDE)
    if kind == 1:
        return np.rot90(picture, rng.integers(1, 4)).copy()
    if kind == 2:
        y, x = rng.integers(0, SIDE - 14, 2)
        return cv2.resize(picture[y : y + 14, x : x + 14], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if kind == 3:
        side = int(rng.integers(2, 24))
        noise = rng.normal(128, 50, (side, side)).astype(np.float32)
        return cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.full_like(picture, rng.uniform(0, 255)) + rng.normal(0, 4, picture.shape).astype(np.float32)


def network(seed: int) -> Any:
    """Return the untrained network: (N, 48, 48, 1) -> ten coordinates, log-variance, logit of being reliable."""
    import keras

    keras.utils.set_random_seed(seed)
    picture = x = keras.Input((SIDE, SIDE, 1))
    for channels, stride in WIDTHS:
        x = keras.layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.98)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.ReLU()(keras.layers.Conv2D(24, 1)(x))
    x = keras.layers.Flatten()(x)
    points = keras.layers.Dense(10, kernel_initializer="zeros")(x)
    doubts = keras.layers.Dense(2, kernel_initializer="zeros")(keras.layers.Dense(16, activation="relu")(x))
    return keras.Model(picture, keras.layers.Concatenate()([points, doubts]))


def train(training: Split, test: Split, state: Path, epochs: int, seed: int) -> Any:
    """Train, and return the network with the weights of the epoch that was best on PublicTest."""
    import keras
    import tensorflow as tf

    net = network(seed)
    steps = len(training) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * steps, alpha=0.01)
    optimizer = keras.optimizers.Adam(rate, clipnorm=5.0)
    optimizer.build(net.trainable_variables)

    @tf.function
    def step(pictures: Any, targets: Any, reliable: Any) -> Any:
        with tf.GradientTape() as tape:
            out = net(pictures, training=True)
            error = out[:, :10] - targets
            distance = tf.reduce_sum(tf.sqrt(error**2 + 0.01), 1)
            # The variance learns from the error, not the error from the variance: doubt must not excuse a face.
            square = tf.stop_gradient(tf.reduce_sum(error**2, 1) / 10)
            doubt = square * tf.exp(-out[:, 10]) + out[:, 10]
            seen = tf.nn.sigmoid_cross_entropy_with_logits(reliable, out[:, 11])
            loss = tf.reduce_mean(reliable * (distance + 0.1 * doubt) + 0.5 * seen)
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        return loss

    variables = [*net.variables, *optimizer.variables]
    start, best, best_weights = 0, np.inf, net.get_weights()
    if state.is_file():
        with np.load(state) as file:
            start, best = int(file["epoch"]), float(file["best"])
            for i, variable in enumerate(variables):
                variable.assign(file[f"v{i}"])
            best_weights = [file[f"b{i}"] for i in range(len(best_weights))]
    for epoch in range(start, epochs):
        losses = [float(step(*batch)) for batch in batches(training, np.random.default_rng([seed, epoch]))]
        error = mean_error(lambda batch: net(batch, training=False).numpy(), test)
        click.echo(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, {error:.3f} px on PublicTest")
        if error < best:
            best, best_weights = error, net.get_weights()
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(variables)}
        arrays |= {f"b{i}": w for i, w in enumerate(best_weights)}
        np.savez(state.with_suffix(".tmp.npz"), epoch=epoch + 1, best=best, **arrays)
        state.with_suffix(".tmp.npz").replace(state)
    net.set_weights(best_weights)
    return net


def mean_error(run: Any, test: Split) -> float:
    """Return the mean distance to YuNet in pixels, both mirror views averaged."""
    both = [run(normalised(images)) for images in (test.images, test.images[:, :, ::-1])]
    points, other = (out[:, :10].reshape(-1, 5, 2) * SCALE + TEMPLATE for out in both)
    mean = (points + mirrored(other, SIDE)) / 2
    return float(np.linalg.norm(mean - test.points, axis=-1)[test.reliable].mean())


def to_tflite(net: Any) -> bytes:
    """Return the network as a LiteRT file with half-precision weights."""
    import tensorflow as tf

    function = tf.function(lambda picture: {"landmarks": net(picture, training=False)})
    signature = tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32, name="picture")
    module = tf.Module()
    module.weights, module.run = [variable.value for variable in net.variables], function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"landmarks": function.get_concrete_function(signature)})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, ["landmarks"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        content: bytes = converter.convert()
    return content


def evaluate(content: bytes, test: Split) -> dict[str, Any]:
    """Return the figures of a network's file on PublicTest, against the mean of YuNet's two views, beside those of the template."""
    points, expected, face = LandmarkNetwork(content)(test.images)
    known = test.reliable
    truth = test.points[known]
    distance = np.linalg.norm(points[known] - truth, axis=-1)
    eyes = np.linalg.norm(truth[:, 1] - truth[:, 0], axis=-1)
    rng = np.random.default_rng(0)
    rest = np.stack([no_face(image.astype(np.float32), rng) for image in test.images])
    return {
        "faces": int(known.sum()),
        "bytes": len(content),
        "network": _distances(distance, eyes),
        "template": _distances(np.linalg.norm(TEMPLATE - truth, axis=-1), eyes),
        "by emotion": {
            str(name): round(float(distance[test.emotions[known] == name].mean()), 3)
            for name in np.unique(test.emotions)
        },
        "rank correlation of expected and true error": round(_rank_correlation(expected[known], distance.mean(1)), 3),
        "expected error": round(float(expected[known].mean()), 3),
        "face probability below .5": {
            "reliable": round(float((face[known] < 0.5).mean()), 4),
            "others": round(float((face[~known] < 0.5).mean()), 4),
            "no faces": round(float((LandmarkNetwork(content)(rest)[2] < 0.5).mean()), 4),
        },
    }


def _distances(distance: np.ndarray, eyes: np.ndarray) -> dict[str, float]:
    """distance: (N, 5) in pixels. eyes: (N,), the distance of the eyes, by which the normalised mean error is divided."""
    nme = distance.mean(1) / eyes
    figures = {
        "mean px": distance.mean(),
        "median face px": np.median(distance.mean(1)),
        "p95 px": np.quantile(distance, 0.95),
        "nme": nme.mean(),
        "nme above .15": (nme > 0.15).mean(),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
