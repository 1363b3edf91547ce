"""The explainer file: a compiled network with all that one has to know to use it, in one `.ferviz`.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.base import LayerInfo
from ferviz.engines.litert import Contents, LiteRTEngine
from ferviz.errors import ModelError, UsageError
from ferviz.files import PathLike, atomic, to_json
from ferviz.models.formats.detect import check_regular_file
from ferviz.models.input_spec import InputSpec

VERSION = 1
SUFFIX = ".ferviz"
MAX_BYTES = 1024**3
MAX_TABLE = 32 * 1024**2
MAX_CLASSES = 10_000
MAX_LAYERS = 10_000

_MAGIC = b"FERVIZ\r\n"
_TRAILER = struct.Struct("<8sIIQQ32s")


@dataclass(frozen=True)
class Explainer:
    """What an explainer file holds.

    name, sha256: of the network it was made from. labels, input, notes: as in Model. contents: what is in `content`, the
    LiteRT file. versions: {package: version} that made it. sources: {file name: SHA-256} that the network was read from.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    input: InputSpec
    contents: Contents
    content: bytes = field(repr=False)
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def engine(self, threads: int | None = None) -> LiteRTEngine:
        """Return the engine that runs it. Raises ModelError where the graphs are not what the table says."""
        return LiteRTEngine(self.content, self.contents, threads)


def write_explainer(path: PathLike, explainer: Explainer, force: bool = False) -> Path:
    """Write an explainer file, atomically. Raises OutputExistsError, OutputError."""
    table = to_json(_table(explainer)).encode()
    body = explainer.content + table
    trailer = _TRAILER.pack(_MAGIC, VERSION, 0, len(explainer.content), len(table), hashlib.sha256(body).digest())
    with atomic(path, force) as temporary:
        temporary.write_bytes(body + trailer)
    return Path(path)


def read_explainer(path: PathLike) -> Explainer:
    """Read and check an explainer file. Raises ModelError that says what is wrong with it."""
    path = check_regular_file(path, "explainer")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has more than 1 GiB; explainers are smaller")
        whole = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the explainer {path} cannot be read ({error.strerror}); check its permissions") from error
    content, table = _unpack(whole, path)
    try:
        document = json.loads(table)
        return _explainer(document, content)
    except (_WrongError, UsageError) as error:
        raise ModelError(f"the table of {path} is not an explainer's ({error}); compile the network again") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the table of {path} is damaged; compile the network again") from error


def _unpack(whole: bytes, path: Path) -> tuple[bytes, bytes]:
    if len(whole) < _TRAILER.size or whole[-_TRAILER.size :][:8] != _MAGIC:
        what = (
            "a LiteRT file, but not an explainer, or one that is cut off" if whole[4:8] == b"TFL3" else "no explainer"
        )
        raise ModelError(f"{path} is {what}; make one with: ferviz compile MODEL --out {path.stem}{SUFFIX}")
    _, version, _, length, table, digest = _TRAILER.unpack(whole[-_TRAILER.size :])
    if version != VERSION:
        raise ModelError(
            f"{path} is an explainer of version {version}, and this ferviz reads version {VERSION}; compile the network again"
        )
    if length + table + _TRAILER.size != len(whole) or table > MAX_TABLE:
        raise ModelError(f"{path} is damaged: its parts do not add up to its size; compile the network again")
    body = memoryview(whole)[: length + table]
    if hashlib.sha256(body).digest() != digest:
        raise ModelError(f"{path} is damaged: its checksum does not fit; compile the network again")
    return whole[:length], whole[length : length + table]


# -- the table ---------------------------------------------------------------------------------------------------------


