"""TensorFlow Lite files that ferviz did not compile: scores and activations, from LiteRT, without TensorFlow."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.base import INPUT, LOGITS, Array, LayerInfo, NetworkFacts, PictureShape
from ferviz.engines.tflite.admission import admit
from ferviz.engines.tflite.flatbuffer_tables import Flatbuffer
from ferviz.engines.tflite.operator_rules import RULES
from ferviz.engines.tflite.random_constants import drawn_anew
from ferviz.engines.tflite.tflite_facts import tflite_facts
from ferviz.engines.tflite.tflite_graph import Operator, Subgraph, read_graphs
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.native_logs import silenced
from ferviz.paths import is_file
from ferviz.printable import printable

SIDE = 96
"""Pixels a side, where the network takes any size."""

STEP = 16
"""Pictures in one run, where the network takes any number."""

_SOFTMAX, _LOGISTIC, _LOG_SOFTMAX = 25, 14, 50
_HEADS = {_SOFTMAX: "softmax", _LOG_SOFTMAX: "softmax", _LOGISTIC: "sigmoid"}
_PASSING = {6, 114, 22}
"""DEQUANTIZE, QUANTIZE and RESHAPE change no score."""

_WEIGHTS = {3, 4, 9, 67}
"""Convolutions and dense layers, whose constants are weights."""

_ADVICE = "give the Keras or ONNX file that it was converted from, or convert that again"
_WHY = (
    "a TensorFlow Lite file holds no gradients; occlusion, RISE, Shapley values of regions, Score-CAM and Eigen-CAM need none, and for "
    "the others load the file that it was converted from: the .keras, .h5 or .onnx file, which usually lies beside it where it was "
    "published"
)


def is_tflite(path: Path) -> bool:
    """Return whether a file is one of TensorFlow Lite.

    Args:
        path: any path.
    """
    if not is_file(path):
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == b"TFL3"
    except OSError:
        return False


class TFLiteEngine:
    """Executes a TensorFlow Lite network; numbers that are quantised are given and returned as what they stand for.

    Args:
        path: the file.

    Raises:
        ModelError: for a file that it is not safe to run, that LiteRT cannot run, or that does not take one picture.
    """

    name = "tflite"
    no_gradients = _WHY

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        admit(content, name=str(path), advice=_ADVICE)
        graph = read_graphs(content).subgraphs[0]
        head, output = _find_head(graph, str(path))
        self._open(_with_output(content, output), str(path), head)

    def _open(self, content: bytes, where: str, head: str) -> None:
        """Take the content of a file that was admitted, whose output are the logits."""
        self._where, self._lock, self._content, self.head = where, threading.RLock(), content, head
        self._graph = read_graphs(content).subgraphs[0]
        self._interpreters: dict[tuple[int, bool], Any] = {}
        interpreter = self._interpreter(preserving=False)
        (self._given,), (self._answer,) = interpreter.get_input_details(), interpreter.get_output_details()
        self._batch, self.channels_first, self.input_shape = _picture(self._given, self._where)
        self.classes = _count_classes(self._answer, self._where)
        self.facts: NetworkFacts = tflite_facts(content, _range(self._given), self.classes)

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """The output of every operator, in order of execution."""
        return tuple(info for info, _ in self._places.values())

    @cached_property
    def _places(self) -> dict[str, tuple[LayerInfo, dict[str, Any]]]:
        details = {detail["index"]: detail for detail in self._interpreter(preserving=True).get_tensor_details()}
        places: dict[str, tuple[LayerInfo, dict[str, Any]]] = {}
        for operator in self._graph.operators:
            detail = details.get(operator.outputs[0]) if operator.outputs else None
            if (
                detail is None
                or detail["dtype"] not in (np.float32, np.int8, np.uint8, np.int16)
                or len(detail["shape"]) < 2
            ):
                continue
            shape = tuple(int(size) for size in detail["shape"][1:])
            spatial = len(shape) == 3 and shape[0] * shape[1] > 1
            name = stem = printable(detail["name"].split(";")[0].replace(",", "_").replace(":", "_"), 200) or "layer"
            number = 2
            while name in places or name == INPUT:
                name, number = f"{stem}#{number}", number + 1
            kind = RULES[operator.code].name if operator.code in RULES else "IF"
            places[name] = LayerInfo(name, kind, shape, spatial, self._parameters(operator)), detail
        return places

    def _parameters(self, operator: Operator) -> int:
        if operator.code not in _WEIGHTS:
            return 0
        tensors = [self._graph.tensors[index] for index in operator.inputs[1:] if index >= 0]
        return sum(int(np.prod([n or 0 for n in tensor.shape])) for tensor in tensors if tensor.data is not None)

    # -- the primitives --------------------------------------------------------------------------------------------

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        (answer,) = self._run(batch, [self._answer], preserving=False)
        return answer.reshape(len(batch), self.classes)

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.

        Returns:
            The output of each named layer, float32.

        Raises:
            UnknownNameError: for a layer that the network does not have.
        """
        wanted = [layer for layer in layers if layer != INPUT]
        for layer in wanted:
            if layer not in self._places:
                raise UnknownNameError("layer", layer, list(self._places), "this model")
        outputs = dict(
            zip(wanted, self._run(batch, [self._places[layer][1] for layer in wanted], preserving=True), strict=True)
        )
        return [batch if layer == INPUT else outputs[layer] for layer in layers]

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Raise an error, for such a file holds no gradients.

        Args:
            batch: (N, h, w, c) float32.
            layer, weights, of: as for any engine.

        Raises:
            ModelError: always.
        """
        raise ModelError(_WHY)

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> TFLiteEngine:
        """Return an engine for the same network with weights drawn anew, as `Randomisable`.

        Args:
            seed: of the weights.
            batch: is not needed, for the file has merged its normalisations into its kernels.
            share: of the operators with kernels, counted from the output, that is drawn.

        Raises:
            ModelError: the file has no kernels that could be drawn.
        """
        engine = TFLiteEngine.__new__(TFLiteEngine)
        # Other numbers in kernels make no other file of one that was admitted: sizes and operators are the same.
        engine._open(drawn_anew(self._content, seed, self._where, share), self._where, self.head)
        return engine

    # -- inside ----------------------------------------------------------------------------------------------------

    def _run(self, batch: Array, details: list[dict[str, Any]], preserving: bool) -> list[Array]:
        batch = np.ascontiguousarray(batch, np.float32)
        expected = self.input_shape
        if batch.ndim != 4 or any(
            want not in (None, have) for want, have in zip(expected, batch.shape[1:], strict=True)
        ):
            raise UsageError(
                f"the network takes pictures (N, {', '.join(str(side or 'any') for side in expected)}), got {batch.shape}"
            )
        pictures = _quantised(np.moveaxis(batch, 3, 1) if self.channels_first else batch, self._given)
        step = self._batch or STEP
        parts: list[list[Array]] = []
        with self._lock:
            interpreter = self._interpreter(preserving)
            for start in range(0, max(len(pictures), 1), step):
                chunk = pictures[start : start + step]
                wanted = self._batch or max(len(chunk), 1)
                if len(chunk) < wanted:  # a fixed number of pictures is filled up
                    chunk = np.concatenate(
                        [chunk, np.zeros((wanted - len(chunk), *pictures.shape[1:]), pictures.dtype)]
                    )
                parts.append(self._answers(interpreter, chunk, details, min(len(pictures) - start, step)))
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _answers(self, interpreter: Any, chunk: np.ndarray, details: list[dict[str, Any]], count: int) -> list[Array]:
        place = interpreter.get_input_details()[0]
        try:
            if tuple(place["shape"]) != chunk.shape:
                interpreter.resize_tensor_input(place["index"], chunk.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(place["index"], chunk)
            interpreter.invoke()
            return [_dequantised(interpreter.get_tensor(detail["index"]), detail)[:count] for detail in details]
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"LiteRT cannot run {self._where} ({printable(str(error).strip(), 160)}); {_ADVICE}"
            ) from error

    def _interpreter(self, preserving: bool) -> Any:
        """-> the interpreter of this process: a forked one's threads are not there."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        key = os.getpid(), preserving
        with self._lock:
            if key not in self._interpreters:
                plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if preserving else OpResolverType.AUTO
                try:
                    with silenced(everything=True):
                        interpreter = Interpreter(
                            model_content=self._content, num_threads=_processors(), experimental_op_resolver_type=plain,
                            experimental_preserve_all_tensors=preserving,
                        )  # fmt: skip
                        interpreter.allocate_tensors()
                except (ValueError, RuntimeError) as error:
                    raise ModelError(f"LiteRT cannot read {self._where}; {_ADVICE}") from error
                self._interpreters[key] = interpreter
            return self._interpreters[key]


