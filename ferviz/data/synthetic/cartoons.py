"""Cartoon faces whose decisive region is known: a data set with the answer, to test attribution methods with.

A face is drawn from twenty numbers (`Parameters`). A task determines which part decides the class; every other part, the pose, the
light, the noise and a watermark-like sign in a corner vary at random and are independent of the class. The mask of a picture covers
exactly the pixels that can change when its class alone is changed: what lies outside of it cannot be evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.synthetic.canvas import Canvas
from ferviz.emotions import FER2013, label_scheme
from ferviz.registry import Registry

Floats = np.ndarray


@dataclass(frozen=True)
class Parameters:
    """N faces as numbers; each field is an (N,) float array. Lengths are in half heads: the head is 2 high, x to the right, y down.

    Attributes:
        smile: height of the mouth's corners above its middle, -0.2 (frown) to 0.2.
        gape: half the mouth's opening, 0 to 0.2.
        mouth_width: half the mouth's width.
        brow: height of the brows' outer ends above the inner ones, -0.12 (sad) to 0.12 (angry).
        lift: how far the brows are raised.
        eye: half the eyes' opening, 0.02 (shut) to 0.16 (wide).
        gaze: place of the pupils, -0.07 to 0.07.
        wrinkle: contrast of the lines above the nose, 0 to 1.
        nose: its width.
        mark: the sign in the corner: 0 none, 1 square, 2 ring.
        x, y: the head's place, in pixels from the centre.
        turn: rotation in radians, clockwise.
        scale: pixels in a half head.
        skin, ground, hair: grey levels.
        light_x, light_y: relative gain from one border to the other.
        noise: standard deviation in grey levels.
    """

    smile: Floats
    gape: Floats
    mouth_width: Floats
    brow: Floats
    lift: Floats
    eye: Floats
    gaze: Floats
    wrinkle: Floats
    nose: Floats
    mark: Floats
    x: Floats
    y: Floats
    turn: Floats
    scale: Floats
    skin: Floats
    ground: Floats
    hair: Floats
    light_x: Floats
    light_y: Floats
    noise: Floats

    def __len__(self) -> int:
        return len(self.smile)

    def take(self, which: slice | np.ndarray) -> Parameters:
        """Return a part of the faces.

        Args:
            which: a slice, a mask (N,), or indices.
        """
        return Parameters(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


@dataclass(frozen=True)
class Task:
    """A rule that decides the class.

    Attributes:
        names: the class names.
        regions: the names in REGIONS that hold the evidence.
        decide: a function from (parameters, labels (N,) int64, rng) to parameters whose decisive parts show these labels.
    """

    names: tuple[str, ...]
    regions: tuple[str, ...]
    decide: Callable[[Parameters, np.ndarray, np.random.Generator], Parameters]


@dataclass(frozen=True)
class CartoonSet:
    """Cartoon faces with their answers.

    Attributes:
        images: (N, S, S) uint8.
        labels: (N,) int64, an index into `names`.
        masks: (N, S, S) bool, the pixels that decide the class.
        names: the class names.
        parameters: the numbers that each face was drawn from.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    masks: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    parameters: Parameters = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def dataset(self, held_out: float = 0.2) -> Dataset:
        """Return the faces as a Dataset with the splits "Training" and "PublicTest".

        Args:
            held_out: share of the faces, the last ones, in "PublicTest"; 0 to 1.
        """
        rows = np.arange(len(self), dtype=np.int64)
        split = np.where(rows < round(len(self) * (1 - held_out)), "Training", "PublicTest")
        return Dataset(self.images, self.labels, split, rows, label_scheme(self.names), source="cartoons")


REGIONS: dict[str, tuple[float, float, float, float]] = {
    "brows": (-0.62, -0.72, 0.62, -0.21),
    "eyes": (-0.6, -0.38, 0.6, 0.1),
    "nose": (-0.24, -0.22, 0.24, 0.16),
    "mouth": (-0.54, 0.21, 0.54, 0.84),
}
"""Part -> the box (left, top, right, bottom) in half heads that holds every drawing of it; "mark" is in the picture's corner."""


