"""Mutations of ZIP archives (with checksums that fit) and of NumPy's .npy and .npz."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np

from fuzz.mutate.documents import mutate_json
from fuzz.mutate.raw import Mutator, mutate_bytes

Members = dict[str, bytes]

DTYPES = ("|O", "<f4", ">f4", "<f8", "<f2", "|u1", "<i8", ">i2", "|b1", "<c16", "<U3", "<U99999999", "|S7", "|V8", "<M8[ns]", "<m8[D]",
"f4,O", "?x",
          "<f4,<f4", "|O8", "i4096", "")  # fmt: skip
SHAPES = (
    (),
    (0,),
    (1,),
    (-1,),
    (3,),
    (2, 0),
    (1, 1, 1),
    (1, 1, 1, 1),
    (2**31,),
    (2**62, 4),
    (2**40, 2**40),
    (10**7, 10),
    (1,) * 40,
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e30, -1e-30, 255.0, 2.0**31)


def read_members(data: bytes) -> Members:
    """Return {name: content} of an archive.

    Args:
        data: the archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive, always the same bytes for the same members.

    Args:
        members: {name: content}.
        compression: one of zipfile's.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def unpack(path: Path, folder: Path, names: Sequence[str]) -> Members:
    """Write some members of an archive into a folder, and remove those that it lacks. -> the members, {} where it is no archive.

    Args:
        path: the archive, which only carries the case.
        folder: made where it is not there.
        names: of the members.
    """
    folder.mkdir(exist_ok=True)
    try:
        members = read_members(path.read_bytes())
    except Exception:  # the archive that carries the case is none of ferviz' business
        return {}
    for name in names:
        (folder / name).unlink(missing_ok=True)
        if name in members:
            (folder / name).write_bytes(members[name])
    return members


def mutate_folder(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change one file of a folder of JSON and NPZ that an archive carries.

    Args:
        data: the archive.
        rng: decides.
        seeds: not used.
    """
    members = read_members(data)
    name = rng.choice(list(members))
    mutate = mutate_json if name.endswith("json") else mutate_npz
    members[name] = mutate(members[name], rng, []) if rng.random() < 0.9 else mutate_bytes(members[name], rng, ())
    return write_members(members)


def zip_mutator(of_member: Callable[[str], Mutator]) -> Mutator:
    """Return a mutator of archives.

    Args:
        of_member: takes a member's name and returns the mutator of its content.
    """

    def mutate(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
        draw = rng.random()
        if draw < 0.15:
            return mutate_bytes(data, rng, seeds)
        try:
            members = read_members(data)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return mutate_bytes(data, rng, seeds)
        if draw < 0.8 and members:
            name = rng.choice(list(members))
            members[name] = of_member(name)(members[name], rng, list(members.values()))
        else:
            _rearrange(members, rng)
        compression = rng.choice(
            (zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name twice
            packed = write_members(members, compression)
        return _header(packed, rng) if draw > 0.95 else packed

    return mutate


def _rearrange(members: Members, rng: Random) -> None:
    names = list(members)
    if not names:
        return
    name, other = rng.choice(names), rng.choice(names)
    change = rng.randrange(6)
    if change == 0:
        del members[name]
    elif change == 1:
        members[name], members[other] = members[other], members[name]
    elif change == 2:
        members[rng.choice(("../x", "/x", "a/b.npy", name + "/", name.upper(), "", "x.npy", "é.npy", "a\x00b"))] = (
            members.pop(name)
        )
    elif change == 3:
        members[name] = b""
    elif change == 4:
        members["more.npy"] = members[other]
    else:
        members[name] = bytes(rng.choice((1, 1 << 16, 1 << 22)))


def _header(packed: bytes, rng: Random) -> bytes:
    """Lie in a header: sizes, compression, encryption, offsets."""
    content = bytearray(packed)
    at = content.find(b"PK\x01\x02") if rng.random() < 0.7 else 0
    place, size = (
        rng.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (42, 4)))
        if at
        else rng.choice(((6, 2), (8, 2), (18, 4), (22, 4)))
    )
    content[at + place : at + place + size] = rng.choice((0, 1, 8, 14, 99, 2**16 - 1, 2**31, 2**32 - 1)).to_bytes(
        4, "little"
    )[:size]
    return bytes(content)


def mutate_npy(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change an array: its header, its type, its shape, its numbers, its texts.

    Args:
        data: a .npy file.
        rng: draws the changes.
        seeds: other arrays.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:
        return mutate_bytes(data, rng, seeds)
    change = rng.randrange(7)
    if change == 0:
        return mutate_bytes(data, rng, seeds)
    if change == 1:
        return _npy_header(array, rng)
    if change == 2 and array.dtype.kind == "U" and array.ndim == 0:
        return _saved(np.array(mutate_json(str(array).encode("utf-8", "replace"), rng, ()).decode("utf-8", "replace")))
    if change == 3 and array.size and array.dtype.kind in "fui":
        changed = array.copy().reshape(-1)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed[rng.randrange(changed.size) :: rng.choice((1, 3, changed.size))] = np.float64(
                rng.choice(NUMBERS)
            ).astype(array.dtype)
        return _saved(changed.reshape(array.shape))
    if change == 4:
        return _saved(_reshaped(array, rng))
    if change == 5:
        return rng.choice(seeds) if seeds else data
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _saved(array.astype(rng.choice(("f2", "f8", ">f4", "u1", "i8", "b1", "c8", "U4", "S4"))))
        except (ValueError, TypeError):
            return _npy_header(array, rng)


def _reshaped(array: np.ndarray, rng: Random) -> np.ndarray:
    change = rng.randrange(6)
    if change == 0:
        return array.reshape(-1)
    if change == 1:
        return array[None]
    if change == 2 and array.ndim:
        return array[: rng.randrange(len(array) + 1)]
    if change == 3 and array.ndim:
        return np.concatenate([array, array])
    if change == 4 and array.ndim:
        return array[..., :0] if array.ndim > 1 else array[:0]
    return np.swapaxes(array, 0, -1) if array.ndim else array


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npy_header(array: np.ndarray, rng: Random) -> bytes:
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    key = rng.choice(list(header))
    if key == "descr":
        header[key] = rng.choice(DTYPES)
    elif key == "shape":
        header[key] = rng.choice(SHAPES)
    else:
        header[key] = rng.choice((True, None, "x", 1))
    text = rng.choice(
        (repr(header), repr(header), repr(header)[:-3], "{" * 3000, "[" * 90000, "", repr({**header, "more": 1}))
    )
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(text) % 65536)
        + text.encode("latin-1", "replace")
        + array.tobytes()
    )


mutate_npz = zip_mutator(lambda name: mutate_npy)
