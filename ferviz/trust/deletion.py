"""Deletion and insertion: how a target's score falls when a map's strongest pixels go first, and rises when they come first.

Deletion alone, or insertion alone, misleads: scattered grey destroys texture, so that random pixels "explain" better than a heatmap.
Their difference, the area between the two curves, is zero for random orders whatever stands in the hidden pixels' place.

References:
    Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018 (deletion and insertion).
    Bluecher, Vielhaben and Strodthoff, Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI Benchmarks, TMLR 2024
    (their difference, SRG, ranks methods the same under every fill).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ferviz.engines.base import Array
from ferviz.fills import harmonic, plain_filler

FILLS = ("mean", "blur", "harmonic")
"""What stands in the hidden pixels' place, of `ferviz.fills`: a conclusion has to hold under all of them."""

STEPS = 12
"""Steps from the whole picture to the hidden one."""

QUICK_STEPS = 6
"""Steps where a test has to be quick; down to four the order of methods stays the same."""

Scores = Callable[[Array, np.ndarray], Array]
"""(pictures (M, h, w, c) from 0 to 255, sample index (M,)) -> the scores (M, T) of each picture's T targets."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The scores on the way from the whole picture to the hidden one and back, for N pictures, M maps, T targets, F fills.

    Attributes:
        fills: names of the F fills.
        deletion: (N, M, T, F, steps + 1) float32, the scores with the first 0, 1/steps ... 1 of the pixels hidden.
        insertion: as `deletion`, with only these pixels to be seen.
    """

    fills: tuple[str, ...]
    deletion: Array = field(repr=False)
    insertion: Array = field(repr=False)

    @cached_property
    def srg(self) -> Array:
        """(N, M, T, F), the area under insertion less the area under deletion: > 0 where the order knows what the network needs."""
        return area(self.insertion) - area(self.deletion)

    @cached_property
    def gap(self) -> Array:
        """(N, T, F), what hiding the whole picture takes from each score."""
        return self.deletion[:, 0, :, :, 0] - self.deletion[:, 0, :, :, -1]

    @property
    def normalised(self) -> Array:
        """(N, M, T, F), `srg` as a share of `gap`; NaN where the gap is zero."""
        gap = self.gap[:, None]
        return np.divide(self.srg, gap, out=np.full_like(self.srg, np.nan), where=gap != 0)


def area(curve: Array) -> Array:
    """Return the area under curves over 0..1 by the trapezoidal rule.

    Args:
        curve: (..., steps + 1), equally spaced.

    Returns:
        (...).
    """
    inner: Array = (curve[..., 1:] + curve[..., :-1]).mean(-1) / 2
    return inner


def pixel_ranks(maps: Array, seed: int = 0) -> np.ndarray:
    """Return each pixel's place in the order of falling values; equal values (a ReLU's zeros) are in random order.

    The random order is the same for every map, so that a face's answer does not depend on which faces are tested with it.

    Args:
        maps: (..., h, w); what is not finite comes last.
        seed: of the random order.

    Returns:
        (..., h * w) int32, 0 for the greatest value.
    """
    flat = np.asarray(maps, np.float32).reshape(*maps.shape[:-2], -1)
    flat = np.where(np.isfinite(flat), flat, -np.inf)
    shuffle = shuffled(flat.shape[-1], seed)
    order = shuffle[np.argsort(-flat[..., shuffle], axis=-1, kind="stable")]
    ranks = np.empty(order.shape, np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(flat.shape[-1], dtype=np.int32), order.shape), -1)
    return ranks


def shuffled(count: int, seed: int = 0) -> np.ndarray:
    """Return the numbers below `count` in random order, (count,), without NumPy's generators, which take longer to load than a test.

    Args:
        count: how many.
        seed: of the order.

    References:
        Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014 (SplitMix64, whose numbers are sorted here).
    """
    state = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed * 0x2545F4914F6CDD1D & 0xFFFFFFFFFFFFFFFF)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return np.argsort(state ^ state >> np.uint64(31), kind="stable")


def step_counts(pixels: int, steps: int) -> np.ndarray:
    """Return how many pixels are hidden at each step, (steps + 1,): from 0 to all, the same from either end.

    Args:
        pixels: of a map.
        steps: from the whole picture to the hidden one.
    """
    counts = np.arange(steps + 1) * pixels // steps
    half = (steps + 1) // 2
    counts[steps + 1 - half :] = pixels - counts[:half][::-1]
    return counts


