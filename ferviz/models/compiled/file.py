"""The `.ferviz` file: a compiled network with all that one has to know to use it.

    LiteRT file | table, JSON in UTF-8 | trailer, 64 bytes

The file begins as a plain LiteRT file, so that every LiteRT runtime opens it as it is. The trailer says where the table lies
and carries the SHA-256 of all that stands before it. Reading checks every length, every field and every graph; a file that is
cut off, altered, of another version or that asks for absurd sizes ends as one ModelError. (The checksum finds damage; it does
not say who made the file.)
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.base import LayerInfo
from ferviz.engines.compiled_network import CompiledNetwork
from ferviz.engines.tflite.admission import remember_compiled
from ferviz.errors import ModelError, UsageError
from ferviz.files import PathLike, atomic
from ferviz.manifests import to_json
from ferviz.models.compiled.explainer import Lesson
from ferviz.models.formats.detect import check_regular_file
from ferviz.models.input_spec import InputSpec

VERSION = 1
SUFFIX = ".ferviz"
MAX_BYTES = 1024**3
MAX_TABLE = 32 * 1024**2
MAX_CLASSES = 10_000
MAX_LAYERS = 10_000
MAX_TAPS = 16
MAX_CELLS = 256
MAX_NUMBER = 1e30
"""Largest mean or standard deviation."""

_MAGIC = b"FERVIZ\r\n"
_TRAILER = struct.Struct("<8sIIQQ32s")


@dataclass(frozen=True)
class CompiledModel:
    """A model that was compiled together with its gradients: what a `.ferviz` file holds.

    Attributes:
        name, sha256: of the network that it was compiled from.
        labels: (K,) class names in the order of the outputs.
        input: what it is fed.
        network: the compiled network, with its default layer and the layers whose activations and gradients it has.
        notes: as in Model.
        versions: {package: version} that made it.
        sources: {file name: SHA-256} of the files that the network was read from.
        lesson: how it was taught to explain itself; None where it was not.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    input: InputSpec
    network: CompiledNetwork
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    lesson: Lesson | None = None


def write_compiled(path: PathLike, compiled: CompiledModel, force: bool = False) -> Path:
    """Write a compiled model, atomically.

    Args:
        path: the `.ferviz` file.
        compiled: what `compile_model` returned.
        force: an existing file is replaced.

    Returns:
        The path.

    Raises:
        OutputExistsError: where the file is there and `force` is not given.
        OutputError: where it cannot be written.
    """
    with atomic(path, force, durable=True) as temporary:
        temporary.write_bytes(pack_compiled(compiled))
    if compiled.network.trusted:
        remember_compiled(compiled.network.content)
    return Path(path)


def pack_compiled(compiled: CompiledModel) -> bytes:
    """Return the bytes of a `.ferviz` file.

    Args:
        compiled: what `compile_model` returned.
    """
    content, table = compiled.network.content, to_json(_table(compiled)).encode()
    body = content + table
    return body + _TRAILER.pack(_MAGIC, VERSION, 0, len(content), len(table), hashlib.sha256(body).digest())


def read_compiled(path: PathLike) -> CompiledModel:
    """Read and check a compiled model; the graphs themselves are checked when they are opened.

    Args:
        path: the `.ferviz` file.

    Raises:
        ModelError: says what is wrong with the file.
    """
    path = check_regular_file(path, "compiled model")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has more than 1 GiB; compiled models are smaller")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the compiled model {path} cannot be read ({error.strerror}); check its permissions"
        ) from error
    content, table, digest = _unpack(data, path)
    try:
        document = json.loads(table)
        return _compiled_model(document, content, digest, str(path))
    except (_WrongError, UsageError) as error:
        raise ModelError(
            f"the table of {path} does not describe a compiled model ({error}); compile the network again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the table of {path} is damaged; compile the network again") from error


