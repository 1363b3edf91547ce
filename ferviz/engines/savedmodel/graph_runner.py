"""Run the serving signature of a SavedModel with TensorFlow: the checked graph alone, or all that TensorFlow's own loader runs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array
from ferviz.engines.savedmodel.graph_check import INITIALISER_COLLECTIONS, Graph, check_graph, reduce_graph
from ferviz.errors import FervizError, ModelError
from ferviz.printable import printable

_INITIALISER = "__saved_model_init_op"


@dataclass(frozen=True)
class Signature:
    """What a SavedModel takes and gives.

    Attributes:
        inputs: how many tensors it takes.
        outputs: how many it gives.
        shape: of the first input, None for a free size.
        answer: the shape of the first output.
    """

    inputs: int
    outputs: int
    shape: tuple[int | None, ...]
    answer: tuple[int | None, ...]


def describe_error(error: BaseException) -> str:
    """Return the line of an error that says most as printable text; a graph can write what it likes into its errors.

    Args:
        error: raised by TensorFlow.
    """
    lines = [line.strip() for line in str(getattr(error, "message", None) or error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("[[")] or [type(error).__name__]
    text = lines[-1] if lines[0].endswith("error:") else lines[0]
    return printable(text, 160)


def import_runtime() -> None:
    """Import the part of TensorFlow that runs graphs, in a process that needs nothing else of it: a quarter of the time.

    TensorFlow's own `__init__` imports all of its interface; a module without it stands in its place.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("TensorFlow is not installed")
    runtime = ModuleType("tensorflow")
    runtime.__path__, runtime.__spec__ = list(spec.submodule_search_locations), spec
    sys.modules["tensorflow"] = runtime
    try:
        importlib.import_module("tensorflow.python.client.session")
    except (ImportError, AttributeError):  # a TensorFlow that is built in another way
        del sys.modules["tensorflow"]
        importlib.import_module("tensorflow")


class GraphRunner:
    """The serving signature of a SavedModel whose operations have all been checked.

    Needs no more of TensorFlow than its runtime, which must be there to be imported: see `import_runtime`.

    Args:
        folder: the folder with saved_model.pb.

    Attributes:
        signature: what it takes and gives.

    Raises:
        ModelError: for a damaged folder, or one without a signature.
        UntrustedModelError: for an operation that is not on the allow-list.
    """

    def __init__(self, folder: Path) -> None:
        from tensorflow.core.framework import graph_pb2
        from tensorflow.core.protobuf import config_pb2
        from tensorflow.python.client import session
        from tensorflow.python.framework import importer, ops

        graph = _serving_graph(folder)
        self.signature, source, answer = _choose_signature(graph)
        saver, initialiser = graph.meta.saver_def, _initialiser(graph)
        outputs = [
            source,
            answer,
            *(name for name in (saver.restore_op_name, saver.filename_tensor_name, initialiser) if name),
        ]
        try:
            with ops.Graph().as_default() as inner:
                importer.import_graph_def(reduce_graph(graph, outputs, graph_pb2.GraphDef), name="")
                cores = min(16, os.cpu_count() or 1)
                config = config_pb2.ConfigProto(
                    intra_op_parallelism_threads=cores, inter_op_parallelism_threads=2, device_count={"GPU": 0},
                    allow_soft_placement=True,
                )  # fmt: skip
                self._session = session.Session(config=config)
                if saver.restore_op_name and _has_variables(graph):
                    name = {saver.filename_tensor_name: str(folder / "variables" / "variables")}
                    self._session.run(saver.restore_op_name.removesuffix(":0"), name)
                if initialiser:
                    self._session.run(initialiser.removesuffix(":0"))
                self._dtype = inner.get_tensor_by_name(source).dtype.as_numpy_dtype
                self._call = self._session.make_callable(answer, [source])
        except (FervizError, MemoryError):
            raise
        except Exception as error:
            raise ModelError(f"{folder} is a damaged SavedModel ({describe_error(error)}); copy it again") from error

    def __call__(self, batch: Array) -> Array:
        """Compute the outputs.

        Args:
            batch: as the signature takes it.

        Returns:
            (N, K) float32.
        """
        return np.asarray(self._call(batch.astype(self._dtype)), np.float32)


