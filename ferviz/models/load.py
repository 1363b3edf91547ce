"""load_model: from whatever a network was saved as to a Model that can be asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.files import PathLike, sha256
from ferviz.models.formats import detect
from ferviz.models.formats import weights as stored
from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.build import build
from ferviz.models.formats.companion_files import architecture_for, weights_for
from ferviz.models.formats.hdf5_sandbox import check_readable
from ferviz.models.formats.legacy.upgrade import upgrade_config
from ferviz.models.formats.read import Architecture, architecture_in, damaged, open_hdf5, read_json, read_zip
from ferviz.models.infer_spec import infer_input, infer_labels
from ferviz.models.model import Model
from ferviz.models.sidecar import SUFFIX, find_sidecar, read_sidecar
from ferviz.models.signature import count_classes, picture_input, select_output

if TYPE_CHECKING:
    from ferviz.models.compiled.cache import Origin
    from ferviz.models.compiled.file import Explainer

ENGINES = ("auto", "keras", "litert")
ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass
class _Found:
    """What was put together on the way. files: that the network came from. notes: for the user."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


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
    """Read a network and find out how it wants to be fed.

    path: a file of any Keras (.keras, .h5, .hdf5, whatever its name: the bytes decide), an architecture as JSON (its weights are
    looked for beside it), a SavedModel folder (answers only), a live keras.Model, or the name of a network that ferviz brings
    along, or a compiled explainer (.ferviz); None = the bundled one.
    labels: what the outputs are, in their order: a scheme's name ("7", "7-alphabetical", "8-ferplus", ...), "happy,sad,...", or a
    sequence of names. scaling: what the network was fed, "0..1", "-1..1", "0..255" or "standardize". What is not given here is
    taken from the sidecar `<path>.ferviz.json`, then from the network itself, then assumed; `notes` of the result say so.
    weights: the file with the weights, where `path` is only an architecture. engine: "keras"; "litert", compiled now where it is not
    compiled yet; "auto", litert where a compiled form exists, with Keras behind it for what that form lacks.
    trust: let the file run its own code (Lambda layers, registered classes); without it such files are refused unread.
    cache: a compiled form that an earlier run left in the cache folder may be used.
    Raises ModelError (UntrustedModelError) for what cannot be read or served, UsageError for arguments that make no sense.
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if path is not None and not isinstance(path, str | Path) and not hasattr(path, "__fspath__"):
        return _live(path, labels, scaling, weights)
    if labels is not None and not isinstance(labels, str):
        labels = tuple(labels)
    own = path is None or (str(path) in bundled() and not Path(path).exists())
    if own:
        path = bundled_path("bundled" if path is None else str(path))
    assert path is not None
    kind = detect.detect_format(path)
    path = Path(path)
    if weights is not None and (own or kind in (detect.COMPILED, detect.SAVED_MODEL)):
        raise UsageError(f"{path.name} has its weights already; --weights (weights=) goes with an architecture as JSON")
    if kind == detect.COMPILED:
        return _explainer(path, labels, scaling, engine)
    origin = _origin(path, str(kind), labels, scaling, weights, trust)
    if engine != "keras" and origin is not None:
        compiled = _compiled(origin, engine, cache)
        if compiled is not None:
            return compiled
    found = _Found([path])
    if kind == detect.SAVED_MODEL:
        from ferviz.engines.savedmodel import SavedModelEngine

        runner: Any = SavedModelEngine(path, trust)
        network, size = None, runner.input_shape
        found.note(f"{path.name} is a SavedModel: its answers can be had, its layers and gradients cannot")
    else:
        network = select_output(_keras_network(path, str(kind), weights, trust, found), labels, str(path), found.note)
        size, first = picture_input(network, str(path))
        runner = _runner(network, first)
    classes = int(runner.classes) if network is None else count_classes(network, str(path))
    beside = find_sidecar(*found.files)
    sidecar = read_sidecar(beside) if beside else None
    names = infer_labels(labels, sidecar, classes, found.note)
    spec = infer_input(size, network, scaling, sidecar, found.note)
    if origin is not None:
        origin = replace(origin, files=tuple(found.files))
    model = Model(_stem(path), _digest(found.files), names, spec, runner, tuple(found.notes), origin)
    return _compile_now(model) if engine == "litert" else model


def bundled() -> list[str]:
    """Return the names of the networks that ferviz brings along."""
    return sorted(file.stem for file in ASSETS.glob("*.keras"))


def bundled_path(name: str = "bundled") -> Path:
    """Return the file of a network that ferviz brings along. Raises ModelError where it is missing."""
    path = ASSETS / f"{name}.keras"
    if not path.is_file():
        raise ModelError(
            f"the bundled network is missing from this installation ({path}); install ferviz again, or name a file"
        )
    return path


def _runner(network: Any, channels_first: bool) -> Any:
    """-> the engine for the backend that Keras runs on: only TensorFlow's reaches layers and gradients."""
    from ferviz.engines.backend import running

    if running().config.backend() != "tensorflow":
        from ferviz.engines.keras_predict import KerasPredictEngine

        return KerasPredictEngine(network, channels_first)
    from ferviz.engines.keras import KerasEngine

    return KerasEngine(network, channels_first)


