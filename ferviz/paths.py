"""Paths of any kind: looking at one never raises, and a name that is made from another one fits into a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from typing import BinaryIO

from ferviz.errors import OutputError

PathLike = str | os.PathLike[str]

NAME_BYTES = 255
"""Bytes of a file's name that the usual file systems take."""

URL_REMARK = "is a URL, and ferviz reads files: download it first, for instance with curl -O, and name the file"
"""The end of a sentence about a path that is a URL."""

_DIGEST = 8  # hexadecimal digits
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/{1,2}[^/]", re.IGNORECASE)  # pathlib makes one slash of two


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
        path: the path; of a URL the sentence says that it is one.
    """
    if is_url(path):
        return URL_REMARK
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path and its permissions"
    return "is not there; check the path"


def is_url(path: PathLike) -> bool:
    """Return whether a path is a URL such as https://example.org/face.png, and no file of that name is there.

    Args:
        path: the path, as text or as `pathlib` changes it.
    """
    return _URL.match(os.fspath(path)) is not None and not exists(path)


def as_typed(path: PathLike) -> str:
    """Return a path as text, of a URL with both slashes, of which pathlib leaves one.

    Args:
        path: the path.
    """
    text = os.fspath(path)
    return re.sub(r":/+", "://", text, count=1) if is_url(text) else text


def is_same(a: PathLike, b: PathLike) -> bool:
    """Return whether two paths lead to one file or folder, links followed; a path at which nothing is leads nowhere.

    Args:
        a, b: the paths.
    """
    try:
        return os.path.samefile(a, b)  # noqa: PTH121 - as in `is_folder`
    except (OSError, ValueError):
        return False


def check_is_no_input(path: PathLike, inputs: Iterable[PathLike]) -> None:
    """Check that a file that will be written is none of those that are read: these are never replaced.

    Args:
        path: the file to write.
        inputs: the files that are read, and folders of which every file is.

    Raises:
        OutputError: the path leads to one of the inputs, or to a file in one of the folders.
    """
    if not exists(path):
        return
    for source in inputs:
        if is_same(path, source):
            raise OutputError(
                f"{path} is read here as an input, and an input is never replaced; name another file to write to"
            )
        if is_folder(source) and _is_below(path, source):
            raise OutputError(
                f"{path} is a file of the input {source}, and an input is never replaced; name a file elsewhere"
            )


def _is_below(path: PathLike, folder: PathLike) -> bool:
    above, inner = os.path.realpath(folder), os.path.realpath(path)
    try:
        return os.path.commonpath([above, inner]) == above
    except ValueError:  # two drives
        return False


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
