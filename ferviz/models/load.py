"""load_model: from whatever a network was saved as to a Model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.files import PathLike, sha256
from ferviz.models.bundled import bundled_compiled, bundled_networks, bundled_path
from ferviz.models.formats.detect import COMPILED, SAVED_MODEL, detect_format
from ferviz.models.formats.keras_file import read_keras_file
from ferviz.models.infer_spec import infer_input, infer_labels
from ferviz.models.model import Model
from ferviz.models.sidecar import find_sidecar, read_sidecar
from ferviz.models.signature import count_classes, picture_input, select_output

if TYPE_CHECKING:
    from ferviz.models.compiled.cache import Origin

ENGINES = ("auto", "keras", "litert")


def load_model(
    path: Any = None,
    *,
    labels: str | Iterable[str] | None = None,
    scaling: str | None = None,
    weights: PathLike | None = None,
    engine: str = "auto",
    trust: bool = False,
    cache: bool = True,
) -> Model:
    """Read a network and find out what it takes and what its outputs are called.

    Labels and scaling that are not given are taken from the sidecar `<path>.ferviz.json`, then from the network itself, then assumed;
    `notes` of the result say so.

    Args:
        path: a file of any version of Keras (.keras, .h5, .hdf5; the content decides, not the name), an architecture as JSON (its
            weights are looked for beside it), a SavedModel folder (predictions only), a compiled network (.ferviz), a keras.Model in
            memory, or the name of a network that ferviz brings along; None = the bundled one.
        labels: the class names in the order of the outputs: a label scheme's name ("7", "7-alphabetical", "8-ferplus", ...),
            "happy,sad,...", or a sequence of names.
        scaling: the range of values that the network was trained with: "0..1", "-1..1", "0..255" or "standardize".
        weights: the file with the weights, where `path` is only an architecture.
        engine: "keras"; "litert", compiled now where no compiled form exists; "auto", the compiled form where one exists, with Keras
            behind it for what that form lacks.
        trust: let the file run its own code (Lambda layers, registered classes); without it such files are refused before anything of
            theirs runs.
        cache: a compiled form that an earlier run left in the cache folder may be used.

    Returns:
        The Model.

    Raises:
        ModelError: the network cannot be read, or ferviz cannot work with it.
        UntrustedModelError: it asks for code to be run, and `trust` is false.
        UsageError: the arguments do not fit each other or the network.
    """
    from ferviz.models.compiled.cache import Origin

    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if labels is not None and not isinstance(labels, str):
        labels = tuple(labels)
    if path is not None and not isinstance(path, str | os.PathLike):
        if weights is not None:
            raise UsageError("a network in memory has its weights already; load them into it, or give its file")
        return _describe(_from_memory(path, labels), labels, scaling)
    is_bundled = path is None or (str(path) in bundled_networks() and not Path(path).exists())
    if is_bundled:
        path = bundled_path("bundled" if path is None else str(path))
    assert path is not None
    file_format = detect_format(path)
    path = Path(path)
    if weights is not None and (is_bundled or file_format in (COMPILED, SAVED_MODEL)):
        raise UsageError(f"{path.name} has its weights already; --weights (weights=) goes with an architecture as JSON")
    origin = Origin(path, (), labels, scaling, Path(weights) if weights is not None else None, trust)
    if file_format == COMPILED:
        return _open_compiled_file(path, labels, scaling, engine)
    if file_format == SAVED_MODEL:
        model = _describe(_read_saved_model(path, trust), labels, scaling)
    else:
        origin = Origin(path, (), labels, scaling, Path(weights) if weights is not None else None, trust)
        compiled = None if engine == "keras" else _find_compiled(origin, engine, cache)
        if compiled is not None:
            return compiled
        network = _read_keras(origin, file_format)
        model = replace(_describe(network, labels, scaling), origin=replace(origin, files=network.files))
    return _compile(model) if engine == "litert" else model


# -- networks in an engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LoadedNetwork:
    """A network in its engine, before it is clear what its outputs are called and what it is fed.

    Attributes:
        name: a short name.
        engine: what executes it.
        size: (height, width, channels) of its pictures, None = any.
        classes: K.
        network: the keras.Model, None where there is none to look into.
        files: what it was read from; () for a network in memory.
        notes: sentences about what was assumed or upgraded.
    """

    name: str
    engine: Any
    size: tuple[int | None, int | None, int]
    classes: int
    network: Any = None
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def _read_keras(origin: Origin, file_format: str) -> _LoadedNetwork:
    notes: list[str] = []
    where = str(origin.path)
    network, files = read_keras_file(origin.path, file_format, origin.weights, origin.trust, notes.append)
    network = select_output(network, origin.labels, where, notes.append)
    size, channels_first = picture_input(network, where)
    engine = _keras_engine(network, channels_first)
    classes = count_classes(network, where)
    return _LoadedNetwork(_stem(origin.path), engine, size, classes, network, tuple(files), tuple(notes))


def _read_saved_model(path: Path, trust: bool) -> _LoadedNetwork:
    from ferviz.engines.savedmodel import SavedModelEngine

    engine = SavedModelEngine(path, trust)
    note = f"{path.name} is a SavedModel: it gives predictions, but its layers and gradients cannot be reached"
    return _LoadedNetwork(_stem(path), engine, engine.input_shape, engine.classes, files=(path,), notes=(note,))


def _from_memory(network: Any, labels: Any) -> _LoadedNetwork:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    if not isinstance(network, keras().Model):
        raise UsageError(f"a network is a path or a keras.Model, not {type(network).__name__}")
    notes: list[str] = []
    where = f"the network {network.name!r}"
    network = select_output(network, labels, where, notes.append)
    size, channels_first = picture_input(network, where)
    engine = KerasEngine(network, channels_first)
    classes = count_classes(network, where, engine)
    return _LoadedNetwork(network.name, engine, size, classes, network, notes=tuple(notes))


def _keras_engine(network: Any, channels_first: bool) -> Any:
    """-> the engine for the backend that Keras runs on: only TensorFlow's reaches layers and gradients."""
    from ferviz.engines.backend import running

    if running().config.backend() != "tensorflow":
        from ferviz.engines.keras_predict import KerasPredictEngine

        return KerasPredictEngine(network, channels_first)
    from ferviz.engines.keras import KerasEngine

    return KerasEngine(network, channels_first)


