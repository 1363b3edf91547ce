"""Resizing and warping of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.onnx.onnx_node import OnnxNode, known, require, sizes_of
from ferviz.engines.onnx.operators.table import as_image, as_plain, check_size, operator, run_shape
from ferviz.engines.onnx.values import BATCH, IMAGE, LAST, Operand, Value, plain

MAX_CELLS = 1 << 24
"""The most cells in the matrix of one axis: that of a picture of 4096 places."""

_ROUNDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
}


@operator("Resize")
def _resize(
    node: OnnxNode, x: Operand, roi: Operand | None = None, scales: Operand | None = None, sizes: Operand | None = None
) -> Operand:
    if node.opset < 11:  # Resize 10 has the scales in second place, and its coordinates begin at corners
        return _resized(node, x, known(roi, "scales"), None, "asymmetric")
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    require(coordinates != "tf_crop_and_resize", "it also crops")
    require(not node.integer("antialias"), "it smooths before it reduces (antialias)")
    axes = node.integers("axes")
    by = None if scales is None or known(scales, "scales").size == 0 else _all_axes(known(scales, "scales"), axes, 1.0)
    to = None if sizes is None or known(sizes, "sizes").size == 0 else known(sizes, "sizes")
    if to is not None:
        require(node.text("keep_aspect_ratio_policy", "stretch") == "stretch", "it keeps the picture's proportions")
        to = _all_axes(to, axes, 0)
    return _resized(node, x, by, to, coordinates)


@operator("Upsample")
def _upsample(node: OnnxNode, x: Operand, scales: Operand | None = None) -> Operand:
    by = np.array(node.numbers("scales") or [], np.float32) if scales is None else known(scales, "scales")
    return _resized(node, x, by, None, "asymmetric")


def _all_axes(numbers: np.ndarray, axes: list[int] | None, default: float) -> np.ndarray:
    if axes is None:
        return numbers
    require(len(axes) == numbers.size and all(-4 <= axis < 4 for axis in axes), "its axes do not fit its sizes")
    every = np.full(4, default, numbers.dtype)
    every[[axis % 4 for axis in axes]] = numbers
    return every


def _resized(
    node: OnnxNode, x: Operand, scales: np.ndarray | None, sizes: np.ndarray | None, coordinates: str
) -> Operand:
    """-> the image, with each of its two axes multiplied by a matrix: that computes every way of resizing, and its gradient."""
    own = sizes_of(x)
    require(len(own) == 4, "it resizes what is no image")
    if scales is None:
        require(sizes is not None and sizes.size == 4, "it has neither sizes nor scales for four axes")
        given = [size or old for size, old in zip((int(size) for size in sizes), own, strict=True)]  # type: ignore[union-attr]
        if own[0] == BATCH and given[0] == node.declared_batch:
            given[0] = BATCH
        factors = [new / old for new, old in zip(given, own, strict=True)]
    else:
        require(scales.size == 4 and np.isfinite(scales).all() and (scales > 0).all(), "its scales make no sense")
        factors = [float(scale) for scale in scales]
        given = [int(np.floor(old * scale)) for old, scale in zip(own, factors, strict=True)]
    require(min(given) > 0, "its sizes make no sense")
    is_image = isinstance(x, Value) and x.layout == IMAGE
    places = (1, 2) if is_image else (2, 3)
    require(
        all(given[axis] == own[axis] for axis in range(4) if axis not in places),
        "it resizes more than height and width",
    )
    check_size(given)
    image = x if is_image else as_image(x, node.kind)
    tensor = image.tensor  # type: ignore[union-attr]
    for stored, axis in zip((1, 2), places, strict=True):
        if given[axis] != own[axis]:
            matrix = _matrix(node, own[axis], given[axis], factors[axis], coordinates)
            tensor = _along(tensor, stored, matrix)
    return Value(tensor, IMAGE if is_image else LAST)


def _along(tensor: Any, axis: int, matrix: np.ndarray) -> Any:
    tf = tensorflow()
    order = (0, 2, 3, 1) if axis == 1 else (0, 1, 3, 2)
    back = (0, 3, 1, 2) if axis == 1 else (0, 1, 3, 2)
    return tf.transpose(tf.matmul(tf.transpose(tensor, order), matrix.T.astype(np.float32)), back)


def _matrix(node: OnnxNode, old: int, new: int, scale: float, coordinates: str) -> np.ndarray:
    """-> (new, old): how much each old place counts for each new one."""
    require(old * new <= MAX_CELLS, f"it resizes {old} places to {new}")
    at = np.arange(new, dtype=np.float64)
    source = _coordinates(old, new, scale, coordinates)(at)
    mode = node.text("mode", "nearest")
    matrix = np.zeros((new, old))
    rows = np.arange(new)
    if mode == "nearest":
        rounding = node.text("nearest_mode", "round_prefer_floor") if node.opset >= 11 else "floor"
        require(rounding in _ROUNDED, f"its nearest_mode {rounding!r:.40} is not read")
        matrix[rows, np.clip(_ROUNDED[rounding](source), 0, old - 1).astype(int)] = 1
        return matrix
    require(mode in ("linear", "cubic"), f"its mode {mode!r:.40} is not read")
    if mode == "linear":
        source = np.clip(source, 0, old - 1)
    first = np.floor(source).astype(int)
    offset = source - first
    if mode == "linear":
        weights = {0: 1 - offset, 1: offset}
    else:
        a = node.number("cubic_coeff_a", -0.75)
        near = lambda t: ((a + 2) * t - (a + 3)) * t * t + 1  # noqa: E731
        far = lambda t: ((a * t - 5 * a) * t + 8 * a) * t - 4 * a  # noqa: E731
        weights = {-1: far(1 + offset), 0: near(offset), 1: near(1 - offset), 2: far(2 - offset)}
        if node.integer("exclude_outside"):
            weights = {step: np.where((first + step < 0) | (first + step >= old), 0, w) for step, w in weights.items()}
            total = sum(weights.values())
            weights = {step: w / total for step, w in weights.items()}
    for step, weight in weights.items():
        np.add.at(matrix, (rows, np.clip(first + step, 0, old - 1)), weight)
    return matrix


def _coordinates(old: int, new: int, scale: float, kind: str) -> Callable[[np.ndarray], np.ndarray]:
    kinds: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "half_pixel": lambda x: (x + 0.5) / scale - 0.5,
        "half_pixel_symmetric": lambda x: old / 2 * (1 - new / (scale * old)) + (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel": lambda x: (x + 0.5) / scale - 0.5 if new > 1 else np.zeros_like(x),
        "align_corners": lambda x: x * (old - 1) / (new - 1) if new > 1 else np.zeros_like(x),
        "asymmetric": lambda x: x / scale,
        "tf_half_pixel_for_nn": lambda x: (x + 0.5) / scale,
    }
    require(kind in kinds, f"its coordinates {kind!r:.40} are not read")
    return kinds[kind]


@operator("AffineGrid")
def _affine_grid(node: OnnxNode, theta: Operand, size: Operand) -> Value:
    tf, corners = tensorflow(), bool(node.integer("align_corners"))
    sizes = [int(value) for value in known(size, "size").ravel()]
    require(len(sizes) == 4 and min(sizes) > 0, "it makes a grid over more than height and width")
    height, width = sizes[2:]
    check_size((height, width, 3))
    across, down = (_places(length, corners) for length in (width, height))
    base = np.stack([*np.meshgrid(across, down), np.ones((height, width))], -1).reshape(-1, 3).astype(np.float32)
    value = as_plain(theta)
    batch = sizes_of(value)[0]
    grid = tf.matmul(base, value.tensor, transpose_b=True)  # (N, h * w, 2)
    return Value(tf.reshape(grid, run_shape(node, (batch, height, width, 2), reshape=True)))


def _places(length: int, corners: bool) -> np.ndarray:
    if corners:
        return np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
    return (2 * np.arange(length) + 1) / length - 1


@operator("GridSample")
def _grid_sample(node: OnnxNode, x: Operand, grid: Operand) -> Value:
    """The spatial transformer's sampling, as a weighted sum of gathered places, so that gradients reach both the image and the grid."""
    tf, image, places = tensorflow(), as_image(x, node.kind), plain(as_plain(grid))
    batch, channels, height, width = sizes_of(image)
    _, new_height, new_width, _ = sizes_of(places)
    mode, margin = node.text("mode", "linear"), node.text("padding_mode", "zeros")
    require(mode in ("linear", "bilinear", "nearest"), f"its mode {mode!r:.40} is not read")
    require(margin in ("zeros", "border", "reflection"), f"its padding_mode {margin!r:.40} is not read")
    check_size((new_height, new_width, channels))
    corners = bool(node.integer("align_corners"))
    columns, rows = (
        _pixels(tf, places.tensor[..., axis], length, corners, margin) for axis, length in ((0, width), (1, height))
    )
    flat = tf.reshape(image.tensor, run_shape(node, (batch, height * width, channels), reshape=True))

    def sample(row: Any, column: Any, weight: Any) -> Any:
        inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
        place = tf.clip_by_value(row, 0, height - 1) * width + tf.clip_by_value(column, 0, width - 1)
        index = tf.reshape(tf.cast(place, tf.int32), run_shape(node, (batch, new_height * new_width), reshape=True))
        values = tf.gather(flat, index, batch_dims=1)
        values = tf.reshape(values, run_shape(node, (batch, new_height, new_width, channels), reshape=True))
        return values * (weight * tf.cast(inside, tf.float32))[..., None]

    if mode == "nearest":
        return Value(sample(tf.round(rows), tf.round(columns), tf.ones_like(rows)), LAST)
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    total = sample(top, left, (1 - down) * (1 - right)) + sample(top, left + 1, (1 - down) * right)
    return Value(total + sample(top + 1, left, down * (1 - right)) + sample(top + 1, left + 1, down * right), LAST)


def _pixels(tf: Any, at: Any, length: int, corners: bool, margin: str) -> Any:
    """Turn places from -1 to 1 into numbers of pixels."""
    pixels = (at + 1) * ((length - 1) / 2) if corners else ((at + 1) * length - 1) / 2
    if margin == "border":
        return tf.clip_by_value(pixels, 0.0, float(length - 1))
    if margin == "reflection":
        low, span = (0.0, float(length - 1)) if corners else (-0.5, float(length))
        if span == 0:
            return tf.zeros_like(pixels)
        distance = tf.math.floormod(pixels - low, 2 * span)
        pixels = tf.minimum(distance, 2 * span - distance) + low
        return tf.clip_by_value(pixels, 0.0, float(length - 1))
    # What is not a number, or too far away, lies outside like its neighbours.
    return tf.clip_by_value(
        tf.where(tf.math.is_finite(pixels), pixels, tf.fill(tf.shape(pixels), -2.0)), -2.0, length + 1.0
    )
