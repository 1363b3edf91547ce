"""Read the configuration and the weights from a file's bytes, within limits that hostile files cannot exceed; nothing is built here."""

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
from ferviz.printable import printable

MAX_CONFIG = 32 * 1024**2
"""Bytes of a configuration; the largest of keras.applications has 2 MB."""

MAX_WEIGHTS = 2 * 1024**3
"""Bytes of all weights of a network, uncompressed."""

MAX_RATIO = 200
"""The largest ratio of uncompressed to compressed size: trained weights hardly compress."""

_FLOOR = 16 * 1024**2
MAX_OBJECTS = 100_000


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network as its file has it, not yet checked.

    Attributes:
        config: the parsed JSON, {"class_name", "config", ...}.
        version: of the Keras that wrote it, "" if unknown.
        backend: that Keras ran on, "" if unknown.
    """

    config: dict[str, Any] = field(repr=False)
    version: str = ""
    backend: str = ""


@contextlib.contextmanager
def wrap_parse_errors(path: Path | str) -> Iterator[None]:
    """Turn every error that a parser of untrusted bytes raises inside the block into one ModelError.

    Args:
        path: the file that is parsed, for the message.
    """
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
    """Return the first line of an error that has text, short enough for a sentence, without its full stop.

    Args:
        error: the error, or its text.
        limit: the most characters.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return printable(text, limit).rstrip(".:;, ")


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: the JSON.
        where: the file and its part, for messages.

    Raises:
        ModelError: the text is too long, damaged, or no object.
    """
    if len(text) > MAX_CONFIG:
        raise ModelError(
            f"{where} has a configuration of {len(text) / 1024**2:.0f} MiB; the largest that ferviz reads has 32"
        )
    with wrap_parse_errors(where):
        document = json.loads(text)
        if isinstance(document, str):  # model.to_json() that was dumped as JSON once more
            document = json.loads(document)
    if not isinstance(document, dict):
        raise ModelError(f"{where} holds JSON, but no network: a {type(document).__name__} instead of an object")
    return document


def read_json(path: Path) -> Architecture:
    """Read an architecture as JSON, as `model.to_json()` writes it.

    Args:
        path: the file.

    Raises:
        ModelError: the file is damaged, or holds no Keras architecture.
    """
    with wrap_parse_errors(path):
        if path.stat().st_size > MAX_CONFIG:
            raise ModelError(f"{path} has more than 32 MiB; an architecture as JSON is smaller")
        text = path.read_text(encoding="utf-8-sig")
    document = parse(text, str(path))
    if "class_name" not in document or "config" not in document:
        if "modelTopology" in document:
            raise ModelError(
                f"{path} is a network of TensorFlow.js; convert it to .h5 with tensorflowjs_converter, or save the original as .keras"
            )
        raise ModelError(f"{path} is JSON, but no Keras architecture: it lacks class_name and config")
    return Architecture(document, _text(document.get("keras_version")), _text(document.get("backend")))


def read_zip(path: Path) -> tuple[Architecture, bytes | None]:
    """Read a .keras zip.

    Args:
        path: the file.

    Returns:
        Its architecture, and the bytes of its weights (an HDF5 file), None where it has none.

    Raises:
        ModelError: the file is damaged, unpacks to too much, or holds no Keras architecture.
    """
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
            f"{archive.filename} unpacks to {info.file_size / 1024**2:.0f} MiB of {name}, far more than it can hold; the file is damaged "
            "or made to do harm"
        )
    with archive.open(info) as stream:
        return stream.read(limit + 1)


@contextlib.contextmanager
def open_hdf5(source: Path | bytes, where: Path | str) -> Iterator[Any]:
    """Open an HDF5 file for reading, after checking its structure.

    Everything is stored in the file itself: it has no soft or external links and no external or virtual data sets. It has no more
    objects, bytes or depth than a network can have.

    Args:
        source: a path, or the bytes of a file.
        where: the file's name, for messages.

    Yields:
        An h5py.File.

    Raises:
        ModelError: the structure is refused, or the file turns out to be damaged inside the block.
    """
    import h5py

    with wrap_parse_errors(where), h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        _check_structure(file, h5py, size, where)
        yield file


def _check_structure(file: Any, h5py: Any, size: int, where: Path | str) -> None:
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
                raise ModelError(
                    f"{where} has a link at {prefix}/{name}; ferviz reads only files that are complete in themselves"
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in visited:  # a group may be linked into itself
                    visited.add(address)
                    waiting.append((item, f"{prefix}/{name}", depth + 1))
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise ModelError(
                        f"{where} stores {prefix}/{name} in another file; ferviz reads only files that are complete in themselves"
                    )
                total += item.size * item.dtype.itemsize
                if total > MAX_WEIGHTS or total > max(_FLOOR, MAX_RATIO * size):
                    raise ModelError(
                        f"{where} declares far more weights than it holds, at {prefix}/{name}; it is damaged or made to do harm"
                    )


def read_attribute(group: Any, name: str) -> Any:
    """Read an HDF5 attribute.

    Args:
        group: an h5py group.
        name: the attribute's name.

    Returns:
        Text, a list of texts, or a number; None where the attribute is missing.

    Raises:
        ModelError: the attribute is larger than a network's can be.
    """
    if name not in group.attrs:
        return None
    facts = group.attrs.get_id(name)
    if int(np.prod(facts.shape, dtype=np.int64)) * facts.dtype.itemsize > MAX_CONFIG:
        raise ModelError(f"the attribute {name} of {group.name} is too large for a network's")
    value = group.attrs[name]
    if isinstance(value, np.ndarray):
        return [_text(v) for v in value.ravel()]
    return _text(value) if isinstance(value, bytes | str | np.bytes_ | np.str_) else value


def read_names(group: Any, name: str) -> list[str]:
    """Read an HDF5 attribute that lists names.

    Args:
        group: an h5py group.
        name: the attribute's name; long lists are stored in pieces, `name` + 0, 1, 2, ...

    Returns:
        The names, [] where the attribute is missing.
    """
    value = read_attribute(group, name)
    if value is not None:
        return [value] if isinstance(value, str) else list(value)
    result: list[str] = []
    piece = 0
    while (part := read_attribute(group, f"{name}{piece}")) is not None and piece < MAX_OBJECTS:
        result.extend([part] if isinstance(part, str) else part)
        piece += 1
    return result


def read_hdf5(file: Any, where: Path | str) -> Architecture | None:
    """Read the architecture from an HDF5 file.

    Args:
        file: an open h5py.File.
        where: the file's name, for messages.

    Returns:
        The architecture, None where the file holds only weights.

    Raises:
        ModelError: the configuration is damaged, or no network's.
    """
    text = read_attribute(file, "model_config")
    if text is None:
        return None
    document = parse(text if isinstance(text, str) else str(text), f"{where}:model_config")
    if "class_name" not in document:
        raise ModelError(f"{where} has a model_config without a network: it lacks class_name")
    version, backend = keras_origin(file)
    return Architecture(document, version, backend)


def keras_origin(file: Any) -> tuple[str, str]:
    """Read which Keras wrote an HDF5 file.

    Args:
        file: an open h5py.File.

    Returns:
        The version of Keras and its backend, "" where the file does not tell.
    """
    inner = file.get("model_weights", file)

    def text(name: str) -> str:
        value = read_attribute(file, name)
        return _text(value if value is not None else read_attribute(inner, name))

    return text("keras_version"), text("backend")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
