"""Data sets: tables of faces, FERPlus' votes, class folders."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.mutate.archives import read_members, write_members, zip_mutator
from fuzz.mutate.pictures import mutate_picture
from fuzz.mutate.raw import mutate_bytes
from fuzz.target import Target

_FIELDS = (
    b"", b"3", b"-1", b"7", b"3.0", b"1e5", b"nan", b"happy", b"\xff\xfe", b"\x00", b'"', b'"1', b"0 1 2 3", b"0 1 2 256", b"1  2 3 4",
    b"1 2 3 4 ", b" 1 2 3 4",
    b"999999999999999999999999", b"\xd9\xa3", b"\xc2\xb2", b"Training", b"PrivateTest", b"emotion", b"pixels", b"=cmd|' /C calc'!A0",
    b"\x1b[2J", b"0 " * 4096,
    b"0 " * 9000, b"1" * 70_000, b"10", b"0.5", b"0x10", b"+1", b"1_0", b"\xe2\x80\xae", b"1\t2\t3\t4",
)  # fmt: skip


def mutate_table(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change fields, rows, columns and separators of a table.

    Args:
        data: the table.
        rng: draws the changes.
        seeds: other tables.
    """
    if rng.random() < 0.25:
        return mutate_bytes(data, rng, seeds)
    rows = [line.split(b",") for line in data.split(b"\n")]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.randrange(len(rows))
        column = rng.randrange(max(len(rows[row]), 1))
        change = rng.randrange(8)
        if change <= 2 and rows[row]:
            rows[row][column] = rng.choice(_FIELDS)
        elif change == 3 and rows[row]:
            del rows[row][column]
        elif change == 4:
            rows[row].insert(column, rng.choice(_FIELDS))
        elif change == 5:
            rows.insert(row, list(rng.choice(rows)))
        elif change == 6 and len(rows) > 1:
            del rows[row]
        elif rows[row]:
            rows[row][column] = mutate_bytes(rows[row][column] or b"x", rng, seeds)
    separator, ending = (
        rng.choice((b",",) * 6 + (b";", b"\t", b"|")),
        rng.choice((b"\n",) * 6 + (b"\r\n", b"\r", b"\n\n", b"\0")),
    )
    text = ending.join(separator.join(row) for row in rows)
    return text.decode("utf-8", "replace").encode("utf-16") if rng.random() < 0.02 else text


def _table_seeds() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    pixels = [" ".join(map(str, rng.integers(0, 256, 9))) for _ in range(6)]
    usage = ("Training", "Training", "PublicTest", "PrivateTest", "Training", "PublicTest")
    kaggle = "emotion,pixels,Usage\n" + "".join(
        f"{i},{p},{u}\n" for i, (p, u) in enumerate(zip(pixels, usage, strict=True))
    )
    icml = "emotion, Usage, pixels\n" + "".join(
        f"{i}, {u}, {p}\n" for i, (p, u) in enumerate(zip(pixels, usage, strict=True))
    )
    names = '"emotion","pixels"\n' + "".join(
        f'"{n}","{p}"\n' for n, p in zip(("happy", "Sadness", "neutral"), pixels, strict=False)
    )
    return {
        "kaggle.csv": kaggle.encode(),
        "icml.csv": icml.encode(),
        "names.csv": names.encode(),
        "mark.csv": b"\xef\xbb\xbf" + kaggle.encode(),
    }


def _picture_table_seeds() -> dict[str, bytes]:
    return {
        "pictures.csv": b"image,label,split,subject\n1.png,happy,train,S1\na/2.png,sad,test,S2\n1.png,fear,train,S1\n",
        "semicolons.csv": b"path;emotion\na/2.png;happiness\n1.png;sad\n",
        "outside.csv": b"image,label\n../2.png,sad\n/dev/zero,happy\n",
    }


def _read_picture_table(path: Path) -> None:
    from ferviz.data.read import read_data
    from ferviz.errors import FervizError

    for name in ("1.png", "a/2.png"):
        picture = path.parent / name
        if not picture.exists():
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(_picture("PNG", int(name[-5])))
    with contextlib.suppress(FervizError):
        read_data(path, cache=False, skip_bad=True)
    read_data(path, cache=False)


def _arrow_table() -> Any:
    """Two faces as a data set of the hub has them: bytes of pictures, numbered labels, their names in the schema."""
    import pyarrow

    names = {"info": {"features": {"label": {"names": ["happy", "sad"], "_type": "ClassLabel"}}}}
    columns = {
        "image": [{"bytes": _picture("PNG", seed), "path": None} for seed in (1, 2)],
        "label": [0, 1],
        "subject": ["S1", "S2"],
    }
    return pyarrow.table(columns).replace_schema_metadata({b"huggingface": json.dumps(names).encode()})


