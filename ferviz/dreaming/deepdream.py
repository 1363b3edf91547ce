"""DeepDream: a picture in which a network's response to it is amplified.

Octave by octave: the picture is dreamt at a small size first, and the detail that the dream added is enlarged and carried to the next size,
so that large forms come before small ones (Mordvintsev, Olah and Tyka 2015). A network that takes any size dreams the picture at its own
resolution. One that is tied to its size (Flatten) dreams at that size, on a Laplacian pyramid instead of octaves, and the detail is
enlarged and laid over the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ferviz.dreaming.ascent.ascend import Progress, ascend, open_network
from ferviz.dreaming.ascent.ascent_config import AscentConfig
from ferviz.dreaming.ascent.differentiable import takes_any_size
from ferviz.dreaming.face_statistics import resized
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterizations.spatial import Pixels, Pyramid
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.transforms import Transforms
from ferviz.errors import PictureError, UsageError
from ferviz.models.model import Model

SMALLEST = 16
"""Pixels of the shorter side below which a picture, or an octave, is too small to dream."""

STEP = 0.02
"""Length of a step, as the root mean square change of pixels in 0..1."""

JITTER = Transforms(shift=2.0, rotate=0.0, scale=0.0, contrast=0.0, brightness=0.0, noise=0.0)
"""A picture's own layout has to stay, so views are only shifted; that is enough against the network's grid."""

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""RGB to grey, ITU-R BT.601."""


@dataclass(frozen=True)
class Octaves:
    """The sizes at which a picture is dreamt.

    Attributes:
        count: number of sizes; None = 4, as far as the smallest is large enough.
        ratio: between two sizes, above 1.
        size: the longer side of the largest in pixels; None = the picture's own, at least 192 and at most 512.
    """

    count: int | None = None
    ratio: float = 1.4
    size: int | None = None


@dataclass(frozen=True)
class DeepDreamResult:
    """The result of dreaming a picture, K pictures for K objectives.

    Attributes:
        images: (K, H, W, 3) uint8.
        trace: (K, steps) float32, all octaves one after another.
        frames: (T, K, H, W, 3) uint8, of the last octave.
        sizes: (height, width) of each octave.
        before: (H, W, 3) uint8, the picture itself at the size of the dreams.
    """

    images: np.ndarray = field(repr=False)
    trace: np.ndarray = field(repr=False)
    frames: np.ndarray = field(repr=False)
    sizes: tuple[tuple[int, int], ...]
    before: np.ndarray = field(repr=False)


def deepdream_config(
    steps: int,
    learning_rate: float | None = None,
    samples: int = 4,
    precision: str = "single",
    transforms: Transforms | None = None,
    regularizers: Regularizers | None = None,
) -> AscentConfig:
    """Make the configuration of a DeepDream: normalised steps of a constant length, and views that are only shifted.

    Args:
        steps: number of steps, shared out among the octaves.
        learning_rate: length of a step; None = STEP.
        samples: views per step, where `transforms` are given; else 1.
        precision: "half" or "single".
        transforms: views instead of JITTER.
        regularizers: costs instead of none.

    Returns:
        The configuration; `deepdream` chooses its parameterization.
    """
    return AscentConfig(
        Pixels(deviation=0.0), transforms or JITTER, regularizers or Regularizers(), steps, learning_rate or STEP,
        samples if transforms else 1, settle=0.0, normalized=True, precision=precision,
    )  # fmt: skip


