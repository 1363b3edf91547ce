"""Detect the format of a network's file from its bytes, never from its name."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

from ferviz.errors import ModelError
from ferviz.files import PathLike
from ferviz.models.formats.unsupported_formats import describe_file, describe_folder
from ferviz.paths import URL_REMARK, is_file, is_folder

MAX_BYTES = 2 * 1024**3
"""Larger files are refused before they are read; networks for faces are far smaller."""

ZIP, HDF5, JSON, SAVED_MODEL, COMPILED = "keras zip", "hdf5", "json", "savedmodel", "compiled"

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_LITERT_MAGIC = b"TFL3"
_TRAILER_MAGIC, _TRAILER_SIZE = b"FERVIZ\r\n", 64
"""How a compiled network of ferviz ends (see `ferviz.models.compiled.file`); other files of LiteRT do not."""


def check_regular_file(path: PathLike, what: str = "network") -> Path:
    """Check that a path is a regular local file of a reasonable size.

    Args:
        path: the file.
        what: the word for it in messages.

    Returns:
        The path.

    Raises:
        ModelError: it is missing, a folder, a device or pipe, a remote address, empty, or larger than MAX_BYTES.
    """
    text = os.fspath(path)
    if "://" in text:
        raise ModelError(f"{text} {URL_REMARK}")
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
        raise ModelError(
            f"{text} has {facts.st_size / 1024**3:.1f} GiB; the largest network that ferviz reads has 2 GiB"
        )
    return Path(text)


_FRAMEWORKS = {
    ".onnx": "ONNX", ".tflite": "TensorFlow Lite", **dict.fromkeys((".pt", ".pth", ".pt2", ".t7", ".ckpt", ".safetensors"), "PyTorch"),
}  # fmt: skip
"""What the name of a file says that it is, where its content is nothing that is known."""


def detect_format(path: PathLike) -> str:
    """Detect the format of a network.

    Args:
        path: a file, or the folder of a SavedModel.

    Returns:
        ZIP, HDF5, JSON, SAVED_MODEL or COMPILED.

    Raises:
        ModelError: it is anything else; the message tells what it seems to be and what to do.
    """
    if "://" in os.fspath(path):  # before Path turns the two slashes into one
        return str(check_regular_file(path))
    path = Path(path)
    if is_folder(path):
        if is_file(path / "saved_model.pb"):
            return SAVED_MODEL
        raise ModelError(f"{path} is {describe_folder(path)}")
    path = check_regular_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
            if head.startswith(_HDF5_MAGIC) or _has_later_signature(stream, path.stat().st_size):
                return HDF5
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if head[4:8] == _LITERT_MAGIC and (path.suffix == ".ferviz" or _has_trailer(path)):
        return COMPILED
    if head.startswith(b"PK\x03\x04"):
        names = _list_zip(path)
        if "config.json" in names:
            return ZIP
        if path.suffix == ".ferviz":
            return COMPILED
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{", b'"{')):
        return JSON
    kind = _FRAMEWORKS.get(path.suffix.lower(), "Keras")
    raise ModelError(f"{path} is no {kind} network: it is {describe_file(path, head)}")


def _has_later_signature(stream: object, size: int) -> bool:
    """HDF5 allows a user block before its signature, which is then found at 512, 1024, 2048 ... bytes."""
    offset = 512
    while offset < min(size, 1 << 20):
        stream.seek(offset)  # type: ignore[attr-defined]
        if stream.read(8) == _HDF5_MAGIC:  # type: ignore[attr-defined]
            return True
        offset *= 2
    return False


def _has_trailer(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-min(_TRAILER_SIZE, path.stat().st_size), os.SEEK_END)
        return stream.read(len(_TRAILER_MAGIC)) == _TRAILER_MAGIC


def _list_zip(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is a damaged zip archive ({_short(error)}); copy the network again") from error


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
