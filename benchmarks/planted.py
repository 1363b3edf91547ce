"""Planted truth on faces: the region that decides is known, because it was put there. The tables of benchmarks/results.md.

    python benchmarks/planted.py fer2013.csv [--faces 24] [--methods rise,shapley] [--only means|transplant]

*means*: a linear network on the mean of one region (each of the eight in turn), which is the only region of any value, exactly; the region
is brightened on every face, so that whatever stands in hidden pixels' place, it speaks for the class.
*transplant*: a small network learns to tell smiles from the open mouths of surprise, where these mouths were transplanted into other
faces (Training rows), whose own class is as random as their framing. It is asked about such faces of PublicTest that it answers rightly.

Printed for each method: how often the highest value lies in the region, what share of the positive evidence lies there, that share over the
region's own share of the picture (1 = chance), and how often the region has the most evidence of the eight.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable

import cv2
import numpy as np
from trust import unseen
from truth import network

import ferviz
from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.maps.metrics import mass_inside, pointing_game
from ferviz.attribution.methods.registry import METHODS
from ferviz.data.dataset import Dataset
from ferviz.engines.backend import keras as get_keras
from ferviz.engines.keras import KerasEngine
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE, crop_landmarks, locate_landmarks
from ferviz.faces.landmarks.points import TEMPLATE, affine
from ferviz.faces.regions import REGIONS, hard_masks, region_masks
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIZE = (48, 48)
MOUTH = REGIONS.index("mouth")
DONORS = ("happy", "surprise")


def located(images: np.ndarray) -> list[Face]:
    """Return faces with landmarks of their own; those without are left out."""
    return [face for face in locate_landmarks(as_faces(images)) if face.landmark_source != TEMPLATE_SOURCE]


def transplant(base: Face, donor: Face) -> Face:
    """Return a face with another one's mouth, at its own mouth's place and as bright as that was."""
    own, other = (np.vstack([affine(crop_landmarks(face)), [0, 0, 1]]) for face in (base, donor))
    moved = cv2.warpAffine(
        donor.pixels[..., 0].astype(np.float32),
        (own @ np.linalg.inv(other))[:2],
        SIZE[::-1],
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask, picture = region_masks(crop_landmarks(base)[None], SIZE)[0, MOUTH], base.pixels[..., 0].astype(np.float32)
    moved += ((picture - moved) * mask).sum() / mask.sum()
    pixels = np.clip(np.rint(picture + mask * (moved - picture)), 0, 255).astype(np.uint8)
    return Face(np.repeat(pixels[..., None], 3, -1), landmarks=base.landmarks, landmark_source=base.landmark_source)


def transplanted(data: Dataset, count: int, seed: int) -> tuple[list[Face], np.ndarray]:
    """Return faces with the mouth of a happy (0) or a surprised (1) one."""
    rng = np.random.default_rng(seed)
    names = np.array(data.scheme.labels)[data.labels]
    pools = [located(data.images[rng.permutation(np.flatnonzero(names == name))[: count // 2]]) for name in DONORS]
    bases = located(data.images[rng.permutation(len(data))[:count]])
    labels = rng.integers(0, 2, len(bases))
    return [
        transplant(base, pools[label][rng.integers(len(pools[label]))])
        for base, label in zip(bases, labels, strict=True)
    ], labels


def learned(data: Dataset, count: int, epochs: int, seed: int) -> Model:
    """Return a network that has learned to tell transplanted mouths apart."""
    keras = get_keras()
    faces, labels = transplanted(data.part("Training"), count, seed)
    pixels = np.stack([face.pixels[..., :1] for face in faces]) / np.float32(255)
    net, batches = network(2, seed), -(-len(faces) // 32)
    net.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, epochs * batches)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(faces)), batches):
            mirrored = rng.random(len(rows)) < 0.5
            net.train_on_batch(
                np.where(mirrored[:, None, None, None], pixels[rows][:, :, ::-1], pixels[rows]), labels[rows]
            )
    return Model("transplanted", "", DONORS, InputSpec(*SIZE, 1), KerasEngine(net))


def region_mean(region: int) -> Model:
    """Return a linear network whose first logit is the mean of one region of a typical face."""
    keras = get_keras()
    picture = keras.layers.Input((*SIZE, 1))
    pixels = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="pixels")(picture)
    net = keras.Model(picture, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(pixels)))
    mask = region_masks(np.asarray(TEMPLATE, np.float64)[None], SIZE)[0, region]
    weights = np.stack([mask.ravel() / mask.sum(), np.zeros(mask.size)], axis=1)
    net.set_weights([np.ones((1, 1, 1, 1)), 6 * weights, np.array([-3.0, 0])])
    return Model(f"mean-of-{REGIONS[region]}", "", ("bright", "dark"), InputSpec(*SIZE, 1), KerasEngine(net))


def brightened(images: np.ndarray, region: int) -> list[Face]:
    """Return faces, framed as a typical one, with a region that is brighter than all around it."""
    points = np.asarray(TEMPLATE, np.float32)
    mask = region_masks(points[None].astype(float), SIZE)[0, region]
    pixels = np.rint(0.5 * images * (1 - mask) + mask * (150 + 0.4 * images)).clip(0, 255).astype(np.uint8)
    return [Face(np.repeat(part[..., None], 3, -1), landmarks=points, landmark_source="detector") for part in pixels]


def hits(model: Model, faces: list[Face], region: int, target: str, name: str) -> dict[str, list[float]]:
    """Return for each face: is the highest value in the region, the evidence there, the region's share, is it on top."""
    maps = AttributionJob.prepare(model, name, target).explain(faces).heatmaps[:, 0]
    masks = region_masks(np.stack([crop_landmarks(face) for face in faces]), SIZE)
    inside = hard_masks(masks)[:, region]
    evidence = np.einsum("nhw,nrhw->nr", np.maximum(maps, 0), masks)
    top = (evidence.argmax(1) == region) & (evidence.max(1) > 0)
    columns = (pointing_game(maps, inside), mass_inside(maps, inside), inside.mean((1, 2)), top)
    return {
        key: values.astype(float).tolist()
        for key, values in zip(("point", "mass", "chance", "top"), columns, strict=True)
    }


