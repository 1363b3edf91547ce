"""Getting the configuration and the weights out of a file's bytes, with an eye on hostile ones; nothing is built here."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import FervizError, ModelError

MAX_CONFIG = 32 * 1024**2
"""Bytes of a configuration; the largest of keras.applications has 2 MB."""

MAX_WEIGHTS = 2 * 1024**3
"""Bytes of all weights of a network when unpacked."""

MAX_RATIO = 200
"""How much a file may unpack to, in relation to its own size: trained weights hardly compress."""

_FLOOR = 16 * 1024**2
MAX_OBJECTS = 100_000


@dataclass(frozen=True)
class Architecture:
    """A configuration as it was found: `config` the parsed JSON, `version` of Keras ("" unknown), `backend` ("" unknown)."""

    config: dict[str, Any] = field(repr=False)
    version: str = ""
    backend: str = ""


@contextlib.contextmanager
def wrap_parse_errors(path: Path | str) -> Iterator[None]:
    """Turn whatever a parser of foreign bytes raises inside the block into one ModelError about `path`."""
    try:
        yield
    except FervizError:
        raise
    except MemoryError as error:
        raise ModelError(f"{path} asks for more memory than there is; it is damaged or made to do harm") from error
    except RecursionError as error:
        raise ModelError(f"{path} is nested too deeply; it is damaged or made to do harm") from error
    except Exception as error:
        raise ModelError(f"{path} is damaged or cut off ({one_line(error)}); copy the network again") from error


def one_line(error: BaseException | str, limit: int = 160) -> str:
    """Return the first telling line of an error, short enough for a sentence, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return (text if len(text) <= limit else text[: limit - 3] + "...").rstrip(".:;, ")


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in `text`. where: named in messages. Raises ModelError."""
    if len(text) > MAX_CONFIG:
        raise ModelError(f"{where} has a configuration of {len(text) / 1024**2:.0f} MiB; more than 32 are not read")
    with wrap_parse_errors(where):
        document = json.loads(text)
        if isinstance(document, str):  # model.to_json() that was dumped as JSON once more
            document = json.loads(document)
    if not isinstance(document, dict):
        raise ModelError(f"{where} holds JSON, but no network: a {type(document).__name__} instead of an object")
    return document


def read_json(path: Path) -> Architecture:
    """Read an architecture as JSON, as `model.to_json()` writes it. Raises ModelError."""
    with wrap_parse_errors(path):
        if path.stat().st_size > MAX_CONFIG:
            raise ModelError(f"{path} has more than 32 MiB; an architecture as JSON is smaller")
        text = path.read_text(encoding="utf-8-sig")
    document = parse(text, str(path))
    if "class_name" not in document or "config" not in document:
        if "modelTopology" in document:
            raise ModelError(
                f"{path} is a network of TensorFlow.js; turn it into .h5 with tensorflowjs_converter, or save the original as .keras"
            )
        raise ModelError(f"{path} is JSON, but no Keras architecture: it lacks class_name and config")
    return Architecture(document, _text(document.get("keras_version")), _text(document.get("backend")))


def read_zip(path: Path) -> tuple[Architecture, bytes | None]:
    """Read a .keras zip: -> its architecture and the bytes of its weights (HDF5), None where it has none. Raises ModelError."""
    with wrap_parse_errors(path), zipfile.ZipFile(path) as archive:
        document = parse(_member(archive, "config.json", MAX_CONFIG), f"{path}:config.json")
        version = ""
        if "metadata.json" in archive.namelist():
            metadata = parse(_member(archive, "metadata.json", 1 << 20), f"{path}:metadata.json")
            version = _text(metadata.get("keras_version"))
        weights = None
        if "model.weights.h5" in archive.namelist():
            weights = _member(archive, "model.weights.h5", MAX_WEIGHTS)
    if "class_name" not in document or "config" not in document:
        raise ModelError(f"{path} has a config.json without a Keras architecture: it lacks class_name and config")
    return Architecture(document, version), weights


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > limit or info.file_size > max(_FLOOR, MAX_RATIO * info.compress_size):
        raise ModelError(
            f"{archive.filename} unpacks to {info.file_size / 1024**2:.0f} MiB of {name}; that is not read"
        )
    with archive.open(info) as stream:
        return stream.read(limit + 1)


@contextlib.contextmanager
def open_hdf5(source: Path | bytes, where: Path | str) -> Iterator[Any]:
    """Open HDF5 from a path or from bytes, after looking through all of it: -> an h5py.File, for reading.

    where: named in messages. Everything inside lies inside: no soft or external links, no external or virtual data sets, no
    more objects, bytes or depth than a network can have. Raises ModelError, also for what goes wrong inside the block.
    """
    import h5py

    with wrap_parse_errors(where), h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        _look_through(file, h5py, size, where)
        yield file


def _look_through(file: Any, h5py: Any, size: int, where: Path | str) -> None:
    waiting, seen, total = [(file, "", 0)], 0, 0
    visited = set()
    while waiting:
        group, prefix, depth = waiting.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS or depth > 64:
                raise ModelError(f"{where} holds more groups than a network can have; it is damaged or made to do harm")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ModelError(f"{where} links to elsewhere at {prefix}/{name}; such files are not read")
            item = group[name]
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in visited:  # a group may be linked into itself
                    visited.add(address)
                    waiting.append((item, f"{prefix}/{name}", depth + 1))
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise ModelError(f"{where} keeps {prefix}/{name} in another file; such files are not read")
                total += item.size * item.dtype.itemsize
                if total > MAX_WEIGHTS or total > max(_FLOOR, MAX_RATIO * size):
                    raise ModelError(
                        f"{where} declares far more weights than it holds, at {prefix}/{name}; that is not read"
                    )


def attribute(group: Any, name: str) -> Any:
    """Return an HDF5 attribute as text, a list of texts, or a number; None where it is missing. Raises ModelError if huge."""
    if name not in group.attrs:
        return None
    facts = group.attrs.get_id(name)
    if int(np.prod(facts.shape, dtype=np.int64)) * facts.dtype.itemsize > MAX_CONFIG:
        raise ModelError(f"the attribute {name} of {group.name} is too large for a network's")
    value = group.attrs[name]
    if isinstance(value, np.ndarray):
        return [_text(v) for v in value.ravel()]
    return _text(value) if isinstance(value, bytes | str | np.bytes_ | np.str_) else value


def names(group: Any, name: str) -> list[str]:
    """Return an attribute that lists names; long lists are stored in pieces, `name` + 0, 1, 2, ..."""
    whole = attribute(group, name)
    if whole is not None:
        return [whole] if isinstance(whole, str) else list(whole)
    result: list[str] = []
    piece = 0
    while (part := attribute(group, f"{name}{piece}")) is not None and piece < MAX_OBJECTS:
        result.extend([part] if isinstance(part, str) else part)
        piece += 1
    return result


def read_hdf5(file: Any, where: Path | str) -> Architecture | None:
    """Return the architecture that a whole-model HDF5 file carries, or None where it holds weights only. Raises ModelError."""
    text = attribute(file, "model_config")
    if text is None:
        return None
    document = parse(text if isinstance(text, str) else str(text), f"{where}:model_config")
    if "class_name" not in document:
        raise ModelError(f"{where} has a model_config without a network: it lacks class_name")
    version, backend = keras_origin(file)
    return Architecture(document, version, backend)


def keras_origin(file: Any) -> tuple[str, str]:
    """Return (version of Keras, backend) that an HDF5 file names, "" where it does not."""
    inner = file.get("model_weights", file)
    found = []
    for key in ("keras_version", "backend"):
        value = attribute(file, key)
        found.append(_text(value if value is not None else attribute(inner, key)))
    return found[0], found[1]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
