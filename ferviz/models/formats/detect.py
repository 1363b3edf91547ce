"""What a path holds, told from its bytes and never from its name."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

from ferviz.errors import ModelError
from ferviz.files import PathLike
from ferviz.models.formats.unsupported_formats import describe_file, describe_folder

MAX_BYTES = 2 * 1024**3
"""Larger files are refused unread; no network for faces comes near."""

ZIP, HDF5, JSON, SAVED_MODEL, COMPILED = "keras zip", "hdf5", "json", "savedmodel", "compiled"

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_LITERT_MAGIC = b"TFL3"


def check_regular_file(path: PathLike, what: str = "network") -> Path:
    """Return `path` if it is a regular local file of a bearable size.

    what: the word for it in messages. Raises ModelError for a missing file, a folder, a device or pipe, an address of
    something remote, an empty or a huge file.
    """
    text = os.fspath(path)
    if "://" in text:
        raise ModelError(f"{text} is an address; ferviz reads local files only, so download it first")
    try:
        facts = Path(text).stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"the {what} {text} cannot be read ({reason}); check its name") from error
    if stat.S_ISDIR(facts.st_mode):
        raise ModelError(f"{text} is {describe_folder(Path(text))}")
    if not stat.S_ISREG(facts.st_mode):
        raise ModelError(f"{text} is no regular file (a pipe or a device); name the network's file")
    if facts.st_size == 0:
        raise ModelError(f"{text} is empty; copy the network again")
    if facts.st_size > MAX_BYTES:
        raise ModelError(f"{text} has {facts.st_size / 1024**3:.1f} GiB; networks of more than 2 GiB are not read")
    return Path(text)


def detect_format(path: PathLike) -> str:
    """Return ZIP, HDF5, JSON, SAVED_MODEL or COMPILED for what `path` holds.

    Raises ModelError for everything else, with a guess at what it is instead.
    """
    if "://" in os.fspath(path):  # before Path makes one stroke of two
        return str(check_regular_file(path))
    path = Path(path)
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return SAVED_MODEL
        raise ModelError(f"{path} is {describe_folder(path)}")
    path = check_regular_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
            if head.startswith(_HDF5_MAGIC) or _later_hdf5(stream, path.stat().st_size):
                return HDF5
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if head[4:8] == _LITERT_MAGIC:
        return COMPILED
    if head.startswith(b"PK\x03\x04"):
        names = _members(path)
        if "config.json" in names:
            return ZIP
        if path.suffix == ".ferviz":
            return COMPILED
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{", b'"{')):
        return JSON
    raise ModelError(f"{path} is no Keras network: it is {describe_file(path, head)}")


def _later_hdf5(stream: object, size: int) -> bool:
    """HDF5 allows a user block before its signature, which then stands at 512, 1024, 2048 ... bytes."""
    offset = 512
    while offset < min(size, 1 << 20):
        stream.seek(offset)  # type: ignore[attr-defined]
        if stream.read(8) == _HDF5_MAGIC:  # type: ignore[attr-defined]
            return True
        offset *= 2
    return False


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is a damaged zip archive ({_short(error)}); copy the network again") from error


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
