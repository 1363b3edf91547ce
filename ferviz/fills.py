"""What is put where a part of a picture is hidden: the fills of perturbation methods, deletion curves and region tests.

A fill works on pictures of 0..255, before a network's own scaling, so that it is the same for every network. None is neutral: hidden
faces are no faces, whatever stands in their place. A conclusion has to hold under several fills.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ferviz.errors import UsageError

Array = npt.NDArray[np.float32]

FILLS = ("harmonic", "blur", "mean", "black")
"""Names of fills. "harmonic" continues the visible part smoothly into the hidden one (ROAD), "blur" is the picture without its
features, "mean" its mean colour; "black" is for comparisons with papers: to most networks it is a feature of its own."""

NOISE = 2.5
"""Standard deviation of the noise on a harmonic fill, in grey levels: .01 of 0..255, as in ROAD."""

_BLUR = 4 / 48  # of the picture's side
_SEEN = 0.02  # a pixel hidden by less than this is known to the harmonic fill
_SWEEPS = 16  # at every size of the pyramid
_RADIUS = 0.97  # of the errors that the sweeps are tuned to; of regions up to about 20 pixels wide
_WINDOW = 0.5  # of the picture: where less than this is around the unknown pixels, the rest is not looked at
_SMOOTH = np.array([1, 2, 1], np.float32) / 4


def fill(pictures: Array, hidden: np.ndarray, kind: str | float = "harmonic", seed: int = 0) -> Array:
    """Return pictures whose hidden part is filled.

    Args:
        pictures: (N, h, w, c) float32, 0..255.
        hidden: 1 (or True) where a picture is hidden, 0 where it is seen, or the share that is hidden: (N, h, w), one mask for each
            picture, or (N, P, h, w), P masks for each.
        kind: one of FILLS, or a grey level 0..255.
        seed: of the noise on a harmonic fill; the same for every picture and mask, so that nothing depends on the size of a batch.

    Returns:
        (N, h, w, c) or (N, P, h, w, c) float32.

    Raises:
        UsageError: an unknown kind, or masks of another shape.

    References:
        Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods (ROAD), ICML 2022: the harmonic fill.
    """
    if hidden.ndim not in (3, 4) or len(hidden) != len(pictures) or hidden.shape[-2:] != pictures.shape[1:3]:
        raise UsageError(f"masks of shape {hidden.shape} do not fit pictures of shape {pictures.shape}")
    share = hidden.astype(np.float32, copy=False)[..., None]
    if kind == "harmonic":
        masks = hidden.reshape(-1, *hidden.shape[-2:])
        content = pictures if hidden.ndim == 3 else np.repeat(pictures, hidden.shape[1], axis=0)
        filler = harmonic(content, masks, seed).reshape(*hidden.shape, pictures.shape[-1])
    else:
        filler = plain_filler(pictures, kind)
    if hidden.ndim == 4:
        pictures = pictures[:, None]
        filler = filler if kind == "harmonic" else filler[:, None]
    # Exact at both ends: what is not hidden at all is the picture itself.
    return pictures * (1 - share) + filler * share


def check_fill(kind: str | float) -> None:
    """Check that a fill is known.

    Args:
        kind: one of FILLS, or a grey level.

    Raises:
        UsageError: it is neither.
    """
    number = isinstance(kind, int | float) and not isinstance(kind, bool)
    if not (0 <= kind <= 255 if number else kind in FILLS):  # type: ignore[operator]
        raise UsageError(f"fill {kind!r} is not known; use one of {', '.join(FILLS)}, or a grey level from 0 to 255")


def plain_filler(pictures: Array, kind: str | float) -> Array:
    """Return what a fill puts into a picture wherever it is hidden, for the fills that do not depend on where that is.

    Args:
        pictures: (N, h, w, c) float32, 0..255.
        kind: "blur", "mean", "black" or a grey level.

    Returns:
        (N, h, w, c) float32.

    Raises:
        UsageError: an unknown kind.
    """
    check_fill(kind)
    if kind == "mean":
        return np.broadcast_to(pictures.mean((1, 2), keepdims=True), pictures.shape).astype(np.float32)
    if kind == "blur":
        sigma = _BLUR * min(pictures.shape[1:3])
        return np.stack([cv2.GaussianBlur(p, (0, 0), sigma).reshape(p.shape) for p in pictures])
    return np.full_like(pictures, 0 if kind == "black" else kind)


def harmonic(pictures: Array, hidden: np.ndarray, seed: int = 0, noise: float = NOISE) -> Array:
    """Continue the visible part of pictures into the hidden one: every hidden pixel is the mean of its 8 neighbours.

    Direct neighbours weigh 1/6, diagonal ones 1/12. The equations are solved from coarse to fine, to within a few grey levels;
    `harmonic_exact` solves them to the end. A picture that is hidden altogether becomes its mean.

    Args:
        pictures: (M, h, w, c) float32, 0..255.
        hidden: (M, h, w), above .02 where a pixel is unknown.
        seed: of the noise.
        noise: its standard deviation in grey levels.

    Returns:
        (M, h, w, c) float32; the picture itself where it is known.
    """
    planes, unknown = _planes(pictures, hidden)
    return _with_noise(_cascade(planes, unknown), hidden, pictures.shape, seed, noise)


def harmonic_exact(pictures: Array, hidden: np.ndarray, seed: int = 0, noise: float = NOISE) -> Array:
    """Return what `harmonic` approximates, by a sparse solver: tens of milliseconds a picture.

    Args:
        pictures, hidden, seed, noise: as for `harmonic`.

    Returns:
        (M, h, w, c) float32.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import spsolve

    planes, unknown = _planes(pictures, hidden)
    neighbours = _neighbour_matrix(*planes.shape[1:])
    equations = (diags_array(neighbours.sum(1)) - neighbours).tocsr()
    solution = planes.reshape(len(planes), -1).astype(np.float64)
    for values, free in zip(solution, unknown.reshape(len(planes), -1), strict=True):
        if free.any():
            known_sum = neighbours[free][:, ~free] @ values[~free]
            values[free] = spsolve(equations[free][:, free].tocsc(), known_sum)
    return _with_noise(solution.reshape(planes.shape).astype(np.float32), hidden, pictures.shape, seed, noise)


