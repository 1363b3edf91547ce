"""Libraries without their notes on the terminal: native ones' log lines, and the warnings and prints of Python ones.

What is changed for that belongs to the whole process (file descriptor 2, the filters of warnings, `sys.stdout`), so that every change is
made here, one thread at a time or shared between threads, and undone whatever happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
    "TF_ENABLE_DEPRECATION_WARNINGS": "0",
}
"""Environment that silences TensorFlow's C++ side; it is read once, at the import. What the user has set wins."""

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d .*: [IWE] |"
    rb"To enable the following instructions:|\s*$"
)
"""Lines that TensorFlow's libraries write straight to file descriptor 2 while they are loaded."""


@contextlib.contextmanager
def silenced(everything: bool = False) -> Iterator[None]:
    """Keep native libraries' log lines, written straight to file descriptor 2, from the terminal for the time of the block.

    Loading the libraries writes notes there before any setting of theirs is read, and LiteRT announces its processor back end past
    every setting, so nothing less helps. Python errors are not lost: they travel as exceptions.

    The descriptor belongs to the whole process, so blocks in several threads share one redirection: the first begins it, the last ends
    it, whatever happens inside. While any of them drops everything, so do all.

    Args:
        everything: drop all lines; otherwise those that are no log noise are written once the block ends.
    """
    block = object()
    try:
        _standard_error.enter(block, everything)
        yield
    finally:
        _standard_error.leave(block)


IMPORTING = threading.RLock()
"""Held while TensorFlow or what runs on it is imported: two threads that begin at once would each see the other's half."""

WARNING_FILTERS = threading.RLock()
"""Held while the filters of warnings are changed: two threads that change and restore them in turns would leave the wrong ones."""


@contextlib.contextmanager
def without_warnings(output: bool = False) -> Iterator[None]:
    """Ignore Python's warnings for the time of the block; one thread at a time.

    Args:
        output: drop what is printed on standard output too, by native libraries as well.
    """
    with WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not output:
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()), _without_native_output():
            yield


@contextlib.contextmanager
def _without_native_output() -> Iterator[None]:
    """Turn file descriptor 1 away for the time of the block: PyTorch's exporter prints whole graphs there before it fails."""
    try:
        original = os.dup(1)
    except OSError:  # no standard output at all
        yield
        return
    try:
        with Path(os.devnull).open("wb") as sink:
            os.dup2(sink.fileno(), 1)
        yield
    finally:
        with contextlib.suppress(
            OSError, TypeError, AttributeError
        ):  # what C has in its buffer is for the sink; Windows has no such handle
            ctypes.CDLL(None).fflush(None)
        os.dup2(original, 1)
        os.close(original)


class _Redirection:
    """File descriptor 2, which is turned to a file while blocks of `silenced` run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[object, bool] = {}  # the running blocks -> whether each drops everything
        self._original: int | None = None  # a duplicate of what the descriptor was; None = it is not redirected
        self._held: IO[bytes] | None = None  # for the lines that may be written later
        self._dropped: IO[bytes] | None = None

    def enter(self, block: object, everything: bool) -> None:
        with self._lock:
            self._blocks[block] = everything
            self._turn()

    def leave(self, block: object) -> None:
        with self._lock:
            self._blocks.pop(block, None)  # not there where Ctrl-C came before it was entered
            self._turn()

    def restore_in_child(self) -> None:
        """Begin anew in a forked process: the threads whose blocks were running are not there to end them."""
        if self._original is not None and self._is_ours():
            os.dup2(self._original, 2)
        self.__init__()  # type: ignore[misc]

    def _turn(self) -> None:
        """Point the descriptor where the running blocks want it."""
        if not self._blocks:
            self._restore()
            return
        if self._original is None:
            try:
                sys.stderr.flush()
                self._original = os.dup(2)
            except (OSError, AttributeError, ValueError):  # no standard error at all: nothing to silence
                return
        elif not self._is_ours():
            return  # the program has redirected its standard error itself meanwhile
        os.dup2(self._sink().fileno(), 2)

    def _sink(self) -> IO[bytes]:
        if any(self._blocks.values()):
            self._dropped = self._dropped or Path(os.devnull).open("wb")  # noqa: SIM115
            return self._dropped
        self._held = self._held or tempfile.TemporaryFile()  # noqa: SIM115
        return self._held

    def _is_ours(self) -> bool:
        """Whether the descriptor is still one of the files that it was turned to."""
        try:
            now = os.fstat(2)
            return any(os.path.samestat(now, os.fstat(f.fileno())) for f in (self._held, self._dropped) if f)
        except OSError:  # closed meanwhile
            return False

    def _restore(self) -> None:
        if self._original is None:
            return
        with contextlib.suppress(OSError, AttributeError, ValueError):
            sys.stderr.flush()
        if self._is_ours():
            os.dup2(self._original, 2)
        os.close(self._original)
        self._original = None
        if self._dropped:
            self._dropped.close()
        held, self._held, self._dropped = self._held, None, None
        if held:
            with held:
                held.seek(0)
                rest = b"".join(line for line in held if not NOISE.match(line))
            if rest:
                with contextlib.suppress(OSError):
                    os.write(2, rest)


_standard_error = _Redirection()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_standard_error.restore_in_child)
    os.register_at_fork(before=IMPORTING.acquire, after_in_parent=IMPORTING.release, after_in_child=IMPORTING.release)