def table(title: str, rows: Iterable[tuple[str, dict[str, list[float]]]]) -> None:
    """Print one line a method."""
    print(
        f"\n{title}\n\n| method | highest value in the region | evidence in the region | x chance | region on top |\n|---|---|---|---|---|"
    )
    for name, row in rows:
        point, mass, chance, top = (np.mean(row[key]) for key in ("point", "mass", "chance", "top"))
        print(f"| {name} | {point:.0%} | {mass:.0%} | {mass / chance:.1f} | {top:.0%} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("--faces", type=int, default=24, help="of each table")
    parser.add_argument("--training", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--methods", help="names with commas between; none = all")
    parser.add_argument("--only", choices=("means", "transplant"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = ferviz.read_data(options.data)
    test = unseen(data)
    names = options.methods.split(",") if options.methods else [name for name in METHODS if ":" not in name]
    if options.only != "transplant":
        images = test.images[
            np.random.default_rng(options.seed).permutation(len(test))[: max(1, options.faces // len(REGIONS))]
        ]
        cases = [(region_mean(region), brightened(images, region), region) for region in range(len(REGIONS))]

        def means(name: str) -> dict[str, list[float]]:
            answers: dict[str, list[float]] = defaultdict(list)
            for model, faces, region in cases:
                for key, values in hits(model, faces, region, "bright", name).items():
                    answers[key] += values
            return answers

        table(
            f"linear on the mean of one region, {len(images) * len(REGIONS)} faces",
            ((name, means(name)) for name in names),
        )
    if options.only != "means":
        model = learned(data, options.training, options.epochs, options.seed)
        faces, labels = transplanted(test, 8 * options.faces, options.seed + 1)
        right = model.logits(np.stack([face.pixels[..., 0] for face in faces])).argmax(1) == labels
        chosen = [face for face, good in zip(faces, right, strict=True) if good][: options.faces]
        title = f"transplanted mouths: {right.mean():.1%} of {len(faces)} new faces right, {len(chosen)} explained"
        table(title, ((name, hits(model, chosen, MOUTH, "predicted", name)) for name in names))


if __name__ == "__main__":
    main()
