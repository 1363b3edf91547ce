"""From a Model to the graph of the network behind it, for what only the network itself can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferviz.engines.protocols import GraphBacked, GraphExport, KerasBacked, require, supports
from ferviz.errors import ModelError
from ferviz.models.model import Model, as_model

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine


def require_graph(model: Model, what: str) -> GraphEngine:
    """Return the graph engine of a network, loading the network where only its compiled form was open.

    Args:
        model: a network of any kind.
        what: what needs it, as messages begin, e.g. "reading kernels".

    Raises:
        ModelError: where the network is at hand in no form that TensorFlow can trace, or Keras does not run on TensorFlow here.
        UsageError: for what is no Model.
    """
    model = as_model(model)
    if supports(model.engine, KerasBacked) and not supports(model.engine, GraphBacked):
        raise ModelError(
            f"{what} ({model.name}) needs Keras on TensorFlow, and it runs on another backend here; start a new process with "
            "KERAS_BACKEND=tensorflow for this"
        )
    if supports(model.engine, GraphExport):
        return model.engine.exported_graph()
    return require(model.engine, GraphBacked, f"{what} ({model.name})").graph_engine()
