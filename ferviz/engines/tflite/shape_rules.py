"""What operators that move values around and change shapes need of their tensors and options."""

from __future__ import annotations

from collections.abc import Callable

from ferviz.engines.tflite.operator_node import (
    ANY,
    INDICES,
    Node,
    agree,
    broadcast,
    elements,
    fit,
    require,
)

Check = Callable[[Node], None]


def reshape(node: Node) -> None:
    """Check a change of shape.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output)
    wanted = node.integers(1) if len(node.inputs) > 1 else node.numbers(0)
    if wanted is None:
        return
    require(len(wanted) <= 8 and all(-1 <= n < 1 << 30 for n in wanted), "its shape cannot be")
    require(wanted.count(-1) <= 1, "its shape leaves two sizes open")
    count, fixed = elements(values.shape), elements(tuple(n for n in wanted if n != -1)) or 0
    if values.shape and count is not None:
        fits = count == fixed if -1 not in wanted else fixed > 0 and count % fixed == 0
        require(fits, "its shape has another number of elements than its input")
    node.output_shape(tuple(None if n == -1 else n for n in wanted))


def squeeze(node: Node) -> None:
    """Check the removal of axes of size 1.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output)
    for axis in node.numbers(0):
        place = node.axis(axis, len(values.shape))
        require(not values.shape or agree(values.shape[place], 1), f"its axis {axis} has another size than 1")


def expand(node: Node) -> None:
    """Check the insertion of an axis of size 1.

    Args:
        node: the operator.
    """
    node.same_type(node.input(0), node.output)
    (axis,) = node.constant(1, 1)
    node.axis(axis, len(node.input(0).shape), extra=1)
    require(len(node.input(0).shape) < 6, "a tensor has too many axes")


def transpose(node: Node) -> None:
    """Check a permutation of axes.

    Args:
        node: the operator.
    """
    values, order = node.input(0), node.constant(1)
    node.same_type(values, node.output)
    require(sorted(order) == list(range(len(order))) and len(order) <= 6, "its order of axes is no permutation")
    require(not values.shape or len(order) == len(values.shape), "its order of axes does not fit its input")
    if values.shape:
        node.output_shape(tuple(values.shape[place] for place in order))


def padding(node: Node) -> None:
    """Check an operator that adds a border.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output, *([node.input(2)] if len(node.inputs) > 2 else []))
    require(values.dtype in ANY, f"it does not take {values.dtype}")
    node.rank(values, 1, 5)
    rank = len(values.shape)
    widths = node.constant(1, 2 * rank if rank else None)
    require(len(widths) % 2 == 0 and all(0 <= n <= MAX_BORDER for n in widths), "its border cannot be")
    if rank:
        pairs = zip(values.shape, widths[::2], widths[1::2], strict=True)
        node.output_shape(tuple(None if n is None else n + before + after for n, before, after in pairs))


MAX_BORDER = 16_384


def mirror_padding(node: Node) -> None:
    """Check an operator that mirrors the values at a border.

    Args:
        node: the operator.
    """
    padding(node)
    mode = node.option(0, "<b")
    require(mode in (0, 1), "its mode is not known")
    widths = node.constant(1)
    for place, size in enumerate(node.input(0).shape):
        inside = None if size is None else size - (mode == 0)
        require(
            inside is None or max(widths[2 * place : 2 * place + 2]) <= inside, "its border is wider than its input"
        )


def slicing(node: Node) -> None:
    """Check an operator that takes a block.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output)
    node.rank(values, 1, 5)
    rank = len(values.shape) or None
    starts, sizes = node.integers(1, rank), node.integers(2, rank)
    require(starts is None or all(0 <= n < 1 << 30 for n in starts), "it begins before its input")
    require(sizes is None or all(-1 <= n < 1 << 30 for n in sizes), "its size cannot be")
    if starts is not None and sizes is not None and rank:
        for length, start, size in zip(values.shape, starts, sizes, strict=True):
            require(length is None or start + max(size, 0) <= length, "it ends behind its input")


