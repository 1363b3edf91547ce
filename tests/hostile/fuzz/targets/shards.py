"""Sources of sharded runs, and the tables that a run wrote: WebDataset's tar, arrays, Parquet."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.mutate.archives import mutate_npy
from fuzz.mutate.documents import mutate_json
from fuzz.mutate.pictures import mutate_picture
from fuzz.mutate.raw import mutate_bytes
from fuzz.target import Target

_BLOCK = 512
_SHARDS, _SAMPLES = 8, 40  # that are read of a case
_TYPES = ("int64", "float64", "string", "large_string", "large_binary", "bool_", "float16", "date32")


def _picture(kind: str = "PNG") -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (6, 6), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def _tar_seeds() -> dict[str, bytes]:
    def packed(members: dict[str, bytes], layout: int) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=layout) as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    members = {"0001.png": _picture(), "0001.cls": b"3", "0002.jpg": _picture("JPEG"), "a/0003.json": b"{}"}
    long = {f"{'n' * 120}/{'k' * 90}.png": _picture(), "\u00e9.png": _picture()}
    return {"plain.tar": packed(members, tarfile.USTAR_FORMAT), "pax.tar": packed(long, tarfile.PAX_FORMAT),
            "gnu.tar": packed(long | members, tarfile.GNU_FORMAT)}  # fmt: skip


def mutate_tar(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a header, whose checksum fits again, the content of a member, or any bytes.

    Args:
        data: the archive.
        rng: draws the changes.
        seeds: other archives.
    """
    if rng.random() < 0.3 or len(data) < 2 * _BLOCK:
        return mutate_bytes(data, rng, seeds)
    content = bytearray(data)
    heads = [at for at in range(0, len(data) - _BLOCK, _BLOCK) if data[at + 257 : at + 262] == b"ustar"] or [0]
    head = rng.choice(heads)
    if rng.random() < 0.25:
        end = rng.choice([*heads, len(data)])
        block = mutate_picture(bytes(content[head + _BLOCK : max(end, head + _BLOCK)]) or b"x", rng, seeds)
        content[head + _BLOCK : max(end, head + _BLOCK)] = block + bytes(-len(block) % _BLOCK)
        return bytes(content)
    at, length = rng.choice(((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)))
    value = rng.choice((
        b"", b"\xff" * length, b"7" * length, b"\x80" + b"\0" * (length - 1), b"\x80" + b"\xff" * (length - 1), b"-1", b"\0" * length,
        b"../../x.png", b"/etc/passwd.png", b".png", b"\xed\xb2\x80.png", b"x" * length, bytes([rng.choice(b"1256xgLKSV")]),
        rng.randbytes(length),
    ))  # fmt: skip
    content[head + at : head + at + length] = value[:length].ljust(length, b"\0")
    content[head + 148 : head + 156] = b" " * 8
    total = sum(content[head : head + _BLOCK])
    content[head + 148 : head + 156] = b"%06o\0 " % total
    return bytes(content)


def _array_seeds() -> dict[str, bytes]:
    seeds = {}
    for name, shape in {"grey.npy": (4, 6, 6), "colour.npy": (3, 5, 5, 3)}.items():
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(shape, np.uint8))
        seeds[name] = buffer.getvalue()
    return seeds


def _written(table: Any, **options: Any) -> bytes:
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def _parquet_seeds() -> dict[str, bytes]:
    import pyarrow as pa

    faces = [_picture(), _picture("JPEG"), None, b"x"]
    plain = pa.table({"id": ["a", "b", "c", None], "image": faces, "label": ["3", "happy", None, "\u202e"]})
    nested = pa.table({"image": [{"bytes": face, "path": "1.png"} for face in faces], "label": [1, 2, 3, 4]})
    return {"plain.parquet": _written(plain), "nested.parquet": _written(nested, row_group_size=2, compression="zstd")}


