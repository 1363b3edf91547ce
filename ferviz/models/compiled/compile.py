"""From a Model to an explainer and back: compile it once, run it ever after without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.litert import Contents
from ferviz.files import PathLike
from ferviz.models.compiled.file import Explainer, read_explainer, write_explainer
from ferviz.models.model import Model
from ferviz.models.require_keras import require_keras

if TYPE_CHECKING:
    from ferviz.engines.keras import KerasEngine

PACKAGES = ("ferviz", "tensorflow", "keras", "ai-edge-litert")


def compile_model(
    model: Model, out: PathLike | None = None, *, layers: Sequence[str] | None = None, force: bool = False
) -> Explainer:
    """Compile a network together with its explanations.

    model: a Model on the Keras engine. out: the `.ferviz` file to write, None = none. layers: names of the layers that can be
    explained from the file, None = every map; the default layer is always among them. force: an existing file is replaced.
    Raises ModelError for a network that LiteRT cannot run (with the operations it lacks) or that has no feature map,
    UnknownNameError for a layer that is not there, OutputExistsError, OutputError.
    """
    from ferviz.engines.compiler.convert import compile_network
    from ferviz.files import check_output

    if out is not None:
        check_output(out, force)
    engine = require_keras(model, "compiling")
    default, _ = model.default_layer()
    height, width = model.input.size
    made = compile_network(engine, (height, width), default, layers)
    contents = Contents(
        (height, width, model.input.channels), int(engine.classes), str(engine.head), default, tuple(engine.layers),
        frozenset(made.activations), frozenset(made.gradients), made.refused,
    )  # fmt: skip
    spec = replace(model.input, height=height, width=width)
    explainer = Explainer(model.name, model.sha256, model.labels, spec, contents, made.content, model.notes, versions())
    explainer.engine(threads=1)  # what cannot be run is told now and not at the first face
    if out is not None:
        write_explainer(out, explainer, force)
    return explainer


def open_explainer(
    source: Explainer | PathLike,
    *,
    labels: str | Iterable[str] | None = None,
    scaling: str | None = None,
    load: Callable[[], KerasEngine] | None = None,
    log: Callable[[str], None] | None = None,
) -> Model:
    """Return the Model of an explainer; it runs without TensorFlow.

    source: the file, or what was read from it. labels, scaling: override what the file says, as in `load_model`.
    load: returns the Keras engine of the network that it was made from, for questions that the file cannot answer; None =
    such questions are errors. log: takes the sentence that tells that it was needed.
    Raises ModelError for a file that is no sound explainer, UsageError for labels or a scaling that do not fit.
    """
    explainer = source if isinstance(source, Explainer) else read_explainer(source)
    names, spec = explainer.labels, explainer.input
    if labels is not None:
        from ferviz.models.infer_spec import infer_labels

        names = infer_labels(labels, None, len(names), lambda _: None)
    if scaling is not None and scaling != spec.scaling:
        spec = replace(spec, scaling=scaling, mean=None, std=None)
    engine: Any = explainer.engine()
    if load is not None:
        engine = FallbackEngine(engine, load, log)
    return Model(explainer.name, explainer.sha256, names, spec, engine, explainer.notes)


def versions() -> dict[str, str]:
    """Return the versions of what a compiled network depends on; a package that is not installed is left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