def deepdream(
    model: Model,
    objectives: Sequence[Objective],
    picture: np.ndarray,
    config: AscentConfig,
    *,
    octaves: Octaves,
    seed: int = 0,
    frames: int = 0,
    progress: Progress | None = None,
) -> DeepDreamResult:
    """Dream a picture, once for each objective.

    Args:
        model: the network.
        objectives: what to raise.
        picture: (H, W, 3) uint8.
        config: how to walk, from `deepdream_config`; its steps are shared out among the octaves.
        octaves: the sizes.
        seed: of the views.
        frames: how many pictures of the way to keep.
        progress: called between chunks of steps.

    Returns:
        The pictures and how they were reached.

    Raises:
        PictureError: for a picture that is too small.
        UsageError: for octaves that make no sense.
    """
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST:
        raise PictureError(f"the picture has {width} x {height} pixels; a dream needs at least {SMALLEST} on each side")
    free = takes_any_size(model)
    target = _target(picture, octaves) if free else (height, width)
    sizes = _sizes(target, octaves, max(SMALLEST, min(model.input.size) // 2)) if free else [model.input.size]
    channels = model.input.channels
    base = _resize(picture.astype(np.float32) / 255.0, target)
    config = replace(config, parameterization=Pixels(deviation=0.0) if free else Pyramid())
    shares = [len(part) for part in np.array_split(np.arange(config.steps), len(sizes))]
    detail = np.zeros((len(objectives), *sizes[0], channels), np.float32)
    traces: list[np.ndarray] = []
    done = 0
    for size, steps in zip(sizes, shares, strict=True):
        if not steps:
            continue
        clean = _network_colours(_resize(base, size), channels)
        detail = np.stack([_resize(d, size) for d in detail])

        def report(now: int, _: int, before: int = done) -> None:
            if progress:
                progress(before + now, config.steps)

        result = ascend(
            open_network(model, size), objectives, np.clip(clean + detail, 0.0, 1.0), replace(config, steps=steps),
            seed=seed + len(traces), frames=frames if size == sizes[-1] else 0, progress=report,
        )  # fmt: skip
        detail = result.pictures - clean
        traces.append(result.trace)
        done += steps
    images = [_onto(base, d) for d in detail]
    kept = [[_onto(base, f.astype(np.float32) / 255.0 - clean) for f in frame] for frame in result.frames]
    return DeepDreamResult(
        np.stack(images),
        np.concatenate(traces, 1),
        np.array(kept, np.uint8).reshape(-1, *np.shape(images)),
        tuple(sizes),
        _onto(base, np.zeros((*sizes[-1], channels), np.float32)),
    )


def _target(picture: np.ndarray, octaves: Octaves) -> tuple[int, int]:
    longer = max(picture.shape[:2])
    wanted = octaves.size or min(max(longer, 192), 512)
    if wanted < SMALLEST:
        raise UsageError(f"a dream of {wanted} pixels is too small; ask for at least {SMALLEST}")
    height, width = (max(SMALLEST, round(side * wanted / longer)) for side in picture.shape[:2])
    return height, width


def _sizes(target: tuple[int, int], octaves: Octaves, least: int) -> list[tuple[int, int]]:
    """-> the octaves' sizes, the smallest first, none with a side below `least` except the target itself."""
    if (octaves.count is not None and octaves.count < 1) or octaves.ratio <= 1.0:
        raise UsageError(
            f"octaves need a count of 1 or more and a ratio above 1, not {octaves.count} and {octaves.ratio}"
        )
    count = octaves.count or 4
    scales = [octaves.ratio**-level for level in reversed(range(count))]
    sizes = [(round(target[0] * s), round(target[1] * s)) for s in scales]
    large = [size for size in sizes if min(size) >= least or size == target]
    if octaves.count is not None and len(large) < count:
        raise UsageError(
            f"{count} octaves of ratio {octaves.ratio:g} begin at {sizes[0][1]} x {sizes[0][0]} pixels, which is too small; "
            "ask for fewer octaves or a larger size"
        )
    return large


def _network_colours(base: np.ndarray, channels: int) -> np.ndarray:
    """(h, w, 3) in 0..1 -> (h, w, channels), in grey for a grey network."""
    return base if channels == 3 else (base @ LUMINANCE)[..., None]


def _onto(base: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """Lay detail over the picture, (H, W, 3) uint8; a grey dream changes the luminance and leaves the colours."""
    picture = base + _resize(detail, (base.shape[0], base.shape[1]))
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def _resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, c) -> (*size, c) float32."""
    return np.moveaxis(resized(np.moveaxis(picture, 2, 0), size), 0, 2)
