"""Paths of any kind: looking at one never raises, and a name that is made from another one fits into a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import BinaryIO

PathLike = str | os.PathLike[str]

NAME_BYTES = 255
"""Bytes of a file's name that the usual file systems take."""

_DIGEST = 8  # hexadecimal digits


def is_folder(path: PathLike) -> bool:
    """Return whether a path is a folder; a path that may not be looked at, or whose name no file can have, is none.

    Args:
        path: the path.
    """
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for these before Python 3.14


def is_file(path: PathLike) -> bool:
    """Return whether a path is a regular file; a path that may not be looked at, or whose name no file can have, is none.

    Args:
        path: the path.
    """
    return os.path.isfile(path)  # noqa: PTH113


def exists(path: PathLike) -> bool:
    """Return whether something is at a path; a path that may not be looked at, or whose name no file can have, counts as empty.

    Args:
        path: the path.
    """
    return os.path.exists(path)  # noqa: PTH110


def unseen(path: PathLike) -> str:
    """Return the end of a sentence about a path at which no file can be seen: "is not there; check the path".

    Args:
        path: the path.
    """
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions"
    return "is not there; check the path"


def fit_name(stem: str, ending: str, limit: int = NAME_BYTES) -> str:
    """Return `stem + ending`; where that is too long for a file's name, the stem is cut and ends in a hash of all of it.

    Args:
        stem: the beginning, as a string of the file system's names.
        ending: what the name ends in, shorter than the limit.
        limit: bytes of a name.

    Returns:
        A name of at most `limit` bytes; different stems give different names.
    """
    room = limit - len(os.fsencode(ending))
    if len(os.fsencode(stem)) <= room:
        return stem + ending
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:_DIGEST]
    kept = stem[:limit]
    while len(os.fsencode(kept)) > room - _DIGEST - 1:
        kept = kept[:-1]
    return f"{kept}-{digest}{ending}"


def open_regular(path: PathLike) -> BinaryIO:
    """Open a regular file for reading; a pipe, a socket or a device is refused instead of waited for.

    Args:
        path: the file.

    Returns:
        The file, open in binary mode.

    Raises:
        OSError: the file is missing, no regular file, or cannot be opened; `strerror` says why.
        ValueError: no file can have this name.
    """
    # Non-blocking, so that opening a FIFO without a writer does not wait for ever; checked after opening, so that the file that was
    # checked is the one that is read.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", os.fspath(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a regular file", os.fspath(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