def _parquet_seeds() -> dict[str, bytes]:
    import pyarrow
    from pyarrow import parquet

    numbers = pyarrow.table({"emotion": [3, 0], "pixels": ["1 2 3 4", "5 6 7 8"]})
    seeds = {}
    for name, table in (("hub.parquet", _arrow_table()), ("fer.parquet", numbers)):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression="none")
        seeds[name] = buffer.getvalue()
    return seeds


def _stream_seeds() -> dict[str, bytes]:
    from pyarrow import ipc

    table, seeds = _arrow_table(), {}
    for name, writer in (("stream.arrow", ipc.new_stream), ("file.arrow", ipc.new_file)):
        buffer = io.BytesIO()
        with writer(buffer, table.schema) as stream:
            stream.write_table(table)
        seeds[name] = buffer.getvalue()
    return seeds


def _prepare_arrow() -> None:
    import pyarrow.ipc
    import pyarrow.parquet  # noqa: F401

    _prepare()


def _read_table(path: Path) -> None:
    from ferviz.data.read import read_data
    from ferviz.errors import FervizError

    try:
        data = read_data(path, cache=False, skip_bad=True)
        data.counts()
    except FervizError:
        pass
    read_data(path, cache=False, labels="positive-negative")


def _vote_seeds() -> dict[str, bytes]:
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    rows = "".join(
        f"{u},fer{i:07}.png,{i},0,0,1,0,0,0,0,0,{9 - i}\n"
        for i, u in enumerate(("Training", "Training", "PublicTest", "PrivateTest", "Training", "PublicTest"))
    )
    return {
        "ferplus.csv": (head + rows).encode(),
        "row.csv": b"row,"
        + head.lower().encode()
        + b"".join(b"%d,%s\n" % (i, r) for i, r in enumerate(rows.encode().split())),
    }


def _read_votes(path: Path) -> None:
    from ferviz.data.read import read_data

    faces = path.with_name("faces.csv")
    faces.write_bytes(_table_seeds()["kaggle.csv"])
    read_data(faces, votes=path, labels="8-ferplus", cache=False)


def _picture(kind: str, seed: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def _folder_seeds() -> dict[str, bytes]:
    plain = {f"{name}/{i}.png": _picture("PNG", i) for i, name in enumerate(("happy", "sad", "3", "Anger"))}
    split = {
        f"{part}/{name}/{i}.jpg": _picture("JPEG", i)
        for part in ("train", "test")
        for i, name in enumerate(("happy", "neutral"))
    }
    return {"plain": write_members(plain), "split": write_members(split)}


def _read_folder(path: Path) -> None:
    """The case is an archive of the tree, which is laid out here: names that leave it are no business of ferviz."""
    import zipfile

    from ferviz.data.read import read_data
    from ferviz.errors import FervizError

    tree = path.parent / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    try:
        members = read_members(path.read_bytes())
    except Exception:  # the archive itself is none of ferviz' business either
        return
    assert zipfile
    for name, content in members.items():
        parts = [part for part in name.replace("\0", "?").split("/") if part not in ("", ".", "..")]
        file = tree.joinpath(*parts[-3:]) if parts else tree / "x"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except (OSError, ValueError):
            continue
    with contextlib.suppress(FervizError):
        read_data(tree, cache=False, skip_bad=True)
    read_data(tree, cache=False)


def _prepare() -> None:
    from PIL import Image

    import ferviz.data.read  # noqa: F401

    Image.init()


_mutate_tree = zip_mutator(lambda name: mutate_picture)


def _mutate_folder(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    if rng.random() < 0.7:
        return _mutate_tree(data, rng, seeds)
    members = read_members(data)
    name = rng.choice(list(members))
    parts = name.split("/")
    parts[rng.randrange(len(parts))] = rng.choice(
        (
            "happy",
            "7",
            "-1",
            "\u0663",
            "\udce9",
            "a" * 200,
            "happy ",
            ".hidden",
            "__x",
            "Training",
            "\x1b[2J",
            "%s",
            "happy\n",
            "x.png",
            "\u202e",
            "10",
            "CON",
            "1.gif",
            "x.csv",
        )
    )
    try:
        members["/".join(parts)] = members.pop(name)
        return write_members(members)
    except (UnicodeEncodeError, ValueError):
        return data


TARGETS = (
    Target("csv", "read_data(TABLE)", ".csv", _table_seeds, mutate_table, _read_table, _prepare),
    Target(
        "pictures",
        "read_data(TABLE of pictures)",
        ".csv",
        _picture_table_seeds,
        mutate_table,
        _read_picture_table,
        _prepare,
    ),
    Target("parquet", "read_data(PARQUET)", ".parquet", _parquet_seeds, mutate_bytes, _read_table, _prepare_arrow),
    Target("arrow", "read_data(ARROW)", ".arrow", _stream_seeds, mutate_bytes, _read_table, _prepare_arrow),
    Target("votes", "read_data(votes=)", ".csv", _vote_seeds, mutate_table, _read_votes, _prepare),
    Target("folder", "read_data(FOLDER)", ".zip", _folder_seeds, _mutate_folder, _read_folder, _prepare),
)
