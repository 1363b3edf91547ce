"""From a Model to the Keras engine behind it, for what only the network itself can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferviz.engines.base import KerasBacked, require
from ferviz.errors import ModelError
from ferviz.models.model import Model, as_model

if TYPE_CHECKING:
    from ferviz.engines.keras import KerasEngine


def require_keras(model: Model, what: str) -> KerasEngine:
    """Return the Keras engine of a network, loading the network where only its compiled form was open.

    Args:
        model: a network of any kind.
        what: what needs it, as messages begin, e.g. "reading kernels".

    Raises:
        ModelError: where there is no Keras network behind the model, or Keras does not run on TensorFlow here.
        UsageError: for what is no Model.
    """
    from ferviz.engines.keras import KerasEngine

    model = as_model(model)
    engine = require(model.engine, KerasBacked, f"{what} ({model.name})").keras_engine()
    if isinstance(engine, KerasEngine):
        return engine
    raise ModelError(
        f"{what} ({model.name}) needs Keras on TensorFlow, and it runs on another backend here; start a new process with "
        "KERAS_BACKEND=tensorflow for this"
    )
