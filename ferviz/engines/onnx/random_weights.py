"""An ONNX network that has learned nothing.

The file does not say how its weights began, so they are drawn as Glorot and Bengio draw them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array
from ferviz.engines.onnx.onnx_engine import OnnxEngine
from ferviz.engines.onnx.onnx_file import OnnxNetwork
from ferviz.engines.onnx.onnx_trace import OnnxPass, Plan
from ferviz.engines.onnx.values import Value
from ferviz.errors import ModelError
from ferviz.numerics import cascade_start, glorot_uniform

_KERNELS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators with a kernel or a matrix, and which operand it is; for a MatMul it may be the first."""

_NORMS = {"BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"}
_BIASED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


class RandomOnnxEngine(OnnxEngine):
    """Executes an ONNX network with weights drawn anew.

    Kernels and matrices are drawn, offsets begin as 0 and scales as 1, and batch normalisation learns the statistics of a batch, unless the
    exporter has merged it into the convolution before.

    Args:
        network: the file's content.
        shape: (h, w, c) of the pictures.
        seed: of the weights.
        batch: (N, h, w, c) float32, whose statistics batch normalisation learns; None = mean 0 and variance 1.
        share: of the operators with kernels, counted from the output, that is drawn; 0 draws the last one.

    Raises:
        ModelError: the network has no kernels.
    """

    def __init__(
        self, network: OnnxNetwork, shape: tuple[int, int, int], seed: int, batch: Array | None, share: float = 1.0
    ) -> None:
        super().__init__(network, *shape[:2])
        plan, sizes = super()._plan(shape)
        self._drawn = _drawn(plan, np.random.default_rng(seed), share)
        if not any(array.ndim > 1 for array in self._drawn.values()):
            raise ModelError(f"{network.where} has no kernels and matrices that could be drawn anew")
        if batch is not None:
            self._drawn |= _statistics(network, self._random(plan), batch, frozenset(self._drawn))
        self._plans = {sizes: self._random(plan)}

    def _plan(self, shape: Any) -> tuple[Plan, tuple[int, int, int]]:
        known = set(self._plans)
        plan, sizes = super()._plan(shape)
        if sizes not in known and hasattr(self, "_drawn"):
            self._plans[sizes] = plan = self._random(plan)
        return plan, sizes

    def _random(self, plan: Plan) -> Plan:
        constants = {name: self._drawn.get(name, array) for name, array in plan.constants.items()}
        return Plan(plan.output, plan.nodes, constants, plan.sizes)


def _drawn(plan: Plan, rng: np.random.Generator, share: float) -> dict[str, np.ndarray]:
    """-> {name: array} of the weights that are drawn, from the last operator to the first one that is drawn."""
    makers = {name: node for node in plan.nodes for name in node.output}
    drawn: dict[str, np.ndarray] = {}
    # Those whose operands are all constants were computed beforehand.
    nodes = [node for node in plan.nodes if any(name not in plan.constants for name in node.input)]
    kernels = [place for place, node in enumerate(nodes) if _has_kernel(node, plan)]

    def put(name: str, array: Any) -> None:
        drawn.setdefault(name, np.asarray(array, np.float32))

    for node in reversed(nodes[cascade_start(kernels, share) :]):
        names = list(node.input)
        arrays = {place: plan.constants[name] for place, name in enumerate(names) if name in plan.constants}
        if node.op_type in _KERNELS:
            for place, array in arrays.items():
                if array.ndim > 1:
                    put(names[place], _kernel(rng, array.shape, node.op_type))
                elif place == 2:
                    put(names[place], np.zeros(array.shape))
        elif node.op_type in _NORMS:
            for place, array in arrays.items():
                put(names[place], np.full(array.shape, 1.0 if place in (1, 4) else 0.0))
        elif node.op_type in ("Add", "Mul") and _follows(node, makers):
            for place, array in arrays.items():
                if array.size > 1:
                    put(names[place], np.full(array.shape, 0.0 if node.op_type == "Add" else 1.0))
    return drawn


def _has_kernel(node: Any, plan: Plan) -> bool:
    return node.op_type in _KERNELS and any(
        plan.constants[name].ndim > 1 for name in node.input if name in plan.constants
    )


def _follows(node: Any, makers: dict[str, Any]) -> bool:
    """Whether an addition or a product stands behind a convolution or a matrix: its bias, or a normalisation written out."""
    for _ in range(4):
        before = [makers[name] for name in node.input if name in makers and makers[name].op_type != "Constant"]
        if not before:
            return False
        node = before[0]
        if node.op_type in _BIASED:
            return True
        if node.op_type not in ("Add", "Mul", "Transpose", "Reshape"):
            return False
    return False


def _kernel(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    if kind in ("Conv", "ConvTranspose"):  # (out, in, h, w), or (in, out, h, w): the sum is the same
        return glorot_uniform(rng, (*shape[2:], shape[1], shape[0])).transpose(-1, -2, *range(len(shape) - 2))
    return glorot_uniform(rng, shape)


def _statistics(network: OnnxNetwork, plan: Plan, batch: Array, drawn: frozenset[str]) -> dict[str, np.ndarray]:
    """-> {name: array} of the means and variances that those batch normalisations see of which `drawn` has the scale."""
    tf = tensorflow()
    names: list[str] = []

    def moments(picture: Any) -> list[Any]:
        run = _StatisticsPass(network, plan, picture, drawn)
        run.run()
        names.extend(run.moments)
        return list(run.moments.values())

    function = tf.compat.v1.wrap_function(moments, [tf.TensorSpec([None, *batch.shape[1:]], tf.float32)])
    shapes = (plan.constants[name].shape for name in names)
    return {
        name: moment.numpy().reshape(shape)
        for name, moment, shape in zip(names, function(tf.constant(batch)), shapes, strict=True)
    }


class _StatisticsPass(OnnxPass):
    """Goes through the network and normalises by the pictures at hand, as in training, where the weights were drawn."""

    def __init__(self, network: OnnxNetwork, plan: Plan, picture: Any, drawn: frozenset[str]) -> None:
        super().__init__(network, plan, picture, first=False)
        self.drawn = drawn
        self.moments: dict[str, Any] = {}

    def run_node(self, proto: Any, depth: int = 0) -> None:
        """Compute one node, a normalisation with the statistics of its input.

        Args:
            proto: the NodeProto.
            depth: how many branches it lies within.
        """
        given = self.values.get(proto.input[0]) if proto.op_type == "BatchNormalization" else None
        known = all(name in self.plan.constants for name in proto.input[1:5])
        if given is None or not known or proto.input[1] not in self.drawn:
            super().run_node(proto, depth)
            return
        tf = tensorflow()
        axes = [axis for axis in range(given.rank) if axis != given.axis(1)]
        mean, variance = tf.nn.moments(given.tensor, axes, keepdims=True)
        self.moments |= {proto.input[3]: mean, proto.input[4]: variance}
        epsilon = next((attribute.f for attribute in proto.attribute if attribute.name == "epsilon"), 1e-5)
        normal = tf.nn.batch_normalization(given.tensor, mean, variance, None, None, epsilon)  # its own scale is 1 now
        self._keep(proto.output[0], Value(normal, given.layout))