def end_scores(
    scores: Scores, pictures: np.ndarray, fills: Sequence[str] = FILLS, batch_size: int = 64
) -> tuple[Array, Array]:
    """Return where every curve of a picture begins and ends, whatever the map.

    Args:
        scores, pictures, fills, batch_size: as for `deletion_curves`.

    Returns:
        The scores of the whole pictures (N, T), and of those that are hidden altogether (N, T, F).
    """
    n, height, width = pictures.shape[:3]
    hide = _Hider(pictures, fills)
    # Number 0 is the whole picture; number f + 1 is hidden by fill f.
    sample, change = np.indices((n, len(fills) + 1)).reshape(2, -1)
    values = []
    for start in range(0, len(sample), batch_size):
        samples, changes = sample[start : start + batch_size], change[start : start + batch_size]
        hidden = np.broadcast_to((changes > 0)[:, None, None], (len(changes), height, width))
        values.append(scores(hide(samples, hidden, np.maximum(changes - 1, 0)), samples))
    flat = np.concatenate(values).reshape(n, len(fills) + 1, -1)
    return flat[:, 0], flat[:, 1:].transpose(0, 2, 1)


def deletion_curves(
    scores: Scores,
    pictures: np.ndarray,
    ranks: np.ndarray,
    fills: Sequence[str] = FILLS,
    steps: int = STEPS,
    batch_size: int = 64,
    ends: tuple[Array, Array] | None = None,
) -> Curves:
    """Delete and insert pixels in the order of maps, and note the scores.

    Pictures, maps, fills and steps share the passes through the network: `batch_size` changed pictures go through it at a time. The two
    ends of every curve are computed once a picture and fill.

    Args:
        scores: the network (see `Scores`).
        pictures: (N, h, w, c) RGB or grey from 0 to 255, of the network's size but not scaled for it.
        ranks: (N, M, h * w), the order of the pixels by each of M maps, as `pixel_ranks` returns it.
        fills: what stands in the hidden pixels' place, names of `ferviz.fills.FILLS`.
        steps: from the whole picture to the hidden one.
        batch_size: changed pictures at a time.
        ends: what `end_scores` returned for these pictures and fills; None = it is asked.

    Returns:
        The curves.
    """
    n, height, width = pictures.shape[:3]
    maps = ranks.shape[1]
    counts = step_counts(height * width, steps)
    hide = _Hider(pictures, fills)
    seen, blank = ends or end_scores(scores, pictures, fills, batch_size)
    # Insertion shows what deletion hides: step i of one hides the complement of step i of the other.
    variants = np.indices((len(fills), n, maps, 2, steps - 1)).reshape(5, -1)
    variants[4] += 1

    def hidden(samples: np.ndarray, which: np.ndarray, inserted: np.ndarray, step: np.ndarray) -> np.ndarray:
        first = ranks[samples, which] < counts[step][:, None]
        return (first ^ inserted.astype(bool)[:, None]).reshape(-1, height, width)

    flat = np.empty((variants.shape[1], seen.shape[1]), np.float32)
    for start in range(0, len(flat), batch_size):
        fill, *change = variants[:, start : start + batch_size]
        flat[start : start + batch_size] = scores(hide(change[0], hidden(*change), fill), change[0])
    curves = np.empty((2, n, maps, seen.shape[1], len(fills), steps + 1), np.float32)
    curves[..., 1:-1] = flat.reshape(len(fills), n, maps, 2, steps - 1, -1).transpose(3, 1, 2, 5, 0, 4)
    seen, blank = seen[:, None, :, None], blank[:, None]
    curves[0, ..., 0], curves[0, ..., -1] = seen, blank
    curves[1, ..., 0], curves[1, ..., -1] = blank, seen
    return Curves(tuple(fills), curves[0], curves[1])


class _Hider:
    """Hides pixels of pictures; what does not depend on which pixels is made once. pictures: (N, h, w, c). fills: names."""

    def __init__(self, pictures: np.ndarray, fills: Sequence[str]) -> None:
        self.pictures, self.fills = np.asarray(pictures, np.float32), tuple(fills)
        self.plain = {kind: plain_filler(self.pictures, kind) for kind in self.fills if kind != "harmonic"}

    def __call__(self, samples: np.ndarray, hidden: np.ndarray, fill: np.ndarray) -> Array:
        """-> (M, h, w, c): picture samples[m] with hidden[m] (h, w) filled by the fill of number fill[m]."""
        changed = self.pictures[samples]
        for number, kind in enumerate(self.fills):
            at = np.flatnonzero(fill == number)
            if len(at):
                sample, mask = samples[at], hidden[at]
                filler = harmonic(self.pictures[sample], mask) if kind == "harmonic" else self.plain[kind][sample]
                changed[at] = np.where(mask[..., None], filler, changed[at])
        return changed