def _find_head(graph: Subgraph, where: str) -> tuple[str, int]:
    """-> how the network ends, and the tensor that holds its logits."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            f"{where} takes {len(graph.inputs)} inputs and gives {len(graph.outputs)} outputs; ferviz needs one picture and one row of "
            "scores, so convert it again with the emotions' output alone"
        )
    makers = {operator.outputs[0]: operator for operator in graph.operators if len(operator.outputs) == 1}
    tensor = graph.outputs[0]
    while tensor in makers:
        operator = makers[tensor]
        if operator.code in _HEADS:
            return _HEADS[operator.code], operator.inputs[0]
        if operator.code not in _PASSING:
            break
        tensor = operator.inputs[0]
    return "linear", graph.outputs[0]


def _with_output(content: bytes, tensor: int) -> bytes:
    """-> the file with another tensor as its output: that before the softmax, so that the logits need not be guessed from shares."""
    graph = next(Flatbuffer(content, b"TFL3").root().tables(2, 1000))
    at, _ = graph.place(2)
    return content[:at] + struct.pack("<i", tensor) + content[at + 4 :]


def _picture(detail: dict[str, Any], where: str) -> tuple[int | None, bool, PictureShape]:
    """-> (number of pictures in a run, None = any; channels first; (h, w, c))."""
    signature = detail.get("shape_signature", detail["shape"])
    sizes = [None if size < 0 else int(size) for size in (signature if len(signature) else detail["shape"])]
    shown = " x ".join(str(size or "any") for size in sizes)
    if len(sizes) != 4:
        raise ModelError(f"{where} takes {shown or 'a single number'}; ferviz needs one picture, four axes")
    if detail["dtype"] not in (np.float32, np.int8, np.uint8):
        raise ModelError(
            f"{where} takes {np.dtype(detail['dtype']).name} numbers; ferviz feeds float32, uint8 and int8"
        )
    first = sizes[1] in (1, 3) and sizes[3] not in (1, 3)
    height, width, channels = (sizes[2], sizes[3], sizes[1]) if first else sizes[1:]
    if channels not in (1, 3):
        raise ModelError(
            f"{where} takes pictures with {channels or 'any'} channels ({shown}); ferviz works with 1 or 3"
        )
    return sizes[0], first, (height, width, channels)


def _count_classes(detail: dict[str, Any], where: str) -> int:
    sizes = [int(size) for size in detail["shape"][1:]]
    wide = [size for size in sizes if size != 1]
    if len(wide) > 1 or len(detail["shape"]) < 2:
        raise ModelError(
            f"{where} gives {' x '.join(map(str, sizes)) or 'one number'} a picture; ferviz needs a score for each class"
        )
    return wide[0] if wide else 1


def _quantisation(detail: dict[str, Any]) -> tuple[float, int]:
    scale, zero = detail["quantization"]
    return float(scale), int(zero)


def _range(detail: dict[str, Any]) -> tuple[float, float] | None:
    """-> the least and the greatest number that a quantised tensor can hold."""
    if detail["dtype"] == np.float32:
        return None
    scale, zero = _quantisation(detail)
    limits = np.iinfo(detail["dtype"])
    return ((limits.min - zero) * (scale or 1), (limits.max - zero) * (scale or 1))


def _quantised(values: Array, detail: dict[str, Any]) -> np.ndarray:
    if detail["dtype"] == np.float32:
        return np.ascontiguousarray(values)
    scale, zero = _quantisation(detail)
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / (scale or 1)) + zero, limits.min, limits.max).astype(detail["dtype"])


def _dequantised(values: np.ndarray, detail: dict[str, Any]) -> Array:
    scale, zero = _quantisation(detail)
    if values.dtype == np.float32 or not scale:
        return values.astype(np.float32)
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
