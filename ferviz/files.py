"""Files: written atomically or not at all; locks, checksums, and the folder of cached files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from ferviz.errors import OutputError, OutputExistsError, UsageError
from ferviz.paths import PathLike as PathLike
from ferviz.paths import fit_name, is_file, is_folder


def check_output(path: PathLike, force: bool = False) -> Path:
    """Check that a file may be written; call it before the work, so that an hour of computing is not lost at its end.

    Args:
        path: the file.
        force: an existing file may be replaced.

    Returns:
        The path.

    Raises:
        OutputExistsError: the file exists and `force` is false.
        OutputError: the path's folder does not exist or may not be written to, or the path is no regular file, or no file can have
            its name.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except NotADirectoryError:
        raise OutputError(f"{path.parent} is not a folder; name another file to write to") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written ({_reason(error)}); choose another file to write to") from error
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"{path} is a folder; name a file to write to")
    if mode is not None and not stat.S_ISREG(mode):
        raise OutputError(f"{path} is not a regular file; name another file to write to")
    if mode is not None and not force:
        raise OutputExistsError(
            f"{path} is already there; pass --force (force=True) to replace it, or name another file"
        )
    if not is_folder(path.parent):
        raise OutputError(f"the folder {path.parent} is not there; make it first, or name another file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"the folder {path.parent} may not be written to; change its permissions, or choose another file to write to"
        )
    return path


def check_suffix(path: PathLike, suffixes: Iterable[str]) -> None:
    """Check that a file's suffix is one of those that can be written.

    Args:
        path: the file.
        suffixes: the suffixes with their dots, in lower case; the path's may be in any case.

    Raises:
        UsageError: the suffix is not one of them, or the path is a folder.
    """
    path, suffixes = Path(path), tuple(suffixes)
    if path.suffix.lower() in suffixes:
        return
    if is_folder(path):
        raise UsageError(f"{path} cannot be written, because it is a folder; name a file to write to")
    problem = (
        f"cannot be written as {path.suffix}" if path.suffix else "has no suffix, and the suffix decides the format"
    )
    raise UsageError(f"{path} {problem}; use one of {', '.join(suffixes)}")


@contextlib.contextmanager
def atomic(
    path: PathLike, force: bool = True, durable: bool = False, staging: PathLike | None = None
) -> Iterator[Path]:
    """Write a file completely or not at all: yield a temporary path that takes the place of `path` when the block ends well.

    The bytes reach the disk before the name does, so a crash leaves either the old file or the new one. A file that is replaced
    passes its permissions on to the new one.

    Args:
        path: the file to write.
        force: replace an existing file.
        durable: wait until the name is on the disk, too, so that the file outlasts a power cut; for what took long to compute.
        staging: a folder of the same file system for the temporary file, where others may list that of `path` meanwhile.

    Yields:
        A temporary path beside `path` or in `staging`, with its suffix (programs that write files look at it).

    Raises:
        OutputExistsError: the file exists and `force` is false.
        OutputError: the system refuses to write.
    """
    path = check_output(path, force)
    try:
        temporary = _temporary(path if staging is None else Path(staging, path.name))
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({_reason(error)}); choose another --out") from error
    try:
        yield temporary
        sync(temporary)
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({_reason(error)}); free some space or choose another --out"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync(path: PathLike) -> None:
    """Wait until the bytes of a file are on the disk.

    Args:
        path: the file.

    Raises:
        OSError: they cannot be written, for instance because the disk is full.
    """
    with Path(path).open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: PathLike) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that.

    Args:
        path: the folder.
    """
    with contextlib.suppress(OSError):  # Windows opens no folders, and some network disks cannot sync them
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def lock_file(file: IO[Any], message: str) -> None:
    """Lock an open file until it is closed, where the system and the disk can do that.

    Args:
        file: the file.
        message: of the error.

    Raises:
        OutputError: another process has locked it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(message) from None
    except OSError:  # a file system without locks
        return


@contextlib.contextmanager
def exclusive(path: PathLike, message: str) -> Iterator[None]:
    """Keep other processes out of a block of code.

    Args:
        path: a file that is made and locked.
        message: of the error.

    Raises:
        OutputError: another process is in such a block with the same file, or the file cannot be made.
    """
    try:
        file = Path(path).open("ab")  # noqa: SIM115 - closed below
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({_reason(error)}); check its folder") from error
    with file:
        lock_file(file, message)
        yield


def make_folder(path: PathLike) -> Path:
    """Make a folder, with the folders above it, unless it is there; return its path.

    Args:
        path: the folder.

    Raises:
        OutputError: it cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {path} cannot be made ({error.strerror or error}); choose another --out"
        ) from error
    return path


def write_text(path: PathLike, text: str, force: bool = True) -> None:
    """Write text as UTF-8, atomically.

    Args:
        path: the file.
        text: its content.
        force: replace an existing file.
    """
    with atomic(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: PathLike) -> str:
    """Compute the SHA-256 of a file's bytes, or of the names and bytes of a folder's files.

    Args:
        path: the file or folder.

    Returns:
        64 hexadecimal digits.
    """
    path = Path(path)
    digest = hashlib.sha256()
    for file in [path] if is_file(path) else sorted(p for p in path.rglob("*") if is_file(p)):
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def cache_dir(name: str = "") -> Path:
    """Return the folder of cached files; the environment variable FERVIZ_CACHE names another than the platform's usual one.

    Args:
        name: a folder inside it, "" = the cache itself.

    Returns:
        The folder, which is not created.
    """
    root = os.environ.get("FERVIZ_CACHE")
    if root:
        return Path(root) / name
    from platformdirs import user_cache_path

    return user_cache_path("ferviz") / name


def _temporary(path: Path) -> Path:
    """Make an empty file beside `path`, with the permissions that the system gives to new files, and return its path."""
    while True:
        name = fit_name(f".{path.stem[:40]}-{secrets.token_hex(4)}", path.suffix)
        try:
            # Not tempfile: it makes files that nobody else may read, and the mask that says who may can only be read by changing it.
            os.close(
                os.open(path.with_name(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            )
        except FileExistsError:
            continue
        return path.with_name(name)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