def make(n: int, seed: int = 0, task: str = "mouth", size: int = 48) -> CartoonSet:
    """Return faces of a task, every class equally often (up to one face), in random order.

    Args:
        n: how many.
        seed: seed of everything that is random.
        task: a name in TASKS.
        size: side of the pictures in pixels.

    Raises:
        UnknownNameError: there is no such task.
    """
    chosen = TASKS[task]
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(chosen.names)).astype(np.int64)
    parameters = chosen.decide(nuisance(n, rng, size), labels, rng)
    return CartoonSet(
        draw(parameters, rng, size), labels, region(parameters, chosen.regions, size), chosen.names, parameters
    )


def nuisance(n: int, rng: np.random.Generator, size: int = 48) -> Parameters:
    """Return faces with every part, pose and light at random; no two parts depend on each other.

    Args:
        n: how many.
        rng: the source of every random number.
        size: side of the pictures in pixels.
    """

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, n)

    pixel = size / 48
    return Parameters(
        smile=between(-0.2, 0.2), gape=between(0, 1) ** 2 * 0.2, mouth_width=between(0.22, 0.38),
        brow=between(-0.12, 0.12), lift=between(-0.03, 0.1), eye=between(0.03, 0.15), gaze=between(-0.06, 0.06),
        wrinkle=between(0, 1) * (between(0, 1) < 0.5), nose=between(0.06, 0.12), mark=rng.integers(0, 3, n).astype(float),
        x=between(-2, 2) * pixel, y=between(-2, 2) * pixel, turn=between(-0.2, 0.2), scale=between(20, 23) * pixel,
        skin=between(135, 215), ground=between(20, 235), hair=between(15, 110),
        light_x=between(-0.35, 0.35), light_y=between(-0.25, 0.25), noise=between(2, 10),
    )  # fmt: skip


def draw(parameters: Parameters, rng: np.random.Generator | None = None, size: int = 48, chunk: int = 64) -> np.ndarray:
    """Return drawings of faces, (N, size, size) uint8.

    Args:
        parameters: the N faces.
        rng: the source of the noise; None for no noise.
        size: side of the pictures in pixels.
        chunk: faces that are drawn at once, which bounds the memory and changes nothing else.
    """
    out = np.empty((len(parameters), size, size), np.uint8)
    for start in range(0, len(parameters), chunk):
        part = slice(start, start + chunk)
        faces = parameters.take(part)
        picture = _draw(faces, size)
        if rng is not None:
            picture += rng.standard_normal(picture.shape, np.float32) * faces.noise[:, None, None].astype(np.float32)
        out[part] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return out


def region(parameters: Parameters, parts: tuple[str, ...], size: int = 48) -> np.ndarray:
    """Return the pixels that some parts can touch in each face's pose, (N, size, size) bool, edge pixels included.

    Args:
        parameters: the N faces.
        parts: names in REGIONS, or "mark".
        size: side of the pictures in pixels.
    """
    canvas = Canvas(parameters.x, parameters.y, parameters.turn, parameters.scale, size)
    out = np.zeros((len(parameters), size, size), bool)
    for part in parts:
        if part == "mark":
            low = size - 9 * size // 48
            out[:, low:, low:] = True
            continue
        left, top, right, bottom = REGIONS[part]
        edge = 0.5 / canvas.scale  # half a pixel: the soft edge of what is drawn
        out |= (
            (canvas.x >= left - edge)
            & (canvas.x <= right + edge)
            & (canvas.y >= top - edge)
            & (canvas.y <= bottom + edge)
        )
    return out


def _draw(p: Parameters, size: int) -> np.ndarray:
    c = Canvas(p.x, p.y, p.turn, p.scale, size)
    c.fill(p.ground)
    c.paint(c.ellipse(0, -0.04, 0.84, 1.0), p.hair)
    c.paint(np.minimum(c.ellipse(0, 0.06, 0.76, 0.94), c.below(-0.72)), p.skin)
    c.multiply(1.06 - 0.22 * np.minimum(c.x**2 + c.y**2, 1.5))  # a head is round: darker towards its edge
    dark = p.skin * 0.2
    for side in (-1, 1):
        opening = c.ellipse(side * 0.33, -0.14, 0.19, p.eye)
        c.paint(c.ellipse(side * 0.33, -0.14, 0.23, p.eye + 0.04), p.skin * 0.55)
        c.paint(opening, p.skin * 0.3 + 170)
        c.paint(np.minimum(opening, c.ellipse(side * 0.33 + p.gaze, -0.14, 0.1, 0.1)), 25)
        inner, outer = -0.44 - p.lift + p.brow, -0.44 - p.lift - p.brow
        c.paint(c.line(side * 0.16, inner, side * 0.54, outer, 0.05), dark)
    for height in (-0.12, -0.02, 0.08):
        c.paint(c.line(-0.14, height + 0.02, 0.14, height - 0.02, 0.018) * p.wrinkle[:, None, None], dark)
    c.paint(c.line(0, 0.0, 0.02, 0.26, 0.02), p.skin * 0.75)
    for side in (-1, 1):
        c.paint(c.ellipse(side * p.nose, 0.29, 0.045, 0.03), p.skin * 0.45)
    c.paint(c.mouth(0, 0.52, p.mouth_width + 0.04, p.smile, p.gape + 0.05), p.skin * 0.5)
    c.paint(c.mouth(0, 0.52, p.mouth_width, p.smile, p.gape), 20)
    c.light(p.light_x, p.light_y)
    c.mark(p.mark)
    return c.picture