# -- the kinds of files ------------------------------------------------------------------------------------------------


def _explainer(path: Path, labels: Any, scaling: str | None, engine: str) -> Model:
    from ferviz.models.compiled.compile import open_explainer

    if engine == "keras":
        raise ModelError(f"{path} is a compiled explainer and runs without Keras; leave --engine keras out")
    return open_explainer(path, labels=labels, scaling=scaling)


def _origin(
    path: Path, kind: str, labels: Any, scaling: str | None, weights: PathLike | None, trust: bool
) -> Origin | None:
    """-> what a compiled form of this network is filed under, None for a SavedModel, which cannot be compiled."""
    from ferviz.models.compiled.cache import Origin

    if kind == detect.SAVED_MODEL:
        return None
    return Origin(path, (), labels, scaling, Path(weights) if weights is not None else None, trust)


def _compiled(origin: Origin, engine: str, cache: bool) -> Model | None:
    """-> the network's compiled form, if ferviz brings it along or an earlier run left one that still fits."""
    from ferviz.models.compiled.cache import find
    from ferviz.models.compiled.compile import open_explainer

    def keras() -> Any:
        o = origin
        return load_model(
            o.path, labels=o.labels, scaling=o.scaling, weights=o.weights, engine="keras", trust=o.trust
        ).engine

    load = keras if engine == "auto" else None
    shipped = _shipped(origin.path)
    if shipped is not None:
        model = open_explainer(shipped, labels=origin.labels, scaling=origin.scaling, load=load)
    elif cache and (kept := find(origin)) is not None:
        model = open_explainer(kept, load=load)
    else:
        return None
    return replace(model, origin=origin)


def _shipped(path: Path) -> Explainer | None:
    """-> the compiled form that ferviz brings along beside its own network, unless it was made from another one."""
    from ferviz.models.compiled.file import read_explainer

    file = path.with_suffix(".ferviz")
    if path.parent != ASSETS or not file.is_file():
        return None
    explainer = read_explainer(file)
    return explainer if explainer.sha256 == sha256(path) else None


def _compile_now(model: Model) -> Model:
    from ferviz.models.compiled.compile import compile_model, open_explainer

    return replace(open_explainer(compile_model(model)), origin=model.origin)


def _keras_network(path: Path, kind: str, weights: PathLike | None, trust: bool, found: _Found) -> Any:
    architecture, source = _parts(path, kind, weights, found)
    where = str(path)
    with damaged(where):
        config, notes = upgrade_config(architecture.config, architecture.version)
        if not trust:
            check_config(config, where)
    for sentence in notes:
        found.note(sentence)
    origin = str(found.files[-1])
    network = build(config, where, stored.count(source, origin), trust)
    stored.load(network, source, origin, found.note)
    return network


def _parts(path: Path, kind: str, weights: PathLike | None, found: _Found) -> tuple[Architecture, Path | bytes]:
    """-> (architecture, where its weights are: a path or bytes of HDF5), from one file or from two that belong together."""
    architecture: Architecture | None = None
    source: Path | bytes | None = None
    if kind != detect.JSON and path.parent != ASSETS:
        check_readable(path)
    if kind == detect.ZIP:
        architecture, source = read_zip(path)
    elif kind == detect.HDF5:
        source = path
        with open_hdf5(path, path) as file:
            architecture = architecture_in(file, path)
    else:
        if path.name.endswith(SUFFIX):
            raise ModelError(f"{path} is a sidecar; name the network that it belongs to")
        architecture = read_json(path)
    if architecture is None:
        other = architecture_for(path, found.note)
        architecture = read_json(other)
        found.files.insert(0, other)
    if weights is not None or source is None:
        other = Path(weights) if weights is not None else weights_for(path, found.note)
        found.files.append(other)
        source = _weights_in(other)
    return architecture, source


def _weights_in(path: Path) -> Path | bytes:
    kind = detect.detect_format(path)
    if kind in (detect.HDF5, detect.ZIP):
        check_readable(path)
    if kind == detect.HDF5:
        return path
    if kind == detect.ZIP:
        inside = read_zip(path)[1]
        if inside is not None:
            return inside
    raise ModelError(f"{path} holds no weights that Keras wrote; name an .h5, .weights.h5 or .keras file")


def _live(network: Any, labels: Any, scaling: str | None, weights: PathLike | None) -> Model:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    if not isinstance(network, keras().Model):
        raise UsageError(f"a network is a path or a keras.Model, not {type(network).__name__}")
    if weights is not None:
        raise UsageError("a network in memory has its weights already; load them into it, or give its file")
    found = _Found()
    where = f"the network {network.name!r}"
    network = select_output(network, labels, where, found.note)
    size, first = picture_input(network, where)
    runner = KerasEngine(network, first)
    names = infer_labels(labels, None, count_classes(network, where, runner), found.note)
    spec = infer_input(size, network, scaling, None, found.note)
    return Model(network.name, "", names, spec, runner, tuple(found.notes))


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.name.split(".")[0] or path.name


def _digest(files: list[Path]) -> str:
    digests = [sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
