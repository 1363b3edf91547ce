"""Is what a network computes behind a layer linear? Then the gradient there is the same for every picture, and one is enough.

A global mean with a dense layer behind it, or a convolution with a global mean behind it, is such a head: most networks of today
end so. It is read off the traced operations and not off names: every operation between the layer and the logits has to be linear (or
affine) in what comes from the layer, whatever the layers around it are called.
"""

from __future__ import annotations

from typing import Any

_PASSING = {
    "Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Pad", "PadV2", "Mean", "Sum", "AvgPool", "BiasAdd", "Add", "AddV2",
    "AddN", "Sub", "Neg", "ConcatV2", "StridedSlice", "Slice",
}  # fmt: skip
"""Affine in all their inputs together."""
_PRODUCTS = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Mul"}
"""Linear in one input while the other does not depend on the picture."""
_SIZES = {"Shape", "ShapeN", "Size", "Rank"}
"""What comes out of these has no gradient: only sizes, which all pictures of a batch share."""


def is_affine(logits: Any, layer: Any, picture: Any) -> bool:
    """Return whether the gradient of the logits at a layer is the same for every picture of one size.

    False whenever an operation is not known to be linear.

    Args:
        logits, layer, picture: tensors of one traced graph.
    """
    moving: dict[str, bool] = {}
    behind: dict[str, bool] = {}

    def depends(tensor: Any, source: Any, known: dict[str, bool]) -> bool:
        """Whether a tensor's value (and not just its size) is computed from `source`."""
        stack = [tensor]
        while stack:
            here = stack[-1]
            if here.name in known:
                stack.pop()
            elif here is source:
                known[here.name] = True
            else:
                inputs = [] if here.op.type in _SIZES else list(here.op.inputs)
                waiting = [i for i in inputs if i.name not in known]
                stack.extend(waiting)
                if not waiting:
                    known[here.name] = any(known[i.name] for i in inputs)
        return known[tensor.name]

    if not depends(logits, layer, behind):
        return False
    seen: set[str] = set()
    todo = [logits]
    while todo:
        tensor = todo.pop()
        if tensor is layer or tensor.name in seen:
            continue
        seen.add(tensor.name)
        op = tensor.op
        if tensor.dtype != layer.dtype:  # half precision rounds in between
            return False
        inputs = list(op.inputs)
        from_layer = [i for i in inputs if depends(i, layer, behind)]
        if op.type in _PRODUCTS:
            others = [i for i in inputs if i is not from_layer[0]]
            if (
                len(from_layer) > 1
                or len(others) != len(inputs) - 1
                or any(depends(i, picture, moving) for i in others)
            ):
                return False
        elif op.type == "RealDiv":
            if from_layer != [inputs[0]] or depends(inputs[1], picture, moving):
                return False
        elif op.type not in _PASSING:
            return False
        todo.extend(from_layer)
    return True
