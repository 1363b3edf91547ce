"""From a file that Keras wrote to a Keras network: find its parts, upgrade and check its configuration, build it, load its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferviz.errors import ModelError
from ferviz.files import PathLike
from ferviz.models.bundled import is_bundled
from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.build import build
from ferviz.models.formats.companion_files import find_architecture, find_weights
from ferviz.models.formats.detect import HDF5, JSON, ZIP, detect_format
from ferviz.models.formats.hdf5_sandbox import check_readable
from ferviz.models.formats.legacy.upgrade import upgrade_config
from ferviz.models.formats.read import Architecture, open_hdf5, read_hdf5, read_json, read_zip, wrap_parse_errors
from ferviz.models.formats.weights import count_weights, load_weights
from ferviz.models.sidecar import SUFFIX


def read_keras_file(
    path: Path, file_format: str, weights: PathLike | None, trust: bool, note: Callable[[str], None]
) -> tuple[Any, list[Path]]:
    """Read a Keras network from one file, or from two that belong together.

    Args:
        path: the file that the caller names.
        file_format: what it holds: ZIP, HDF5 or JSON (`ferviz.models.formats.detect`).
        weights: the caller's file with the weights; None = they are in `path` or in a file beside it.
        trust: let the network run the file's own code.
        note: takes a sentence about what was assumed or upgraded.

    Returns:
        The keras.Model, and the files that it was read from: the architecture's first, the weights' last.

    Raises:
        ModelError: a file is damaged, or its parts do not fit each other.
        UntrustedModelError: the network asks for code to be run, and `trust` is false.
    """
    parts = _find_parts(path, file_format, weights, note)
    weights_file = str(parts.files[-1])
    with wrap_parse_errors(path):
        config, notes = upgrade_config(parts.architecture.config, parts.architecture.version)
        if not trust:
            check_config(config, str(path))
    for sentence in notes:
        note(sentence)
    network = build(config, str(path), count_weights(parts.weights, weights_file), trust)
    load_weights(network, parts.weights, weights_file, note)
    return network, parts.files


@dataclass(frozen=True)
class _Parts:
    """The architecture, its weights (a path or the bytes of an HDF5 file), and the files that they come from."""

    architecture: Architecture
    weights: Path | bytes
    files: list[Path]


def _find_parts(path: Path, file_format: str, weights: PathLike | None, note: Callable[[str], None]) -> _Parts:
    files = [path]
    architecture, stored = _read(path, file_format)
    if architecture is None:
        architecture_file = find_architecture(path, note)
        architecture = read_json(architecture_file)
        files.insert(0, architecture_file)
    if weights is not None or stored is None:
        weights_file = Path(weights) if weights is not None else find_weights(path, note)
        stored = _read_weights(weights_file)
        files.append(weights_file)
    return _Parts(architecture, stored, files)


def _read(path: Path, file_format: str) -> tuple[Architecture | None, Path | bytes | None]:
    """-> the architecture and the weights that a file holds, None for what it lacks."""
    if file_format == JSON:
        if path.name.endswith(SUFFIX):
            raise ModelError(f"{path} is a sidecar; name the network that it belongs to")
        return read_json(path), None
    if not is_bundled(path):  # what ferviz brings along needs no second process
        check_readable(path)
    if file_format == ZIP:
        return read_zip(path)
    with open_hdf5(path, path) as file:
        return read_hdf5(file, path), path


def _read_weights(path: Path) -> Path | bytes:
    file_format = detect_format(path)
    if file_format in (HDF5, ZIP):
        check_readable(path)
    if file_format == HDF5:
        return path
    stored = read_zip(path)[1] if file_format == ZIP else None
    if stored is None:
        raise ModelError(f"{path} holds no weights that Keras wrote; name an .h5, .weights.h5 or .keras file")
    return stored
