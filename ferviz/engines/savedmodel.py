"""A SavedModel folder as an engine: it predicts, but its layers cannot be reached, so it gives logits only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import LOGITS, Array, LayerInfo, PictureShape
from ferviz.errors import FervizError, ModelError, UntrustedModelError
from ferviz.paths import is_file

_WHY = (
    "a SavedModel has no layers that can be reached, only logits: predict and methods that need nothing else (occlusion, "
    "RISE) work; for this, save the network as .keras or .h5"
)
_TINY = 1e-12
_LARGEST = 1024**3
_UNSAFE_OPERATIONS = frozenset(
    {
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "WholeFileReader",
        "WholeFileReaderV2",
        "TextLineReader",
        "TextLineReaderV2",
        "FixedLengthRecordReader",
        "FixedLengthRecordReaderV2",
        "TFRecordReader",
        "TFRecordReaderV2",
        "TextLineDataset",
        "TFRecordDataset",
        "TFRecordDatasetV2",
        "FixedLengthRecordDataset",
        "FixedLengthRecordDatasetV2",
        "SaveDataset",
        "SaveDatasetV2",
        "LoadDataset",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "DebugIdentity",
        "DebugIdentityV2",
        "PrintV2",
        "Print",
        "RegisterDataset",
        "DataServiceDataset",
        "DataServiceDatasetV2",
        "ImmutableConst",
        "TemporaryVariable",
        "DistributedSave",
    }
)
"""Operations that reach files or Python from within a graph; no network for pictures needs one."""


class SavedModelEngine:
    """Executes the serving signature of a SavedModel.

    Args:
        folder: the folder with saved_model.pb; a signature with one picture in and one vector out is needed.
        trust: also take a graph with operations that read or write files or call Python.

    Raises:
        ModelError: for a folder without such a signature.
        UntrustedModelError: for a graph with such operations, without `trust`.
    """

    name = "savedmodel"
    layers: Sequence[LayerInfo] = ()

    def __init__(self, folder: str | Path, trust: bool = False) -> None:
        tf = tensorflow()
        if not trust:
            _check_operations(Path(folder))
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except FervizError:
            raise
        except Exception as error:
            line = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            raise ModelError(f"{folder} is a damaged SavedModel ({line}); copy it again") from error
        signatures = getattr(self._loaded, "signatures", {})
        if not signatures:
            raise ModelError(f"{folder} has no signature to call; export the network with model.export()")
        key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
        self._call = signatures[key]
        inputs = self._call.structured_input_signature[1]
        outputs = self._call.structured_outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{folder} has {len(inputs)} inputs and {len(outputs)} outputs; ferviz needs one picture and one vector, so "
                "save the network as .keras and give that (of its outputs the emotions are taken)"
            )
        self._input, spec = next(iter(inputs.items()))
        self._output, answer = next(iter(outputs.items()))
        shape, out = (
            spec.shape.as_list() if spec.shape.rank else [],
            answer.shape.as_list() if answer.shape.rank else [],
        )
        if len(shape) != 4 or len(out) != 2 or not out[1]:
            raise ModelError(
                f"{folder} takes {tuple(shape)} and gives {tuple(out)}; ferviz needs (N, h, w, c) and (N, classes)"
            )
        self.channels_first = shape[1] in (1, 3) and shape[3] not in (1, 3)
        height, width, channels = shape[2:] + shape[1:2] if self.channels_first else shape[1:]
        self.input_shape: PictureShape = (height, width, channels)
        self.classes = int(out[1])
        self._fixed: int | None = shape[0]
        self._dtype = spec.dtype
        self._lock = threading.Lock()
        self._head: str | None = None

    @property
    def head(self) -> str:
        """What the outputs are: "softmax", "sigmoid" (its inverse is then given as logits) or "linear"; found out from a few."""
        if self._head is None:
            height, width, channels = self.input_shape
            probe = np.random.default_rng(0).random((16, height or 96, width or 96, channels), dtype=np.float32)
            raw = self._run(probe)
            sums = np.allclose(raw.sum(axis=1), 1, atol=1e-3) and (raw >= 0).all()
            # Sixteen pictures whose scores all lie between 0 and 1, and never on them, are no accident.
            shares = (raw > 0).all() and (raw < 1).all()
            self._head = "softmax" if sums else "sigmoid" if shares else "linear"
        return self._head

    def logits(self, batch: Array) -> Array:
        """Compute the logits behind the network's probabilities, or its outputs where those are no probabilities.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.
        """
        raw = self._run(batch)
        if self.head == "sigmoid":
            raw = np.clip(raw, _TINY, 1 - np.finfo(np.float32).eps)
            return np.asarray(np.log(raw) - np.log1p(-raw), np.float32)
        return np.log(np.maximum(raw, _TINY)) if self.head == "softmax" else raw

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Raise an error, for a SavedModel's layers cannot be reached.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers.

        Raises:
            ModelError: always.
        """
        raise ModelError(_WHY)

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Raise an error, for a SavedModel's layers cannot be reached.

        Args:
            batch: (N, h, w, c) float32.
            layer, weights, of: as for any engine.

        Raises:
            ModelError: always.
        """
        raise ModelError(_WHY)

    def _run(self, batch: Any) -> Array:
        tf = tensorflow()
        x = np.ascontiguousarray(np.moveaxis(batch, 3, 1) if self.channels_first else batch)
        if len(x) == 0:
            return np.zeros((0, self.classes), np.float32)
        step, parts = self._fixed or len(x), []
        for start in range(0, len(x), step):
            chunk = x[start : start + step]
            full = np.concatenate([chunk, np.repeat(chunk[:1], step - len(chunk), 0)])  # a fixed batch is filled up
            with self._lock:
                answer = self._call(**{self._input: tf.cast(tf.constant(full), self._dtype)})
            parts.append(np.asarray(answer[self._output], np.float32)[: len(chunk)])
        return np.concatenate(parts)


def _check_operations(folder: Path) -> None:
    """Raise UntrustedModelError if the graph or one of its functions has an operation that reaches out."""
    tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    file = folder / "saved_model.pb"
    if not is_file(file) or file.stat().st_size > _LARGEST:
        raise ModelError(f"{folder} has no saved_model.pb of less than 1 GiB; name the folder of a SavedModel")
    description = saved_model_pb2.SavedModel()
    try:
        description.ParseFromString(file.read_bytes())
    except Exception as error:
        raise ModelError(f"{file} is damaged; copy the SavedModel again") from error
    for graph in (meta.graph_def for meta in description.meta_graphs):
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        for node in nodes:
            if node.op in _UNSAFE_OPERATIONS:
                raise UntrustedModelError(
                    f"{folder} has the operation {node.op} in its graph, which reaches files or Python; "
                    "pass trust=True (--trust) only if you know where it comes from"
                )
