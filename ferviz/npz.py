"""NPZ files: written with a manifest, and read even from strangers: every size is checked before the memory for it is asked for."""

from __future__ import annotations

import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from ferviz.files import atomic
from ferviz.manifests import to_json
from ferviz.paths import PathLike, open_regular

MAX_BYTES = 8 * 1024**3
"""The most bytes of all arrays together: the heatmaps of 100,000 faces of 96 x 96 pixels have half of it."""

MAX_RATIO = 100
"""The largest ratio of unpacked to packed size of a large file; heatmaps and pictures shrink to a half, or to a tenth."""

_FLOOR = 256 * 1024**2  # below it any ratio is fine: maps without evidence are all zeros
_KINDS = "biufU"


class ArchiveError(Exception):
    """An NPZ file that cannot be read; the message is the reason, as a part of a sentence."""


def read_arrays(path: PathLike, names: Iterable[str], limit: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Read some arrays of an NPZ file.

    Args:
        path: the file.
        names: the arrays to read.
        limit: the most bytes that they may have together.

    Returns:
        {name: array} of numbers or text.

    Raises:
        FileNotFoundError: the file is not there.
        ArchiveError: it is no regular file, damaged, lacks an array, or holds more than `limit`.
    """
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            members = {name: _find(archive, name) for name in names}
            size = stream.seek(0, 2)
            total = sum(info.file_size for info in members.values())
            if total > min(limit, max(_FLOOR, MAX_RATIO * size)):
                raise ArchiveError(f"its {size:,} bytes unpack to {total:,}, far more than such a file holds")
            arrays = {}
            for name, info in members.items():
                with archive.open(info) as member:
                    arrays[name] = _read_array(member, info.file_size, name)  # type: ignore[arg-type]
            return arrays
    except (ArchiveError, FileNotFoundError):
        raise
    except OSError as error:
        raise ArchiveError(error.strerror or str(error)) from error
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything for damaged bytes
        raise ArchiveError((str(error).splitlines() or [type(error).__name__])[0][:160]) from error


def _find(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ArchiveError(f"it lacks {name}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveError(f"{name} is packed in a way that NumPy does not use")
    return info


def _read_array(member: BinaryIO, size: int, name: str) -> np.ndarray:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(member)
    count = math.prod(shape)
    if dtype.kind not in _KINDS or min(shape, default=0) < 0:
        raise ArchiveError(f"{name} is no array of numbers")
    if count * dtype.itemsize != size - member.tell():
        raise ArchiveError(f"{name} declares the shape {shape}, and holds another number of bytes")
    content = np.empty(count * dtype.itemsize, np.uint8)
    rest = memoryview(content)  # type: ignore[arg-type]
    while len(rest):
        length = member.readinto(rest)  # type: ignore[attr-defined]
        if not length:
            raise ArchiveError(f"{name} is cut off")
        rest = rest[length:]
    if (
        dtype.kind == "U"
        and count
        and content.view(np.dtype("u4").newbyteorder(dtype.byteorder)).max() > sys.maxunicode
    ):
        raise ArchiveError(
            f"{name} holds numbers that stand for no character"
        )  # CPython dies of such a string, or trips over it
    return content.view(dtype).reshape(shape, order="F" if is_fortran else "C")


def write_npz(path: PathLike, arrays: dict[str, np.ndarray], manifest: dict[str, Any], force: bool = True) -> None:
    """Write arrays to one compressed NPZ file, atomically.

    Args:
        path: the file.
        arrays: {name: array}.
        manifest: how they were made; stored as JSON text under "manifest".
        force: replace an existing file.
    """
    with atomic(path, force) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, manifest=np.array(to_json(manifest)))  # type: ignore[arg-type]


def is_intact_zip(path: PathLike) -> bool:
    """Return whether a zip archive (.npz, .keras) can be read, every byte of it as its checksums say.

    Args:
        path: the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.namelist()) and archive.testzip() is None
    except (OSError, ValueError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error):
        return False
