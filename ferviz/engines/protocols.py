"""What some engines have besides what every engine has: optional protocols, and how code asks for them.

Code that needs one of them asks with `supports` or `require`, never by an engine's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard, TypeVar, runtime_checkable

from ferviz.engines.base import Array, Engine, NetworkFacts
from ferviz.errors import ModelError

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine
    from ferviz.engines.keras import KerasEngine
    from ferviz.engines.keras.keras_predict import KerasPredictEngine

P = TypeVar("P")


@runtime_checkable
class GuidedGradients(Protocol):
    """An engine with guided backpropagation."""

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients of the logits where every ReLU on the way back also stops negative gradients.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) float32.

        Returns:
            As `Engine.gradients`.
        """
        ...


@runtime_checkable
class LayerInterventions(Protocol):
    """An engine that runs only the part of the network behind a layer, on an activation that is given to it."""

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when a layer's activation is replaced.

        Args:
            batch: (N, h, w, c) float32, for connections that bypass the layer.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.

        Returns:
            (N, K) float32.
        """
        ...


@runtime_checkable
class PredictedTargets(Protocol):
    """An engine that finds the predicted class itself while it computes gradients, which saves a pass through the network.

    Its `gradients` (and `guided_gradients`) of the logits also take weights (N, T, K + 1), whose last column is the weight of the class
    with the greatest logit.

    Attributes:
        takes_predicted: True; declares the promise.
    """

    takes_predicted: Literal[True]


@runtime_checkable
class ForwardOnly(Protocol):
    """An engine without gradients, whose `gradients` always raises ModelError.

    Attributes:
        no_gradients: the sentence that it raises: why there are none, and which file to load for them.
    """

    @property
    def no_gradients(self) -> str:
        """Why there are no gradients, and which file to load for them."""
        ...


@runtime_checkable
class GraphBacked(Protocol):
    """An engine that can have its network as one TensorFlow graph: what compiling, dreams, diagrams and kernels need."""

    def graph_engine(self) -> GraphEngine:
        """Return the engine that has the graph, loading the network where only its compiled form was open.

        Raises:
            ModelError: where there is none after all.
        """
        ...


@runtime_checkable
class TaughtValues(Protocol):
    """An engine whose network was taught to explain itself, and answers that in the same pass (see `ferviz.teach`)."""

    def taught_values(self, batch: Array) -> tuple[Array, Array, Array]:
        """Compute the logits and what the taught explainer answers.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            The logits (N, K), the values (N, cells, cells, 2 K) of each class's log-odds and then of each logit, and the errors (N, 2 K)
            that the explainer expects of them; all float32.
        """
        ...


@runtime_checkable
class GraphExport(Protocol):
    """An engine of another framework whose network can be exported as a graph, for compiling, diagrams and kernels."""

    def exported_graph(self) -> GraphEngine:
        """Return the engine of the exported graph, exporting it where that was not done before.

        Raises:
            ModelError: where the network cannot be exported.
        """
        ...


@runtime_checkable
class Randomisable(Protocol):
    """An engine that can have its network once more with weights that learned nothing (a Keras network is rebuilt from its layers)."""

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> Engine:
        """Return an engine for the same network with weights drawn anew.

        Args:
            seed: of the weights; those near the output are drawn first, so that they are the same for every share.
            batch: (N, h, w, c) float32, whose statistics batch normalisation learns; None = mean 0 and variance 1.
            share: of the layers with kernels, counted from the output, that is drawn; 0 draws the last one, and those before keep what they
                have learned.

        Raises:
            ModelError: it has no weights that can be drawn.
        """
        ...


@runtime_checkable
class KerasBacked(Protocol):
    """An engine with a Keras network behind it."""

    def keras_engine(self) -> KerasEngine | KerasPredictEngine:
        """Return the engine that executes the Keras network itself, loading the network where only its compiled form was open.

        Returns:
            An engine with `network`, the `keras.Model`; a KerasEngine where Keras runs on TensorFlow.
        """
        ...


@runtime_checkable
class Noting(Protocol):
    """An engine with remarks about its answers, such as why another engine had to answer.

    Attributes:
        notes: one sentence each; empty while there is nothing to remark.
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence each; empty while there is nothing to remark."""
        ...


@runtime_checkable
class Described(Protocol):
    """An engine whose network's file says something about its pictures or its classes."""

    @property
    def facts(self) -> NetworkFacts:
        """What the file says."""
        ...


CAPABILITIES: dict[type, str] = {
    GuidedGradients: "guided gradients",
    LayerInterventions: "logits from a changed layer",
    PredictedTargets: "gradients of the predicted class",
    ForwardOnly: "answers and nothing else",
    GraphBacked: "the network's graph",
    GraphExport: "an export as a graph",
    Randomisable: "weights that can be drawn anew",
    KerasBacked: "a Keras network",
    TaughtValues: "a taught explainer",
    Noting: "notes",
    Described: "remarks of the network's file",
}
"""Each optional protocol in words, for messages."""


_MEMBERS: dict[type, str] = {
    GuidedGradients: "guided_gradients",
    LayerInterventions: "logits_from",
    PredictedTargets: "takes_predicted",
    ForwardOnly: "no_gradients",
    GraphBacked: "graph_engine",
    GraphExport: "exported_graph",
    Randomisable: "randomised",
    KerasBacked: "keras_engine",
    TaughtValues: "taught_values",
    Noting: "notes",
    Described: "facts",
}
"""The member that makes an engine one of each optional protocol."""


def supports(engine: Any, protocol: type[P]) -> TypeGuard[P]:
    """Tell whether an engine has an optional protocol.

    Args:
        engine: any engine.
        protocol: one of CAPABILITIES, or another runtime-checkable protocol.
    """
    # `isinstance` of a protocol takes 40 microseconds in Python 3.11, and this is asked for every heatmap.
    member = _MEMBERS.get(protocol)
    return isinstance(engine, protocol) if member is None else hasattr(engine, member)


def require(engine: Engine, protocol: type[P], why: str) -> P:
    """Return the engine as one that has an optional protocol.

    Args:
        engine: any engine.
        protocol: one of CAPABILITIES, or another runtime-checkable protocol.
        why: who needs it, as the message begins: a method's name, "compiling".

    Returns:
        The same engine.

    Raises:
        ModelError: names who needs it, the engine, and what is missing.
    """
    if supports(engine, protocol):
        return engine
    missing = CAPABILITIES.get(protocol, protocol.__name__)
    files = ".keras, .h5" if protocol is KerasBacked else ".keras, .h5, .onnx"
    raise ModelError(
        f"{why} needs {missing}, which the {engine.name} engine does not have; load the file that the network was made as ({files}) instead"
    )


def engine_notes(engine: Engine) -> tuple[str, ...]:
    """Return the remarks of an engine about its answers, () where it has none.

    Args:
        engine: any engine.
    """
    return tuple(engine.notes) if supports(engine, Noting) else ()