def strided_slicing(node: Node) -> None:
    """Check an operator that takes every n-th value.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output)
    node.rank(values, 1, 5)
    steps = node.constant(3)
    require(1 <= len(steps) <= 5 and (not values.shape or len(steps) <= len(values.shape)), "it has too many axes")
    require(all(step != 0 and abs(step) < 1 << 30 for step in steps), "it steps by zero")
    for place in (1, 2):
        bounds = node.integers(place, len(steps))
        require(bounds is None or all(abs(n) < 1 << 31 for n in bounds), "its bounds cannot be")
    masks = [node.option(number) for number in range(5)]
    require(all(0 <= mask < 1 << len(steps) for mask in masks), "its masks cannot be")
    require(masks[2] == masks[3] == 0 and not node.option(5, "<b"), "its masks add axes")


def concatenation(node: Node) -> None:
    """Check an operator that joins tensors along an axis.

    Args:
        node: the operator.
    """
    parts = [node.input(index) for index in range(len(node.inputs))]
    node.same_type(*parts, node.output)
    node.activation(1, largest=0)
    ranks = {len(part.shape) for part in parts if part.shape or part.data is not None}
    require(len(ranks) <= 1 and 0 not in ranks and max(ranks, default=1) <= 5, "its inputs have different axes")
    if len(ranks) == 1 and all(part.shape for part in parts):
        place = node.axis(node.option(0), max(ranks))
        shape: list[int | None] = []
        for index in range(max(ranks)):
            sizes = [part.shape[index] for part in parts]
            if index == place:
                shape.append(None if None in sizes else sum(n or 0 for n in sizes))
            else:
                known = {n for n in sizes if n is not None}
                require(len(known) <= 1, "its inputs have different sizes")
                shape.append(known.pop() if known else None)
        node.output_shape(tuple(shape))


def pack(node: Node) -> None:
    """Check an operator that stacks tensors along a new axis.

    Args:
        node: the operator.
    """
    parts = [node.input(index) for index in range(len(node.inputs))]
    node.same_type(*parts, node.output)
    require(parts[0].dtype in ANY, f"it does not take {parts[0].dtype}")
    require(node.option(0) == len(parts), "it has another number of inputs than it says")
    rank = len(parts[0].shape)
    require(all(fit(parts[0].shape, part.shape) for part in parts), "its inputs have different shapes")
    require(rank < 6, "a tensor has too many axes")
    require(-rank - 1 <= node.option(1) <= rank, f"its axis is {node.option(1)}")


def unpack(node: Node) -> None:
    """Check an operator that takes a tensor apart along an axis.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, *node.outputs)
    require(values.shape, "its input has no axes that are known")
    place = node.axis(node.option(1), len(values.shape))
    require(
        node.option(0) == len(node.outputs) == values.shape[place], "it has another number of outputs than its input"
    )


def split(axis: int, values: int, sizes: int | None = None) -> Check:
    """Return the check of an operator that takes a tensor apart into pieces.

    Args:
        axis, values, sizes: the places of its inputs; None = the pieces are equal.
    """

    def check(node: Node) -> None:
        tensor = node.input(values)
        node.same_type(tensor, *node.outputs)
        require(tensor.shape, "its input has no axes that are known")
        (number,) = node.constant(axis, 1)
        length = tensor.shape[node.axis(number, len(tensor.shape))]
        count = node.option(0)
        require(count == len(node.outputs), "it has another number of outputs than it says")
        if sizes is None:
            require(length is None or length % count == 0, "its input does not divide into equal pieces")
        else:
            pieces = node.constant(sizes, count)
            require(all(-1 <= n < 1 << 30 for n in pieces) and pieces.count(-1) <= 1, "its pieces cannot be")
            total = sum(n for n in pieces if n != -1)
            require(
                length is None or (total <= length if -1 in pieces else total == length), "its pieces do not add up"
            )

    return check


