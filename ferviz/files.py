"""Writing results: atomically, with a manifest that says how they were made; and where cached things live."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import OutputError, OutputExistsError, UsageError

PathLike = str | os.PathLike[str]

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet program."""


def check_output(path: PathLike, force: bool = False) -> Path:
    """Return `path` as a Path if it may be written.

    force: an existing file may be replaced. Raises OutputExistsError if it exists and may not be, OutputError if its
    folder is not there or it is a folder itself. Call this before the work, so that an hour is not lost at its end.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file to write to")
    if path.exists() and not force:
        raise OutputExistsError(
            f"{path} is already there; pass --force (force=True) to replace it, or name another file"
        )
    if not path.parent.is_dir():
        raise OutputError(f"the folder {path.parent} is not there; make it first, or name another file")
    return path


def check_kind(path: PathLike, known: Iterable[str]) -> None:
    """Raise UsageError unless the path's suffix is one of `known` (".png", ...), whatever its case."""
    path = Path(path)
    if path.suffix.lower() in (known := tuple(known)):
        return
    if path.is_dir():
        raise UsageError(f"{path} cannot be written, because it is a folder; name a file to write to")
    problem = f"cannot be written as {path.suffix}" if path.suffix else "has no suffix, which says the format"
    raise UsageError(f"{path} {problem}; use one of {', '.join(known)}")


@contextlib.contextmanager
def atomic(path: PathLike, force: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it takes `path`'s place, otherwise nothing remains.

    The suffix is kept (savers look at it). The bytes reach the disk before the name does, so a crash leaves either the old
    file or the new one. Raises OutputExistsError when `path` exists and not `force`, OutputError for what the system refuses.
    """
    path = check_output(path, force)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); choose another --out") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); free some space or choose another --out"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: PathLike, text: str, force: bool = True) -> None:
    """Write `text` as UTF-8 to `path`, atomically."""
    with atomic(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_npz(path: PathLike, arrays: dict[str, np.ndarray], manifest: dict[str, Any], force: bool = True) -> None:
    """Write named arrays and the manifest (as JSON text under "manifest") to one compressed NPZ file, atomically."""
    with atomic(path, force) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, manifest=np.array(to_json(manifest)))  # type: ignore[arg-type]


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows of cells as CSV (RFC 4180 with bare newlines), safe to open in a spreadsheet program.

    Args:
        rows: the lines' cells. None becomes an empty cell; text that a spreadsheet program would take for a formula (file names and
            class names may come from anybody) gets an apostrophe before it; numbers stay as they are.

    Returns:
        The text, each line ended by a newline.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([_safe_cell(cell) for cell in row])
    return text.getvalue()


def _safe_cell(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell


def to_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON; NumPy numbers and arrays become plain ones, paths become text, NaN and infinity null.

    What a file's name holds that is no UTF-8 becomes JSON's own escape for it (\\udcff), so that the text can always be encoded.
    """
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def manifest(**facts: Any) -> dict[str, Any]:
    """Return a run's manifest: the given facts plus ferviz' version, the runtime's versions, and the time (UTC).

    Versions are read from the installed packages' metadata: nothing is imported for it. SOURCE_DATE_EPOCH (seconds since 1970)
    takes the place of the clock, so that the same run can give the same bytes.
    """
    versions = {"python": platform.python_version()}
    for package in ("ferviz", "numpy", "tensorflow", "keras", "ai-edge-litert", "opencv-python-headless", "pillow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch) if epoch.isdecimal() else None))
    return {"schema_version": 1, **facts, "versions": versions, "platform": sys.platform, "created": written}


def sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits; of a folder, of its files' names and bytes."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def cache_dir(name: str = "") -> Path:
    """Return the folder for cached things (not created); FERVIZ_CACHE names another than the platform's usual one."""
    root = os.environ.get("FERVIZ_CACHE")
    if root:
        return Path(root) / name
    from platformdirs import user_cache_path

    return user_cache_path("ferviz") / name


def _umask() -> int:
    # os.umask can only be read by setting it; 0o022 is what a failed read would be, and mkstemp's 0o600 must not stay.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