def _unpack(data: bytes, path: Path) -> tuple[bytes, bytes, str]:
    """-> the LiteRT file, the table, and the SHA-256 of the LiteRT file."""
    if len(data) < _TRAILER.size or data[-_TRAILER.size :][:8] != _MAGIC:
        is_litert = data[4:8] == b"TFL3"
        what = (
            "a LiteRT file, but not a compiled model of ferviz, or is cut off" if is_litert else "not a compiled model"
        )
        raise ModelError(f"{path} is {what}; make one with: ferviz compile MODEL --out {path.stem}{SUFFIX}")
    _, version, _, length, table, digest = _TRAILER.unpack(data[-_TRAILER.size :])
    if version != VERSION:
        raise ModelError(
            f"{path} is a compiled model of version {version}, and this ferviz reads version {VERSION}; compile the network again"
        )
    if length + table + _TRAILER.size != len(data) or table > MAX_TABLE:
        raise ModelError(f"{path} is damaged: its parts do not add up to its size; compile the network again")
    content = data[:length]
    hashed = hashlib.sha256(content)
    content_digest = hashed.hexdigest()
    hashed.update(data[length : length + table])
    if hashed.digest() != digest:
        raise ModelError(f"{path} is damaged: its checksum does not fit; compile the network again")
    return content, data[length : length + table], content_digest


# -- the table ---------------------------------------------------------------------------------------------------------


def _table(compiled: CompiledModel) -> dict[str, Any]:
    network, spec = compiled.network, compiled.input
    return {
        "name": compiled.name,
        "sha256": compiled.sha256,
        "labels": compiled.labels,
        "input": {
            "height": network.size[0], "width": network.size[1], "channels": network.size[2], "scaling": spec.scaling,
            "order": spec.order, "resize": spec.resize, "mean": spec.mean, "std": spec.std, "unit": spec.unit,
            "assumed": spec.assumed, **({"equalize": True} if spec.equalize else {}),
            **({"crop_pct": spec.crop_pct} if spec.crop_pct < 1 else {}),
        },
        "head": network.head,
        "default": network.default_layer,
        "layers": [[i.name, i.kind, i.shape, i.spatial, i.parameters] for i in network.layers],
        "activations": sorted(network.activations),
        "gradients": sorted(network.gradients),
        "refused": network.refused,
        "notes": compiled.notes,
        "versions": compiled.versions,
        "sources": compiled.sources,
        "explainer": _lesson_table(compiled),
    }  # fmt: skip


def _lesson_table(compiled: CompiledModel) -> dict[str, Any] | None:
    if compiled.lesson is None:
        return None
    network = compiled.network
    return {"layers": network.explainer, "cells": network.cells, **asdict(compiled.lesson)}


class _WrongError(Exception):
    """A field of the table is missing or not what it should be; the message names it."""


def _compiled_model(document: Any, content: bytes, digest: str, source: str) -> CompiledModel:
    table = _Fields(document, "")
    given = table.fields("input")
    size = (given.integer("height", 1, 4096), given.integer("width", 1, 4096), given.integer("channels", 1, 3))
    spec = InputSpec(
        *size,
        scaling=given.text("scaling"), order=given.text("order"), resize=given.text("resize"),
        mean=given.numbers("mean"), std=given.numbers("std"), unit=given.number("unit"), assumed=given.texts("assumed"),
        equalize="equalize" in given.document and given.value("equalize", bool),
        crop_pct=given.number("crop_pct") if "crop_pct" in given.document else 1.0,
    )  # fmt: skip
    labels = table.texts("labels", 2, MAX_CLASSES)
    layers = tuple(_layer(row) for row in table.rows("layers", MAX_LAYERS))
    names = {info.name for info in layers}
    activations, gradients = frozenset(table.texts("activations")), frozenset(table.texts("gradients"))
    default = table.text("default")
    if not {default, *activations, *gradients} <= names:
        raise _WrongError("it names layers that are not in its list of layers")
    head = table.text("head")
    if head not in ("softmax", "sigmoid", "linear"):
        raise _WrongError(f"head {head[:40]!r} is not known")
    refused = table.named("refused")
    explainer, cells, lesson = _lesson(table, activations)
    network = CompiledNetwork(
        content,
        size,
        len(labels),
        head,
        default,
        layers,
        activations,
        gradients,
        refused,
        explainer,
        cells,
        digest,
        source,
    )
    return CompiledModel(
        table.text("name"), table.text("sha256"), labels, spec, network,
        table.texts("notes"), table.named("versions"), table.named("sources"), lesson,
    )  # fmt: skip