def _planes(pictures: Array, hidden: np.ndarray) -> tuple[Array, npt.NDArray[np.bool_]]:
    """-> the colours as (M c, h, w), and where each is unknown; one that is unknown altogether becomes its mean, which is then known."""
    _count, height, width, channels = pictures.shape
    planes = np.ascontiguousarray(np.moveaxis(pictures, 3, 1), np.float32).reshape(-1, height, width)
    unknown = np.repeat(hidden > _SEEN, channels, axis=0)
    empty = unknown.all((1, 2), keepdims=True)
    return np.where(empty, planes.mean((1, 2), keepdims=True), planes), unknown & ~empty


def _with_noise(planes: Array, hidden: np.ndarray, shape: tuple[int, ...], seed: int, noise: float) -> Array:
    count, height, width, channels = shape
    pictures = np.moveaxis(planes.reshape(count, channels, height, width), 1, 3)
    if noise:
        grain = np.random.default_rng(seed).normal(0, noise, (height, width, channels)).astype(np.float32)
        pictures = pictures + grain * (hidden > _SEEN)[..., None]
    return np.ascontiguousarray(pictures)


def _cascade(planes: Array, unknown: npt.NDArray[np.bool_]) -> Array:
    """Solve at half the size, enlarge, and relax at this size. A coarse pixel is known where any of its four is."""
    values = np.where(unknown, _from_coarse(planes, unknown), planes)
    scale = 2 / _smoothed(np.ones((1, *planes.shape[1:]), np.float32))
    windows = _windows(unknown)
    if windows is None:
        return _relaxed(values, unknown, np.broadcast_to(scale, values.shape))
    values[windows] = _relaxed(values[windows], unknown[windows], scale[0][windows[1:]])
    return values