def _table_seeds() -> dict[str, bytes]:
    import pyarrow as pa

    labels = ("happy", "sad")
    about = {"labels": labels, "input_size": [6, 6], "map_size": [2, 2], "targets": ["predicted"], "fingerprint": "0" * 64,
             "model_sha256": "1" * 64, "run": "../run"}  # fmt: skip
    maps = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(12, np.float16)), 4)
    texts = {"id": ["a", "b", "c"], "status": ["explained", "unreadable", "explained"], "split": ["", None, "x"],
             "true_label": ["happy", None, "3"]}  # fmt: skip
    columns = {"face": pa.array([0, None, 1], pa.int32()), **{key: pa.array(value) for key, value in texts.items()}}
    columns |= {f"p_{label}": pa.array([0.5, None, 0.25], pa.float32()) for label in labels}
    columns |= {"map_scale": pa.array([1.0, None, 2.0], pa.float32()), "map": maps}
    table = pa.table(columns).replace_schema_metadata({"ferviz": json.dumps(about)})
    return {"faces.parquet": _written(table), "groups.parquet": _written(table, row_group_size=1, compression="zstd")}


def mutate_parquet(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change any bytes, or write the table again with other columns, types, values and metadata.

    Args:
        data: the file.
        rng: draws the changes.
        seeds: other files.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if rng.random() < 0.5:
        return mutate_bytes(data, rng, seeds)
    table = parquet.read_table(io.BytesIO(data))
    column = rng.randrange(table.num_columns)
    change = rng.randrange(6)
    try:
        if change == 0:
            table = table.remove_column(column)
        elif change == 1:
            names = list(table.column_names)
            names[column] = rng.choice((*names, "image", "bytes", "", "\x1b[2J", "a\nb"))
            table = table.rename_columns(names)
        elif change == 2:
            kind = getattr(pa, rng.choice(_TYPES))()
            table = table.set_column(column, table.column_names[column], table.column(column).cast(kind, safe=False))
        elif change == 3:
            empty = pa.nulls(table.num_rows, table.schema.field(column).type)
            table = table.set_column(column, table.column_names[column], empty)
        elif change == 4:
            table = pa.concat_tables([table] * rng.choice((2, 300)))
        else:
            about = dict(table.schema.metadata or {})
            about[b"ferviz"] = mutate_json(about.get(b"ferviz", b"{}"), rng, seeds)
            table = table.replace_schema_metadata(about)
        return _written(table, row_group_size=rng.choice((1, 3, 10**6)), compression=rng.choice(("none", "zstd")))
    except (pa.ArrowException, ValueError, OverflowError):
        return mutate_bytes(data, rng, seeds)


def _read_shards(path: Path) -> None:
    """Plan the source, and read some pictures of some shards."""
    from ferviz.errors import DataError, PictureError
    from ferviz.images import read_image
    from ferviz.scale.descriptors import Descriptor
    from ferviz.scale.sources.registry import SOURCES, find_source

    kind = find_source(path)
    problem: DataError | None = None
    for shard in itertools.islice(SOURCES[kind].plan(path, None, 2), _SHARDS):
        again = Descriptor.from_json(shard.to_json())
        try:
            for sample in itertools.islice(SOURCES[kind].read(path, again), _SAMPLES):
                sample.id.encode(), sample.label.encode()
                try:
                    if sample.picture is not None:
                        read_image(sample.picture)
                except PictureError:
                    continue
        except DataError as error:
            problem = error
    if problem is not None:
        raise problem


def _read_faces(path: Path) -> None:
    """Read a table that a run wrote, in every way that there is."""
    from ferviz.errors import DataError
    from ferviz.scale.explained.explained_data import read_explained
    from ferviz.scale.explained.run_records import is_explained
    from ferviz.scale.face_table import read_maps

    problem: DataError | None = None
    for read in (is_explained, read_maps, read_explained):
        try:
            read(path)
        except DataError as error:
            problem = error
    if problem is not None:
        raise problem


def _prepare() -> None:
    import pyarrow.parquet  # noqa: F401
    from PIL import Image

    import ferviz.scale.explained.explained_data
    import ferviz.scale.sources.tar_members  # noqa: F401

    Image.init()


TARGETS = (
    Target("tar-shard", "scale plan TAR", ".tar", _tar_seeds, mutate_tar, _read_shards, _prepare),
    Target("npy-shard", "scale plan NPY", ".npy", _array_seeds, mutate_npy, _read_shards, _prepare),
    Target("parquet-shard", "scale plan PARQUET", ".parquet", _parquet_seeds, mutate_parquet, _read_shards, _prepare),
    Target(
        "face-table", "scale.read_explained(TABLE)", ".parquet", _table_seeds, mutate_parquet, _read_faces, _prepare
    ),
)