def _table(explainer: Explainer) -> dict[str, Any]:
    c, spec = explainer.contents, explainer.input
    return {
        "name": explainer.name,
        "sha256": explainer.sha256,
        "labels": explainer.labels,
        "input": {
            "height": c.size[0], "width": c.size[1], "channels": c.size[2], "scaling": spec.scaling, "order": spec.order,
            "resize": spec.resize, "mean": spec.mean, "std": spec.std, "unit": spec.unit, "assumed": spec.assumed,
        },
        "head": c.head,
        "default": c.default,
        "layers": [[i.name, i.kind, i.shape, i.spatial, i.parameters] for i in c.layers],
        "activations": sorted(c.activations),
        "gradients": sorted(c.gradients),
        "refused": c.refused,
        "notes": explainer.notes,
        "versions": explainer.versions,
        "sources": explainer.sources,
    }  # fmt: skip


class _WrongError(Exception):
    """A field of the table is missing or not what it should be; the message names it."""


def _explainer(document: Any, content: bytes) -> Explainer:
    table = _Fields(document, "")
    given = table.fields("input")
    size = (given.whole("height", 1, 4096), given.whole("width", 1, 4096), given.whole("channels", 1, 3))
    spec = InputSpec(
        *size,
        scaling=given.text("scaling"), order=given.text("order"), resize=given.text("resize"),
        mean=given.numbers("mean"), std=given.numbers("std"), unit=given.number("unit"), assumed=given.texts("assumed"),
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
    contents = Contents(size, len(labels), head, default, layers, activations, gradients, refused)
    return Explainer(
        table.text("name"), table.text("sha256"), labels, spec, contents, content,
        table.texts("notes"), table.named("versions"), table.named("sources"),
    )  # fmt: skip


def _layer(row: Any) -> LayerInfo:
    if not isinstance(row, list) or len(row) != 5:
        raise _WrongError("a layer is not described by five values")
    fields = _Fields(dict(zip(("name", "kind", "shape", "spatial", "parameters"), row, strict=True)), "layers")
    shape = fields.value("shape", list)
    if len(shape) > 8 or any(n is not None and not _is_whole(n, 0, 1 << 24) for n in shape):
        raise _WrongError("a layer has an absurd shape")
    spatial = fields.value("spatial", bool)
    return LayerInfo(
        fields.text("name"), fields.text("kind"), tuple(shape), spatial, fields.whole("parameters", 0, 1 << 40)
    )


def _is_whole(value: Any, low: int, high: int) -> bool:
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
        found = self.document[name]
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise _WrongError(f"{name} is a {type(found).__name__}")
        return found

    def fields(self, name: str) -> _Fields:
        return _Fields(self.value(name, dict), name)

    def whole(self, name: str, low: int, high: int) -> int:
        found: int = self.value(name, int)
        if not low <= found <= high:
            raise _WrongError(f"{name} is {found}")
        return found

    def number(self, name: str) -> float:
        found = self.value(name, (int, float))
        if not math.isfinite(found):
            raise _WrongError(f"{name} is not finite")
        return float(found)

    def numbers(self, name: str) -> Any:
        found = self.document.get(name)
        return None if found is None else np.asarray(found, np.float32)

    def text(self, name: str) -> str:
        found: str = self.value(name, str)
        if len(found) > 2000:
            raise _WrongError(f"{name} is too long")
        return found

    def texts(self, name: str, least: int = 0, most: int = MAX_LAYERS) -> tuple[str, ...]:
        found = self.value(name, list)
        if not least <= len(found) <= most or not all(isinstance(v, str) and len(v) <= 2000 for v in found):
            raise _WrongError(f"{name} is not a list of names")
        return tuple(found)

    def named(self, name: str) -> dict[str, str]:
        found = self.value(name, dict)
        if len(found) > MAX_LAYERS or not all(isinstance(v, str) and len(v) <= 2000 for v in found.values()):
            raise _WrongError(f"{name} is not a list of names and texts")
        return dict(found)

    def rows(self, name: str, most: int) -> list[Any]:
        found: list[Any] = self.value(name, list)
        if len(found) > most:
            raise _WrongError(f"{name} has {len(found)} entries")
        return found