def _windows(unknown: npt.NDArray[np.bool_]) -> tuple[np.ndarray, ...] | None:
    """-> an index of equally large windows, one a plane, around all that is unknown and the pixels beside it; None where that is most."""
    count, *sides = unknown.shape
    places = []
    for axis, side in enumerate(sides):
        seen = np.asarray(unknown.any(2 - axis))
        first, last = seen.argmax(1), side - 1 - seen[:, ::-1].argmax(1)
        width = int(np.where(seen.any(1), last - first, 0).max()) + 3
        if width > side:
            return None
        places.append(np.clip(first - 1, 0, side - width)[:, None] + np.arange(width))
    rows, columns = places
    if rows.shape[1] * columns.shape[1] > _WINDOW * sides[0] * sides[1]:
        return None
    return np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]


def _relaxed(planes: Array, unknown: npt.NDArray[np.bool_], scale: Array) -> Array:
    """Jacobi's steps with Chebyshev's acceleration: each goes on in the direction of the last."""
    values, free = _tall(planes), _tall(unknown)
    scale, twice = _tall(scale) * free, 2 * free
    previous, step, own = values.copy(), np.empty_like(values), np.empty_like(values)
    weight = 1.0
    for sweep in range(_SWEEPS):
        cv2.sepFilter2D(values, cv2.CV_32F, _SMOOTH, _SMOOTH, dst=step, borderType=cv2.BORDER_CONSTANT)
        step *= scale
        step -= np.multiply(values, twice, out=own)
        if sweep:
            weight = 1 / (1 - _RADIUS**2 * weight / (2 if sweep == 1 else 4))
        step += values
        step -= previous
        step *= weight
        step += previous
        previous, values, step = values, step, previous
    return _planes_of(values, planes.shape)


def _from_coarse(planes: Array, unknown: npt.NDArray[np.bool_]) -> Array:
    _count, height, width = planes.shape
    known = (~unknown).astype(np.float32)
    if height < 4 or width < 4:
        mean = (planes * known).sum((1, 2), keepdims=True) / known.sum((1, 2), keepdims=True)
        return np.broadcast_to(mean, planes.shape)
    weight, sums = _in_fours(known), _in_fours(planes * known)
    coarse: Array = np.divide(sums, np.maximum(weight, 1), dtype=np.float32)
    solved = _cascade(coarse, weight == 0)
    return np.repeat(np.repeat(solved, 2, 1), 2, 2)[:, :height, :width]


def _in_fours(planes: Array) -> Array:
    """Sums of 2 x 2 pixels; beyond an odd side lies nothing."""
    _count, height, width = planes.shape
    rows = planes[:, ::2].copy()
    rows[:, : height // 2] += planes[:, 1::2]
    sums = rows[:, :, ::2].copy()
    sums[:, :, : width // 2] += rows[:, :, 1::2]
    return sums


def _smoothed(planes: Array) -> Array:
    """Sum over the 3 x 3 neighbourhood with weights 1 2 1 / 2 4 2 / 1 2 1 over 16, all planes at once; nothing lies outside."""
    flat = cv2.sepFilter2D(_tall(planes), cv2.CV_32F, _SMOOTH, _SMOOTH, borderType=cv2.BORDER_CONSTANT)
    return _planes_of(flat, planes.shape)


def _tall(planes: np.ndarray) -> Array:
    """All planes as one tall picture: a row of zeros after every one of them keeps them apart."""
    count, height, width = planes.shape
    tall = np.zeros((count, height + 1, width), np.float32)
    tall[:, :height] = planes
    return tall.reshape(-1, width)


def _planes_of(tall: Array, shape: tuple[int, ...]) -> Array:
    count, height, width = shape
    planes: Array = tall.reshape(count, height + 1, width)[:, :height]
    return planes


def _neighbour_matrix(height: int, width: int) -> Any:
    """-> the sparse (h w, h w) matrix of the weights of every pixel's neighbours."""
    from scipy.sparse import coo_array

    index = np.arange(height * width).reshape(height, width)
    rows, columns, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        first = index[: height - down, max(0, -right) : width - max(0, right)].ravel()
        second = index[down:, max(0, right) : width + min(0, right)].ravel()
        rows += [first, second]
        columns += [second, first]
        weights += [np.full(2 * len(first), 1 / 12 if down and right else 1 / 6)]
    return coo_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(index.size, index.size)
    ).tocsr()
