"""load_model: from whatever a network was saved as to a Model."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz import emotions
from ferviz.engines.base import NetworkFacts, PictureShape
from ferviz.engines.protocols import Described, GraphBacked, supports
from ferviz.engines.registry import ENGINE_CHOICES, KERAS, ONNX, Opener, find_opener
from ferviz.engines.torch.torch_import import torch
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.files import PathLike, sha256
from ferviz.models.bundled import bundled_compiled, bundled_networks, bundled_path
from ferviz.models.formats.detect import COMPILED, HDF5, JSON, ZIP, detect_format
from ferviz.models.formats.keras_file import read_keras_file
from ferviz.models.formats.unsupported_formats import part_of
from ferviz.models.formats.weights import check_finite
from ferviz.models.infer_spec import check_input, fit_size, fit_spec, given_shape, infer_input, infer_labels
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.models.pytorch.torch_file import torch_format
from ferviz.models.sidecar import find_sidecar, read_sidecar
from ferviz.models.signature import count_classes, picture_input, select_output
from ferviz.paths import exists, is_file, is_folder

if TYPE_CHECKING:
    from ferviz.engines.base import Engine
    from ferviz.models.compiled.cache import Origin

_KERAS_FORMATS = (ZIP, HDF5, JSON)
_OTHER = "of another engine"


def load_model(
    path: Any = None,
    *,
    labels: str | Iterable[str] | None = None,
    scaling: str | None = None,
    weights: PathLike | None = None,
    engine: str = "auto",
    trust: bool = False,
    cache: bool = True,
    input: InputSpec | Sequence[int | None] | str | None = None,
    architecture: Any = None,
) -> Model:
    """Read a network and find out what it takes and what its outputs are called.

    Labels and scaling that are not given are taken from the sidecar `<path>.ferviz.json`, then from the network itself, then assumed;
    `notes` of the result list what was inferred and assumed.

    Args:
        path: a file of any version of Keras (.keras, .h5, .hdf5; the content decides, not the name), an architecture as JSON (its
            weights are looked for beside it), an ONNX network, weights of a PyTorch network with its `architecture`, a SavedModel folder
            (predictions only), a TensorFlow Lite file (no gradients), a compiled network (.ferviz), a keras.Model, torch.nn.Module or
            onnx.ModelProto in memory, or the name of a network that ferviz brings along; None = the bundled one.
        labels: the class names in the order of the outputs: a label scheme's name ("7", "7-alphabetical", "8-ferplus", ...),
            "happy,sad,...", or a sequence of names.
        scaling: the range of values that the network was trained with: "0..1", "-1..1", "0..255" or "standardize".
        weights: the file with the weights, where `path` is only an architecture.
        engine: "keras" or "onnx", the network as it is; "litert", compiled now where no compiled form exists; "auto", the compiled form
            where one exists, with the network itself behind it for what that form lacks.
        trust: let the file run its own code (Lambda layers, registered classes, any operation of a SavedModel); without it such files are
            refused before anything of theirs runs.
        cache: a compiled form that an earlier run left in the cache folder may be used.
        input: the pictures that the network takes, where it does not tell: (height, width, channels), None = any; the same as text,
            "48x48x1"; or a whole InputSpec.
        architecture: the class of a PyTorch network whose file holds its weights: "my_net.py:MyNet" (the file is run),
            "package.module:callable", "timm:NAME", "torchvision:NAME", or a class, a function or a module.

    Returns:
        The Model.

    Raises:
        ModelError: the network cannot be read, or ferviz cannot work with it.
        UntrustedModelError: it asks for code to be run, and `trust` is false.
        UsageError: the arguments do not fit each other or the network.
    """
    from ferviz.models.compiled.cache import Origin

    if engine not in ENGINE_CHOICES:
        raise UnknownNameError("engine", engine, ENGINE_CHOICES)
    if labels is not None and not isinstance(labels, str):
        labels = tuple(labels)
    given = check_input(input, scaling)
    if path is not None and not isinstance(path, str | os.PathLike):
        if architecture is not None:
            raise UsageError("architecture= goes with a file of weights; a network in memory has its layers already")
        return _describe(_from_memory(path, labels, weights, trust, given), labels, scaling, given)
    path, file_format = _locate(path, weights)
    torch_kind = torch_format(path) if file_format == _OTHER else ""
    if architecture is not None and not torch_kind:
        raise UsageError(f"{path.name} is no file of PyTorch's weights; --architecture (architecture=) goes with those")
    if file_format == COMPILED:
        _without_input(given, path)
        return _open_compiled_file(path, labels, scaling, engine)
    if torch_kind:
        model = _describe(_read_torch(path, torch_kind, architecture, labels, trust, given), labels, scaling, given)
        model = replace(
            model, origin=_torch_origin(Origin(path, (path,), labels, scaling, None, trust, cached=False), architecture)
        )
        return _compile(model) if engine == "litert" else model
    is_keras = file_format in _KERAS_FORMATS
    origin = Origin(path, (), labels, scaling, Path(weights) if weights is not None else None, trust)
    has_compiled = engine not in (KERAS, ONNX) and given is None and (is_keras or not is_folder(path))
    compiled = _find_compiled(origin, engine, cache, is_keras) if has_compiled else None
    if compiled is not None:
        return compiled
    network = _read_keras(origin, file_format) if is_keras else _open_other(path, trust, (path,))
    _check_engine(engine, network.engine.name, path)
    model = _describe(network, labels, scaling, given)
    cached = given is None and (is_keras or supports(model.engine, GraphBacked))
    model = replace(model, origin=replace(origin, files=network.files, cached=cached))
    return _compile(model) if engine == "litert" else model


def _locate(path: PathLike | None, weights: PathLike | None) -> tuple[Path, str]:
    """-> the file, None and names of bundled networks resolved, and its format; `weights` goes with an architecture only."""
    is_bundled = path is None or (str(path) in bundled_networks() and not exists(path))
    if is_bundled:
        path = bundled_path("bundled" if path is None else str(path))
    assert path is not None
    file_format = _format(path)
    if weights is not None and (is_bundled or file_format not in _KERAS_FORMATS):
        name = Path(path).name
        raise UsageError(f"{name} has its weights already; --weights (weights=) goes with an architecture as JSON")
    return Path(path), file_format


@dataclass(frozen=True)
class _LoadedNetwork:
    """A network in its engine, before its labels and its input spec are known.

    Attributes:
        name: a short name.
        engine: what executes it.
        size: (height, width, channels) of its pictures, None = any.
        classes: K.
        network: the keras.Model, None where there is none to look into.
        files: what it was read from; () for a network in memory.
        notes: sentences about what was assumed or upgraded.
        settings: fields of an InputSpec that the network's own configuration gives.
    """

    name: str
    engine: Engine
    size: tuple[int | None, int | None, int]
    classes: int
    network: Any = None
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def _read_keras(origin: Origin, file_format: str) -> _LoadedNetwork:
    notes: list[str] = []
    where = str(origin.path)
    network, files = read_keras_file(origin.path, file_format, origin.weights, origin.trust, notes.append)
    network = select_output(network, origin.labels, where, notes.append)
    return _open_keras(network, _stem(origin.path), where, tuple(files), notes, origin.trust)


def _from_memory(
    network: Any, labels: Any, weights: PathLike | None, trust: bool, given: InputSpec | PictureShape | None
) -> _LoadedNetwork:
    if weights is not None:
        raise UsageError("a network in memory has its weights already; load them into it, or give its file")
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(network, torch.nn.Module):
        return _open_torch(network, type(network).__name__, labels, given)
    keras: Any = sys.modules.get("keras")
    if keras is None or not isinstance(network, keras.Model):
        return _open_other(network, trust)
    notes: list[str] = []
    where = f"the network {network.name!r}"
    check_finite(network, where, "training it went wrong; give it finite ones")
    network = select_output(network, labels, where, notes.append)
    return _open_keras(network, network.name, where, (), notes, trust)


def _open_keras(
    network: Any, name: str, where: str, files: tuple[Path, ...], notes: Sequence[str], trust: bool
) -> _LoadedNetwork:
    size, _ = picture_input(network, where)
    engine = _opener(network).open(network, trust)
    classes = count_classes(network, where, engine)
    return _LoadedNetwork(name, engine, size, classes, network, files, tuple(notes))


def _read_torch(
    path: Path, kind: str, architecture: Any, labels: Any, trust: bool, given: InputSpec | PictureShape | None
) -> _LoadedNetwork:
    torch()
    from ferviz.models.pytorch.read_module import read_module

    notes: list[str] = []
    module = read_module(path, kind, architecture, trust, notes.append)
    return _open_torch(module, _stem(path), labels, given, (path,), notes)


def _torch_origin(origin: Origin, architecture: Any) -> Origin:
    """-> the origin of a PyTorch network: its class too, and the file in which that stands."""
    name = (
        architecture
        if isinstance(architecture, str)
        else getattr(architecture, "__qualname__", type(architecture).__qualname__)
    )
    code = Path(name.rpartition(":")[0])
    files = (*origin.files, code) if code.suffix == ".py" and is_file(code) else origin.files
    return replace(origin, files=files, architecture="" if architecture is None else name)


def _open_torch(
    module: Any,
    name: str,
    labels: Any,
    given: InputSpec | PictureShape | None,
    files: tuple[Path, ...] = (),
    notes: Sequence[str] = (),
) -> _LoadedNetwork:
    from ferviz.engines.torch.module_network import open_module

    classes = None if labels is None else len(emotions.label_scheme(labels).labels)
    network = open_module(module, given_shape(given), classes)
    engine = network.engine
    all_notes = (*notes, *network.notes)
    return _LoadedNetwork(name, engine, engine.input_shape, engine.classes, None, files, all_notes, network.settings)


def _open_other(source: Any, trust: bool, files: tuple[Path, ...] = ()) -> _LoadedNetwork:
    """-> a path or an object in memory in the engine that recognises it, where that is no engine for Keras."""
    opener = _opener(source)
    engine = opener.open(source, trust)
    name = _stem(source) if isinstance(source, Path) else type(source).__name__
    notes = (f"{name}: {opener.note}",) if opener.note else ()
    if engine.classes < 2:
        raise ModelError(f"{name} has a single output unit (a yes-or-no network); ferviz needs two or more classes")
    files = getattr(engine, "files", files) if files else files
    return _LoadedNetwork(name, engine, engine.input_shape, engine.classes, files=files, notes=notes)


def _opener(source: Any) -> Opener:
    opener = find_opener(source)
    if opener is None:
        raise UsageError(f"a network is a path, a keras.Model or a torch.nn.Module, not {type(source).__name__}")
    return opener


def _format(path: Any) -> str:
    """-> the format of what Keras or ferviz wrote, _OTHER for what only another engine recognises."""
    try:
        return detect_format(path)
    except ModelError:
        if part_of(Path(path)) or (not torch_format(Path(path)) and find_opener(Path(path)) is None):
            raise
        return _OTHER


def _describe(
    loaded: _LoadedNetwork,
    labels: str | tuple[str, ...] | None,
    scaling: str | None,
    given: InputSpec | PictureShape | None = None,
) -> Model:
    """-> the Model, with labels and input spec from the caller, the sidecar, or the network itself."""
    notes = list(loaded.notes)
    beside = find_sidecar(*loaded.files)
    sidecar = read_sidecar(beside) if beside else None
    facts = loaded.engine.facts if supports(loaded.engine, Described) else NetworkFacts()
    names = infer_labels(labels, sidecar, loaded.classes, notes.append, facts.labels)
    if isinstance(given, InputSpec):
        spec = fit_spec(given, loaded.size)
    else:
        size, settings = fit_size(given, loaded.size), {**facts.settings, **loaded.settings}
        spec = infer_input(size, loaded.network, scaling, sidecar, notes.append, settings, facts.rescaling)
    return Model(loaded.name, _digest(loaded.files), names, spec, loaded.engine, tuple(dict.fromkeys(notes)))


def _open_compiled_file(path: Path, labels: Any, scaling: str | None, engine: str) -> Model:
    from ferviz.models.compiled.compile import open_compiled

    if engine in (KERAS, ONNX):
        raise ModelError(f"{path} is a compiled network, which runs without Keras; leave --engine {engine} out")
    return open_compiled(path, labels=labels, scaling=scaling)


def _without_input(given: InputSpec | PictureShape | None, path: Path) -> None:
    if given is not None:
        raise UsageError(f"{path.name} is compiled for its own input; leave input= (--input) out")


def _check_engine(asked: str, name: str, path: Path) -> None:
    """Raise ModelError where the caller asks for the engine of another kind of network."""
    if (asked == ONNX and name != ONNX) or (asked == KERAS and name in (ONNX, "tflite")):
        raise ModelError(f"{path} is run by the {name} engine; leave --engine {asked} (engine={asked!r}) out")


def _find_compiled(origin: Origin, engine: str, cache: bool, is_keras: bool) -> Model | None:
    """-> the network's compiled form, if ferviz brings it along or an earlier run left one that still fits."""
    from ferviz.engines.fallback import FallbackEngine, KerasFallbackEngine
    from ferviz.models.compiled.cache import find
    from ferviz.models.compiled.compile import open_compiled

    def load_network() -> Any:
        model = load_model(
            origin.path,
            labels=origin.labels,
            scaling=origin.scaling,
            weights=origin.weights,
            engine=KERAS if is_keras else ONNX,
            trust=origin.trust,
        )
        return model.engine

    load = load_network if engine == "auto" else None
    fallback = KerasFallbackEngine if is_keras else FallbackEngine
    compiled = bundled_compiled(origin.path)
    if compiled is not None:
        model = open_compiled(compiled, labels=origin.labels, scaling=origin.scaling, load=load)
    elif cache and (compiled := find(origin)) is not None:
        model = open_compiled(compiled, load=load, fallback=fallback)
    else:
        return None
    return replace(model, origin=origin)


def _compile(model: Model) -> Model:
    from ferviz.models.compiled.compile import compile_model, open_compiled

    return replace(open_compiled(compile_model(model)), origin=model.origin)


def _stem(path: Path) -> str:
    return path.name if is_folder(path) else path.name.split(".")[0] or path.name


def _digest(files: Sequence[Path]) -> str:
    digests = [sha256(file) for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)
