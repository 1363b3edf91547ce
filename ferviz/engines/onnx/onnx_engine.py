"""The ONNX engine: a graph engine that traces an ONNX network."""

from __future__ import annotations

from pathlib import Path

from ferviz.engines.base import Array, NetworkFacts, PictureShape
from ferviz.engines.graph import GraphEngine
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.onnx.onnx_facts import onnx_facts
from ferviz.engines.onnx.onnx_file import OnnxNetwork, order_outputs, read_onnx
from ferviz.engines.onnx.onnx_trace import Plan, make_plan, trace_onnx
from ferviz.errors import ModelError
from ferviz.printable import printable

SIDE = 96
"""Pixels a side at which a network that takes any size is looked at first."""


class OnnxEngine(GraphEngine):
    """Executes an ONNX network and computes its gradients, on TensorFlow.

    Args:
        source: the file, its content, or what was read from it.
        side: pixels a side, where the network takes pictures of any size; of the height alone with a `width`.
        width: as `side`, None = the same.

    Raises:
        ModelError: for a file that is damaged or no network of one picture, or with an operator that cannot be read.
    """

    name = "onnx"

    def __init__(self, source: Path | bytes | OnnxNetwork, side: int = SIDE, width: int | None = None) -> None:
        self.network = source if isinstance(source, OnnxNetwork) else read_onnx(source)
        height, own_width, channels = self.network.shape
        super().__init__(self.network.where, (height or side, own_width or width or side, channels))
        self._plans: dict[PictureShape, Plan] = {}
        self._output = self._find_output()

    def trace_at(self, shape: PictureShape, guided: bool = False, separate: bool = False) -> Trace:
        """Trace the network for any number of pictures.

        Args:
            shape: (h, w, c) of the pictures.
            guided: every ReLU's gradient also drops negative gradients (guided backpropagation).
            separate: every call returns a tensor of its own.

        Raises:
            ModelError: where an operator cannot be computed, or the network does not return one vector of scores a picture.
        """
        plan, sizes = self._plan(shape)
        return trace_onnx(self.network, plan, sizes, guided, separate)

    def trace_resized(self, shape: PictureShape) -> Trace | None:
        """Trace the network for pictures of another size than the file's.

        Args:
            shape: (h, w, c) of the pictures.

        Returns:
            The trace, or None where the network is tied to its size.
        """
        try:
            return self.trace_at(shape)
        except ModelError:
            return None

    @property
    def facts(self) -> NetworkFacts:
        """What the file says about what it takes and gives."""
        return onnx_facts(self.network)

    @property
    def files(self) -> tuple[Path, ...]:
        """What the network was read from."""
        return self.network.files

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> OnnxEngine:
        """Return an engine for the same network with weights drawn anew, as `Randomisable`.

        Args:
            seed: of the weights.
            batch: (N, h, w, c) float32, whose statistics batch normalisation learns; None = mean 0 and variance 1.
            share: of the operators with kernels, counted from the output, that is drawn.

        Raises:
            ModelError: the network has no weights that could be drawn.
        """
        from ferviz.engines.onnx.random_weights import RandomOnnxEngine

        height, width, channels = self.input_shape
        assert height is not None
        assert width is not None
        return RandomOnnxEngine(self.network, (height, width, channels), seed, batch, share)

    def check(self, shape: PictureShape) -> None:
        """Raise ModelError unless the network takes pictures of a size.

        Args:
            shape: (h, w, c).
        """
        self._plan(shape)

    def takes(self, shape: PictureShape) -> bool:
        """Return whether the network takes pictures of a size.

        Args:
            shape: (h, w, c).
        """
        try:
            self.check(shape)
        except ModelError:
            return False
        return True

    def _plan(self, shape: PictureShape) -> tuple[Plan, tuple[int, int, int]]:
        sizes = (shape[0] or self.input_shape[0] or SIDE, shape[1] or self.input_shape[1] or SIDE, shape[2])
        if sizes not in self._plans:
            self._plans[sizes] = make_plan(self.network, self._output, sizes)
        return self._plans[sizes], sizes

    def _find_output(self) -> str:
        """-> the output with a score for each class; of several the one that is called after emotions, or that alone has five to ten."""
        names = order_outputs(self.network)
        if len(names) == 1:
            return names[0]
        wide = {}
        for name in names:
            plan = make_plan(self.network, name, self.input_shape)  # type: ignore[arg-type]
            rows = [size for size in plan.sizes.get(name, ())[1:] if size != 1]
            if len(rows) == 1 and rows[0] is not None:
                wide[name] = rows[0]
        few = [name for name, width in wide.items() if 5 <= width <= 10]
        if few and (len(few) == 1 or few[0] != self.network.outputs[0]):
            return few[0]
        shown = ", ".join(f"{printable(name, 40)} ({wide.get(name, 'no row of scores')})" for name in names[:5])
        raise ModelError(
            f"{self.network.where} has {len(names)} outputs ({shown}); ferviz needs one, with a score a class, so export that one alone"
        )
