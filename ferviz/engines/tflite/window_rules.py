"""What convolutions, pooling, matrix products and resizing need of their tensors and options."""

from __future__ import annotations

from collections.abc import Callable

from ferviz.engines.tflite.operator_node import FLOATS, QUANTISED, Node, agree, broadcast, elements, require
from ferviz.engines.tflite.tflite_graph import Tensor

_WEIGHTS: dict[str, dict[str, tuple[str, ...]]] = {
    "float32": {"float32": ("float32",), "int8": ("float32",), "int4": ("float32",), "uint8": ("float32",)},
    "int8": {"int8": ("int32",), "int4": ("int32",)},
    "uint8": {"uint8": ("int32",)},
    "int16": {"int8": ("int64", "int32")},
}
"""Type of the input -> type of the weights -> types of the bias."""


def convolution(node: Node) -> None:
    """Check a convolution.

    Args:
        node: the operator.
    """
    picture, kernel = node.input(0), node.input(1)
    node.activation(3)
    strides = node.steps(stride_w=(1, 0), stride_h=(2, 0))
    dilations = node.steps(dilation_w=(4, 1), dilation_h=(5, 1))
    _weights(node, picture, kernel, node.optional(2), channels=0)
    node.rank(picture, 4, 4)
    require(len(kernel.shape) == 4 and all(kernel.shape), "its kernel is empty or not four-dimensional")
    channels, each = picture.shape[3] if picture.shape else None, kernel.shape[3]
    if channels is not None and each:
        require(channels % each == 0, "its kernel has other channels than its input")
        require((kernel.shape[0] or 0) % max(channels // each, 1) == 0, "its kernel does not divide into groups")
    _window(node, picture, (kernel.shape[1], kernel.shape[2]), strides, dilations, kernel.shape[0])


def depthwise(node: Node) -> None:
    """Check a depthwise convolution.

    Args:
        node: the operator.
    """
    picture, kernel = node.input(0), node.input(1)
    node.activation(4)
    strides = node.steps(stride_w=(1, 0), stride_h=(2, 0))
    dilations = node.steps(dilation_w=(5, 1), dilation_h=(6, 1))
    _weights(node, picture, kernel, node.optional(2), channels=3)
    node.rank(picture, 4, 4)
    require(len(kernel.shape) == 4 and all(kernel.shape), "its kernel is empty or not four-dimensional")
    require(kernel.shape[0] == 1, "its kernel's first axis is not 1")
    channels, total, multiplier = picture.shape[3] if picture.shape else None, kernel.shape[3] or 0, node.option(3)
    if channels is not None:
        require(channels > 0 and total % channels == 0, "its kernel has other channels than its input")
        require(multiplier in (0, total // channels), f"its multiplier of channels is {multiplier}")
    require(0 <= multiplier <= total, f"its multiplier of channels is {multiplier}")
    _window(node, picture, (kernel.shape[1], kernel.shape[2]), strides, dilations, total)


def transposed(node: Node) -> None:
    """Check a transposed convolution.

    Args:
        node: the operator.
    """
    kernel, picture = node.input(1), node.input(2)
    node.activation(3)
    node.steps(stride_w=(1, 0), stride_h=(2, 0))
    require(node.option(0, "<b") in (0, 1), "its padding is not known")
    _weights(node, picture, kernel, node.optional(3), channels=0)
    node.rank(picture, 4, 4)
    require(len(kernel.shape) == 4 and all(kernel.shape), "its kernel is empty or not four-dimensional")
    require(
        not picture.shape or agree(picture.shape[3], kernel.shape[3]), "its kernel has other channels than its input"
    )
    sizes = node.integers(0, 4)
    if sizes is not None:
        require(all(1 <= n <= MAX_SIDE for n in sizes) and sizes[3] == kernel.shape[0], "its output's shape cannot be")
        node.output_shape(tuple(sizes))


def pooling(node: Node) -> None:
    """Check a pooling.

    Args:
        node: the operator.
    """
    picture = node.input(0)
    node.same_type(picture, node.output)
    node.quantised(picture, node.output)
    require(picture.dtype in (*FLOATS, *QUANTISED), f"it pools {picture.dtype}")
    node.activation(5)
    node.rank(picture, 4, 4)
    strides = node.steps(stride_w=(1, 0), stride_h=(2, 0))
    width, height = node.steps(filter_width=(3, 0), filter_height=(4, 0))
    require(width * height <= 1 << 20, "its window is too large")
    _window(node, picture, (height, width), strides, [1, 1], picture.shape[3] if picture.shape else None)


def fully_connected(node: Node) -> None:
    """Check a dense layer.

    Args:
        node: the operator.
    """
    values, weights = node.input(0), node.input(1)
    node.activation(0)
    require(node.option(1, "<b") == 0, "its weights are stored in a way that is not known")
    _weights(node, values, weights, node.optional(2), channels=0)
    require(len(weights.shape) == 2 and all(weights.shape), "its weights are no matrix")
    units, depth = weights.shape
    keeps = bool(node.option(2, "<b"))
    require(not (keeps and values.shape) or agree(values.shape[-1], depth), "its weights do not fit its input")
    count = elements(values.shape)
    require(count is None or not values.shape or (depth and count % depth == 0), "its weights do not fit its input")
    if values.shape and not keeps and len(values.shape) == 2:
        require(agree(values.shape[1], depth), "its weights do not fit its input")
        node.output_shape((values.shape[0], units))
    elif node.output.shape:
        require(agree(node.output.shape[-1], units), "its output has another shape than its inputs give")


def matrix_product(node: Node) -> None:
    """Check a product of batches of matrices.

    Args:
        node: the operator.
    """
    left, right = node.input(0), node.input(1)
    node.same_type(left, right)
    require(left.dtype in (*FLOATS, "int8", "int16"), f"it multiplies {left.dtype}")
    node.quantised(left, right, node.output)
    node.same_type(left, node.output)
    for tensor in (left, right):
        require(2 <= len(tensor.shape) <= 5, "its operands are no matrices")
    a = left.shape[:-2] + (left.shape[:-3:-1] if node.option(0, "<b") else left.shape[-2:])
    b = right.shape[:-2] + (right.shape[:-3:-1] if node.option(1, "<b") else right.shape[-2:])
    require(agree(a[-1], b[-2]), "its operands do not fit each other")
    node.output_shape((*broadcast(a[:-2], b[:-2]), a[-2], b[-1]) if a[:-2] or b[:-2] else (a[-2], b[-1]))


MAX_SIDE = 16_384


def resizing(align_corners: int) -> Callable[[Node], None]:
    """Return the check of a resizing.

    Args:
        align_corners: the number of that option; `half_pixel_centers` is the one after it.
    """

    def check(node: Node) -> None:
        picture, sizes = node.input(0), node.constant(1, 2)
        node.same_type(picture, node.output)
        require(picture.dtype in (*FLOATS, *QUANTISED), f"it resizes {picture.dtype}")
        node.rank(picture, 4, 4)
        require(all(1 <= n <= MAX_SIDE for n in sizes), "its output's size cannot be")
        require(all(n != 0 for n in picture.shape), "its input is empty")
        corners, centres = node.option(align_corners, "<b"), node.option(align_corners + 1, "<b")
        require(not (corners and centres), "its options contradict each other")
        if picture.shape:
            node.output_shape((picture.shape[0], *sizes, picture.shape[3]))

    return check


def _weights(node: Node, values: Tensor, weights: Tensor, bias: Tensor | None, channels: int) -> None:
    """Check types and scales of an input, its weights and its bias; `channels` is the axis of the weights that makes outputs."""
    kinds: dict[str, tuple[str, ...]] = _WEIGHTS.get(values.dtype, {})
    require(weights.dtype in kinds, f"it multiplies {values.dtype} with {weights.dtype}")
    node.same_type(values, node.output)
    require(weights.dtype in FLOATS or weights.data is not None, "its weights are computed and quantised")
    require(weights.dtype in FLOATS or weights.scales, "its weights lack their scale")
    node.quantised(values, node.output)
    require(values.scales <= 1 and node.output.scales <= 1, "its input has a scale for each channel")
    outputs = weights.shape[channels] if len(weights.shape) > channels else None
    require(weights.scales <= 1 or (weights.axis == channels and weights.scales == outputs), "its scales do not fit")
    if bias is not None:
        require(bias.dtype in kinds[weights.dtype], f"its bias is {bias.dtype}")
        require(len(bias.shape) <= 4 and elements(bias.shape) == outputs, "its bias has another size than its output")
        require(bias.dtype in FLOATS or bias.data is not None, "its bias is computed")


def _window(
    node: Node,
    picture: Tensor,
    window: tuple[int | None, int | None],
    strides: list[int],
    dilations: list[int],
    channels: int | None,
) -> None:
    """Check that a window fits its input, and the output's shape; strides and dilations are (width, height), window (height, width)."""
    padding = node.option(0, "<b")
    require(padding in (0, 1), "its padding is not known")
    if not picture.shape:
        return
    sizes: list[int | None] = []
    for side, length, stride, dilation in zip(picture.shape[1:3], window, strides[::-1], dilations[::-1], strict=True):
        reach = ((length or 1) - 1) * dilation + 1
        require(reach < 1 << 24, "its window is too large")
        if side is None:
            sizes.append(None)
            continue
        require(side > 0, "its input is empty")
        sizes.append(-(-side // stride) if padding == 0 else (side - reach) // stride + 1)
        require((sizes[-1] or 0) > 0, "its window is larger than its input")
    node.output_shape((picture.shape[0], *sizes, channels))