class TrustedRunner:
    """The serving signature of a SavedModel as TensorFlow's own loader opens it: whatever is in the folder runs.

    Args:
        folder: the folder with saved_model.pb.

    Attributes:
        signature: what it takes and gives.

    Raises:
        ModelError: for a damaged folder, or one without a signature.
    """

    def __init__(self, folder: Path) -> None:
        tf = tensorflow()
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except Exception as error:
            raise ModelError(f"{folder} is a damaged SavedModel ({describe_error(error)}); copy it again") from error
        signatures = getattr(self._loaded, "signatures", {})
        if not signatures:
            raise ModelError(f"{folder} has no signature to call; export the network with model.export()")
        key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
        self._call = signatures[key]
        inputs, outputs = self._call.structured_input_signature[1], self._call.structured_outputs
        self._input: str = next(iter(inputs), "")
        self._output: str = next(iter(outputs), "")
        self._spec, answer = inputs.get(self._input), outputs.get(self._output)
        shapes = (tuple(spec.shape) if spec is not None and spec.shape.rank else () for spec in (self._spec, answer))
        self.signature = Signature(len(inputs), len(outputs), *shapes)

    def __call__(self, batch: Array) -> Array:
        """Compute the outputs.

        Args:
            batch: as the signature takes it.

        Returns:
            (N, K) float32.
        """
        tf = tensorflow()
        answer = self._call(**{self._input: tf.cast(tf.constant(batch), self._spec.dtype)})
        return np.asarray(answer[self._output], np.float32)


def _serving_graph(folder: Path) -> Graph:
    """Read the file, check every graph in it, and return the one that serves."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    description = saved_model_pb2.SavedModel()
    file = folder / "saved_model.pb"
    try:
        description.ParseFromString(file.read_bytes())
    except MemoryError:
        raise
    except Exception as error:
        raise ModelError(f"{file} is damaged; copy the SavedModel again") from error
    graphs = [
        Graph(meta, str(folder), lambda name: op_def_registry.get(name) is not None) for meta in description.meta_graphs
    ]
    for graph in graphs:
        check_graph(graph)
    serving = [graph for graph in graphs if "serve" in graph.meta.meta_info_def.tags] or graphs
    if not serving:
        raise ModelError(f"{file} holds no graph; copy the SavedModel again")
    return serving[0]


def _choose_signature(graph: Graph) -> tuple[Signature, str, str]:
    """The serving signature, and the names of its input and output tensor."""
    signatures = {key: value for key, value in graph.meta.signature_def.items() if not key.startswith("__saved_model")}
    if not signatures:
        raise ModelError(f"{graph.where} has no signature to call; export the network with model.export()")
    chosen = signatures.get("serving_default", signatures[min(signatures)])
    (_, source), (_, answer) = (
        sorted(side.items())[0] if side else ("", None) for side in (chosen.inputs, chosen.outputs)
    )
    signature = Signature(len(chosen.inputs), len(chosen.outputs), _shape(source), _shape(answer))
    names = [info.name if info is not None else "" for info in (source, answer)]
    if signature.inputs and signature.outputs and not all(names):
        raise ModelError(
            f"{graph.where} takes or gives something else than plain tensors; ferviz needs a picture and a vector"
        )
    return signature, names[0], names[1]


def _shape(info: Any) -> tuple[int | None, ...]:
    if info is None or info.tensor_shape.unknown_rank:
        return ()
    return tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)


def _initialiser(graph: Graph) -> str:
    """The name of the operation that is run after loading, "" = none."""
    if _INITIALISER in graph.meta.signature_def:
        outputs = graph.meta.signature_def[_INITIALISER].outputs
        return str(next((info.name for info in outputs.values()), ""))
    for key in INITIALISER_COLLECTIONS:
        if key in graph.meta.collection_def and graph.meta.collection_def[key].node_list.value:
            return str(graph.meta.collection_def[key].node_list.value[0])
    return ""


def _has_variables(graph: Graph) -> bool:
    return any(node.op in ("VarHandleOp", "VariableV2", "Variable") for node in graph.nodes.values())