def _describe(loaded: _LoadedNetwork, labels: str | tuple[str, ...] | None, scaling: str | None) -> Model:
    """-> the Model: what the outputs are called and what the network is fed, by the caller, the sidecar, or the network itself."""
    notes = list(loaded.notes)
    beside = find_sidecar(*loaded.files)
    sidecar = read_sidecar(beside) if beside else None
    names = infer_labels(labels, sidecar, loaded.classes, notes.append)
    spec = infer_input(loaded.size, loaded.network, scaling, sidecar, notes.append)
    return Model(loaded.name, _digest(loaded.files), names, spec, loaded.engine, tuple(dict.fromkeys(notes)))


# -- compiled forms ----------------------------------------------------------------------------------------------------


def _open_compiled_file(path: Path, labels: Any, scaling: str | None, engine: str) -> Model:
    from ferviz.models.compiled.compile import open_explainer

    if engine == "keras":
        raise ModelError(f"{path} is a compiled network, which runs without Keras; leave --engine keras out")
    return open_explainer(path, labels=labels, scaling=scaling)


def _find_compiled(origin: Origin, engine: str, cache: bool) -> Model | None:
    """-> the network's compiled form, if ferviz brings it along or an earlier run left one that still fits."""
    from ferviz.models.compiled.cache import find
    from ferviz.models.compiled.compile import open_explainer

    def load_keras() -> Any:
        model = load_model(
            origin.path,
            labels=origin.labels,
            scaling=origin.scaling,
            weights=origin.weights,
            engine="keras",
            trust=origin.trust,
        )
        return model.engine

    load = load_keras if engine == "auto" else None
    compiled = bundled_compiled(origin.path)
    if compiled is not None:
        model = open_explainer(compiled, labels=origin.labels, scaling=origin.scaling, load=load)
    elif cache and (compiled := find(origin)) is not None:
        model = open_explainer(compiled, load=load)
    else:
        return None
    return replace(model, origin=origin)


def _compile(model: Model) -> Model:
    from ferviz.models.compiled.compile import compile_model, open_explainer

    return replace(open_explainer(compile_model(model)), origin=model.origin)


# -- names and digests -------------------------------------------------------------------------------------------------


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.name.split(".")[0] or path.name


def _digest(files: Sequence[Path]) -> str:
    digests = [sha256(file) for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)