def _lesson(table: _Fields, activations: frozenset[str]) -> tuple[tuple[str, ...], int, Lesson | None]:
    """-> the layers that a taught explainer looks at, the size of its maps, and how it was taught; nothing of it is there in most files."""
    if table.document.get("explainer") is None:
        return (), 0, None
    given = table.fields("explainer")
    layers = given.texts("layers", 1, MAX_TAPS)
    if not set(layers) <= activations:
        raise _WrongError("its explainer looks at layers that the file does not hold")
    measured = {name: given.fields("measured").number(name) for name in given.value("measured", dict)}
    if len(measured) > MAX_LAYERS or not all(map(_is_text, measured)):
        raise _WrongError("measured is not a list of names and numbers")
    lesson = Lesson(given.integer("faces", 0, 1 << 40), given.texts("fills"), given.text("held_out"), measured)
    return layers, given.integer("cells", 1, MAX_CELLS), lesson


def _layer(row: Any) -> LayerInfo:
    if not isinstance(row, list) or len(row) != 5:
        raise _WrongError("a layer is not described by five values")
    fields = _Fields(dict(zip(("name", "kind", "shape", "spatial", "parameters"), row, strict=True)), "layers")
    shape = fields.value("shape", list)
    if len(shape) > 8 or any(n is not None and not _is_integer(n, 0, 1 << 24) for n in shape):
        raise _WrongError("a layer has an absurd shape")
    spatial = fields.value("spatial", bool)
    return LayerInfo(
        fields.text("name"), fields.text("kind"), tuple(shape), spatial, fields.integer("parameters", 0, 1 << 40)
    )


def _is_text(value: Any) -> bool:
    """Whether it is a text of a length that makes sense; half of a surrogate pair, which JSON can hold, cannot be printed."""
    return isinstance(value, str) and len(value) <= 2000 and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


class _Fields:
    """The fields of one JSON object, each read with the type and the bounds that it has to have."""

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, dict):
            raise _WrongError(f"{where or 'the table'} is no object")
        self.document, self.where = document, where

    def value(self, name: str, kind: type | tuple[type, ...]) -> Any:
        if name not in self.document:
            raise _WrongError(f"{name} is missing")
        value = self.document[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _WrongError(f"{name} is a {type(value).__name__}")
        return value

    def fields(self, name: str) -> _Fields:
        return _Fields(self.value(name, dict), name)

    def integer(self, name: str, low: int, high: int) -> int:
        value: int = self.value(name, int)
        if not low <= value <= high:
            raise _WrongError(f"{name} is {value}")
        return value

    def number(self, name: str) -> float:
        try:
            value = float(self.value(name, (int, float)))
        except OverflowError:  # JSON has whole numbers of any length
            value = math.inf
        if not math.isfinite(value):
            raise _WrongError(f"{name} is not finite")
        return value

    def numbers(self, name: str) -> Any:
        value = self.document.get(name)
        if value is None:
            return None
        try:
            numbers = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _WrongError(f"{name} is not a list of numbers") from error
        if not (np.abs(numbers) <= MAX_NUMBER).all():  # this is false for NaN, too
            raise _WrongError(f"{name} holds values that are not finite")
        return numbers.astype(np.float32)

    def text(self, name: str) -> str:
        value: str = self.value(name, str)
        if not _is_text(value):
            raise _WrongError(f"{name} is too long, or no text")
        return value

    def texts(self, name: str, least: int = 0, most: int = MAX_LAYERS) -> tuple[str, ...]:
        value = self.value(name, list)
        if not least <= len(value) <= most or not all(map(_is_text, value)):
            raise _WrongError(f"{name} is not a list of names")
        return tuple(value)

    def named(self, name: str) -> dict[str, str]:
        value = self.value(name, dict)
        if len(value) > MAX_LAYERS or not all(_is_text(v) for pair in value.items() for v in pair):
            raise _WrongError(f"{name} is not a list of names and texts")
        return dict(value)

    def rows(self, name: str, most: int) -> list[Any]:
        value: list[Any] = self.value(name, list)
        if len(value) > most:
            raise _WrongError(f"{name} has {len(value)} entries")
        return value
