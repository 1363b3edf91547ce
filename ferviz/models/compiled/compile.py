"""From a Model to a compiled model and back: compile it once, run it without TensorFlow from then on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

from ferviz.engines.base import Engine
from ferviz.engines.fallback import FallbackEngine, KerasFallbackEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.files import PathLike, check_output
from ferviz.models.compiled.explainer import Lesson, TaughtExplainer
from ferviz.models.compiled.file import CompiledModel, read_compiled, write_compiled
from ferviz.models.features import default_layer
from ferviz.models.model import CAUTIONS, Model
from ferviz.models.require_graph import require_graph
from ferviz.registry import split_names

if TYPE_CHECKING:
    from ferviz.engines.compiler.explainer_graph import ExplainerWeights
    from ferviz.engines.graph import GraphEngine

PACKAGES = ("ferviz", "tensorflow", "keras", "ai-edge-litert")


def compile_model(
    model: Model,
    out: PathLike | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    force: bool = False,
) -> CompiledModel:
    """Compile a network together with its gradients, so that it is explained without TensorFlow.

    Args:
        model: a Model of a network that TensorFlow can trace (Keras, ONNX, PyTorch by way of ONNX).
        out: the `.ferviz` file to write, None = none.
        layers: names of the layers that can be explained from the file, in a sequence or with commas between; None = every map;
            the default layer is always among them.
        force: an existing file is replaced.

    Raises:
        ModelError: for a network that LiteRT cannot run (with the operations it lacks), that has no feature map, or that is in no form
            that TensorFlow can trace.
        UnknownNameError: for a layer that is not there.
        OutputExistsError, OutputError: where the file is there already or cannot be written.
    """
    return _compile(model, out, layers, force, None, None)


def compile_taught(
    model: Model, out: PathLike, explainer: ExplainerWeights, lesson: Lesson, force: bool = False
) -> CompiledModel:
    """Compile a network together with its gradients and with an explainer that was taught for it.

    Args:
        model, out, force: as for `compile_model`.
        explainer: what was taught.
        lesson: how.

    Raises:
        ModelError, OutputExistsError, OutputError: as for `compile_model`.
    """
    return _compile(model, out, None, force, explainer, lesson)


def _compile(
    model: Model,
    out: PathLike | None,
    layers: str | Sequence[str] | None,
    force: bool,
    explainer: ExplainerWeights | None,
    lesson: Lesson | None,
) -> CompiledModel:
    from ferviz.engines.compiler.convert import compile_network

    if out is not None:
        check_output(out, force)
    engine = require_graph(model, "compiling")
    default, _ = model.default_layer()
    if all(default != info.name for info in engine.layers):  # an exporter has merged it into another layer
        default, _ = default_layer(engine.layers, len(model.labels), model.name)
    height, width = model.input.size
    names = None if layers is None else split_names(layers, [info.name for info in model.layers])
    network = compile_network(engine, (height, width), default, names, explainer)
    spec = replace(model.input, height=height, width=width)
    compiled = CompiledModel(model.name, model.sha256, model.labels, spec, network, model.notes, versions(), {}, lesson)
    LiteRTEngine(network, threads=1)  # what cannot be run is an error now and not at the first face
    if out is not None:
        write_compiled(out, compiled, force)
    return compiled


def open_compiled(
    source: CompiledModel | PathLike,
    *,
    labels: str | Iterable[str] | None = None,
    scaling: str | None = None,
    load: Callable[[], GraphEngine] | None = None,
    fallback: type[FallbackEngine] = KerasFallbackEngine,
    log: Callable[[str], None] | None = None,
) -> Model:
    """Return the Model of a compiled model; it runs without TensorFlow.

    Args:
        source: the `.ferviz` file, or what was read from it.
        labels, scaling: replace what the file states, as in `load_model`.
        load: returns the engine of the network that it was compiled from, for what the file does not hold; None = asking for
            that is an error.
        fallback: the kind of engine that stands for both then: KerasFallbackEngine for a Keras network, else FallbackEngine.
        log: takes the sentence that tells that the network itself was needed.

    Raises:
        ModelError: for a file that is not a sound compiled model.
        UsageError: for labels or a scaling that do not fit.
    """
    compiled = source if isinstance(source, CompiledModel) else read_compiled(source)
    names, spec, notes = compiled.labels, compiled.input, list(compiled.notes)
    if labels is not None:
        from ferviz.models.infer_spec import infer_labels

        names = infer_labels(labels, None, len(names), lambda _: None)
        notes = _contradicted(notes, CAUTIONS[0], "labels contradict", compiled, compiled.labels, names)
    if scaling is not None:
        if scaling != spec.scaling:
            spec = replace(spec, scaling=scaling, mean=None, std=None)
        own = scaling if "scaling" in compiled.input.assumed else compiled.input.scaling
        notes = _contradicted(notes, CAUTIONS[1], "scaling contradicts", compiled, (own,), (scaling,))
    litert = LiteRTEngine(compiled.network)
    engine: Engine = litert if load is None else fallback(litert, load, log)
    explainer = None if compiled.lesson is None else TaughtExplainer(litert, compiled.lesson, attached=True)
    return Model(compiled.name, compiled.sha256, names, spec, engine, tuple(notes), explainer=explainer)


def _contradicted(
    notes: Sequence[str], assumed: str, what: str, compiled: CompiledModel, own: Sequence[str], given: Sequence[str]
) -> list[str]:
    """-> the notes, with one about what the caller gives against what the compiled file knows, and without what it assumed."""
    known = [note for note in notes if not note.startswith(assumed)]
    if len(known) < len(notes) or tuple(own) == tuple(given):
        return known
    return [*known, f"the {what} {compiled.name}, which says {', '.join(own)}: {', '.join(given)} is used"]


def versions() -> dict[str, str]:
    """Return the versions of what a compiled network depends on; a package that is not installed is left out."""
    installed = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return installed