def gather(node: Node) -> None:
    """Check an operator that takes entries by their number.

    Args:
        node: the operator.
    """
    values, places = node.input(0), node.input(1)
    node.same_type(values, node.output)
    require(places.dtype in INDICES, "its places are no whole numbers")
    require(values.shape and values.dtype in ANY, "its input has no axes that are known")
    axis = node.axis(node.option(0), len(values.shape))
    batch = node.option(1)
    require(0 <= batch <= min(axis, len(places.shape)), "its batches cannot be")
    length, numbers = values.shape[axis], places.values
    require(len(values.shape) + len(places.shape) <= 7, "a tensor has too many axes")
    if numbers is not None and numbers.size:
        require(
            int(numbers.min()) >= 0 and (length is None or int(numbers.max()) < length), "its places are out of range"
        )


def blocks(to_depth: bool) -> Check:
    """Return the check of an operator that moves blocks between space and channels.

    Args:
        to_depth: from space to channels.
    """

    def check(node: Node) -> None:
        picture = node.input(0)
        node.same_type(picture, node.output)
        require(len(picture.shape) == 4, "its input is not four-dimensional")
        (side,) = node.steps(block_size=(0, 0))
        require(side <= 64, f"its block_size is {side}")
        divided = picture.shape[1:3] if to_depth else picture.shape[3:]
        factor = side if to_depth else side * side
        require(all(n is None or n % factor == 0 for n in divided), "its input does not divide into blocks")

    return check


def batch_blocks(node: Node) -> None:
    """Check an operator that moves blocks between space and batch.

    Args:
        node: the operator.
    """
    picture = node.input(0)
    node.same_type(picture, node.output)
    require(len(picture.shape) in (3, 4), "its input is not four-dimensional")
    sides, borders = node.constant(1, len(picture.shape) - 2), node.constant(2, 2 * (len(picture.shape) - 2))
    require(all(1 <= n <= 1024 for n in sides) and all(0 <= n <= 4096 for n in borders), "its blocks cannot be")


def tile(node: Node) -> None:
    """Check an operator that repeats a tensor.

    Args:
        node: the operator.
    """
    values = node.input(0)
    node.same_type(values, node.output)
    counts = node.integers(1, len(values.shape) or None)
    require(len(values.shape) <= 6, "a tensor has too many axes")
    if counts is not None:
        require(all(0 <= n <= MAX_BORDER for n in counts), "its repetitions cannot be")
        shape = tuple(None if n is None else n * k for n, k in zip(values.shape, counts, strict=False))
        require((elements(shape) or 0) < 1 << 28, "its output is too large")


def to_shape(values: int, shape: int) -> Check:
    """Return the check of an operator that fills a shape.

    Args:
        values, shape: the places of its inputs.
    """

    def check(node: Node) -> None:
        node.same_type(node.input(values), node.output)
        sizes = node.integers(shape)
        if sizes is not None:
            require(len(sizes) <= 6 and all(0 <= n < 1 << 28 for n in sizes), "its shape cannot be")
            require((elements(tuple(sizes)) or 0) < 1 << 28, "its output is too large")
            require(all(map(agree, broadcast(node.input(values).shape, tuple(sizes)), sizes)), "its shape does not fit")
            node.output_shape(tuple(sizes))

    return check


def shape_of(node: Node) -> None:
    """Check an operator that gives the shape of its input.

    Args:
        node: the operator.
    """
    require(node.output.dtype in INDICES, "it gives no whole numbers")


def reverse(node: Node) -> None:
    """Check a reversal of axes.

    Args:
        node: the operator.
    """
    node.same_type(node.input(0), node.output)
    node.rank(node.input(0), 1, 5)
    places = [node.axis(axis, len(node.input(0).shape)) for axis in node.constant(1)]
    require(places and sorted(places) == list(range(min(places), max(places) + 1)), "its axes do not lie together")