def _mouth(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    jitter = rng.uniform(-0.04, 0.04, len(p))
    return replace(
        p,
        smile=np.choose(labels, [0.16, -0.16, 0.0]) + jitter,
        gape=np.choose(labels, [0.02, 0.0, 0.16]) + np.abs(jitter) / 2,
        mouth_width=np.choose(labels, [0.36, 0.32, 0.2]) + jitter / 2,
    )


def _brows(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    jitter = rng.uniform(-0.03, 0.03, len(p))
    return replace(p, brow=np.choose(labels, [0.1, -0.1, 0.0]) + jitter, lift=rng.uniform(-0.02, 0.08, len(p)))


def _eyes(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    return replace(p, eye=np.choose(labels, [0.15, 0.09, 0.03]) + rng.uniform(-0.01, 0.01, len(p)))


def _nose(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    return replace(p, wrinkle=np.where(labels == 0, rng.uniform(0.6, 1, len(p)), 0.0))


def _mark(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    return replace(p, mark=labels + 1.0)


def _both(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    # Neither part decides anything alone: the class is whether a smile goes with sad brows (or a frown with angry ones), or not.
    smiles = rng.integers(0, 2, len(p))
    p = _mouth(p, 1 - smiles, rng)
    return _brows(p, np.where(labels == 0, 1 - smiles, smiles), rng)


def _emotions(p: Parameters, labels: np.ndarray, rng: np.random.Generator) -> Parameters:
    # angry, disgust, fear, happy, sad, surprise, neutral, after Ekman's action units, as far as these few parts can act them.
    def wobble(values: list[float], spread: float) -> Floats:
        return np.choose(labels, values) + rng.uniform(-spread, spread, len(p))

    return replace(
        p,
        smile=wobble([-0.1, -0.12, -0.05, 0.16, -0.16, 0.0, 0.0], 0.04),
        gape=np.abs(wobble([0.0, 0.02, 0.1, 0.03, 0.0, 0.17, 0.0], 0.02)),
        mouth_width=wobble([0.28, 0.28, 0.36, 0.36, 0.3, 0.2, 0.28], 0.02),
        brow=wobble([0.11, 0.05, -0.08, 0.0, -0.11, 0.0, 0.0], 0.025),
        lift=wobble([-0.03, -0.02, 0.08, 0.02, 0.02, 0.1, 0.02], 0.02),
        eye=wobble([0.09, 0.05, 0.15, 0.07, 0.06, 0.15, 0.1], 0.015),
        wrinkle=np.clip(wobble([0.2, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0], 0.1), 0, 1),
    )


TASKS: Registry[Task] = Registry("cartoon task")
for _name, _summary, _task in (
    ("mouth", "the mouth alone decides", Task(("happy", "sad", "surprise"), ("mouth",), _mouth)),
    ("brows", "the brows alone decide", Task(("angry", "sad", "neutral"), ("brows",), _brows)),
    ("eyes", "the opening of the eyes alone decides", Task(("surprise", "neutral", "disgust"), ("eyes",), _eyes)),
    ("nose", "wrinkles over the nose decide", Task(("disgust", "neutral"), ("nose",), _nose)),
    ("mark", "a sign in the picture's corner decides, the face does not matter", Task(("happy", "sad"), ("mark",), _mark)),
    ("both", "mouth and brows decide together, neither decides anything alone", Task(("mixed", "matched"), ("mouth", "brows"), _both)),
    ("emotions", "seven expressions, each shown by all parts", Task(FER2013, ("brows", "eyes", "nose", "mouth"), _emotions)),
):  # fmt: skip
    TASKS.add(_name, _summary, _task)
