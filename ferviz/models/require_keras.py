"""From a Model to the Keras engine behind it, for what only the network itself can tell."""

from __future__ import annotations

from typing import Any

from ferviz.engines.fallback import FallbackEngine
from ferviz.errors import ModelError
from ferviz.models.model import Model, as_model


def keras_engine(model: Model, wanted: str) -> Any:
    """Return the KerasEngine of a network, loading it where only its compiled form was open.

    wanted: what is looked for, as it stands in messages. Raises ModelError where there is no Keras network behind the model,
    UsageError for what is no Model.
    """
    engine: Any = as_model(model).engine
    if isinstance(engine, FallbackEngine):
        engine = engine.whole()
    if hasattr(engine, "traced"):
        return engine
    if engine.name == "litert":
        raise ModelError(
            f"{model.name} is a compiled explainer, which holds no {wanted}; name the network that it was made from "
            "(its .keras or .h5 file), without --engine litert"
        )
    if hasattr(engine, "network"):
        raise ModelError(
            f"Keras does not run on TensorFlow here, so the {wanted} of {model.name} cannot be reached; start a new process with "
            "KERAS_BACKEND=tensorflow for this"
        )
    what = "is a SavedModel" if engine.name == "keras" else f"runs on the engine {engine.name}"
    raise ModelError(f"{model.name} {what}, whose {wanted} cannot be reached; name the network as a .keras or .h5 file")
