"""A process of its own for files that somebody sent: native libraries that read them can crash, loop or fill the memory there alone.

`run` lets a script or a module answer once, `start` keeps a process that answers message after message. `Limits` says what the process
may take; `child.py` applies it before anything else is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ferviz.native_logs import QUIET
from ferviz.sandbox.messages import read_message, write_message

Status = Literal["ok", "refused", "missing", "failed", "crashed", "timeout", "memory", "unavailable"]

REFUSED, MISSING, MEMORY = 3, 4, 5
"""Exit codes of a child: it refuses the file and says why on standard output; a library is not installed; the memory was not enough."""

_BOOT = Path(__file__).with_name("child.py")
_ROOT = Path(__file__).parents[2]
_LARGEST_OUTPUT = 16 * 1024**2
_GRACE = 60.0
"""Seconds that a child which has closed its pipes gets to end, and the end of its messages to arrive: little, except on a busy machine."""
_KEPT_VARIABLES = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "USERPROFILE",
    "APPDATA", "LOCALAPPDATA", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
)  # fmt: skip
_OUT_OF_MEMORY = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"can't start new thread", b"out of memory")


@dataclass(frozen=True)
class Limits:
    """What a child may take. A limit that the system does not have is left out.

    Attributes:
        seconds: of processor time; None = no limit.
        wait: seconds until the parent ends it; for a child of `start`, those until each answer.
        memory: bytes of address space.
        file_size: bytes that it may write into one file. With 0, Linux also keeps it from creating, emptying, renaming and deleting
            files, from starting programs and from the network.
        processes: how many processes and threads of the user there may be for it to start another; None = no limit.
        open_files: how many files it may have open.
    """

    seconds: int | None = 10
    wait: float = 120.0
    memory: int = 4 * 1024**3
    file_size: int = 0
    processes: int | None = None
    open_files: int = 256


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        status: "ok"; "refused" (the reason is in `output`); "missing" (a library is not installed); "failed" (any other exit code, such
            as a Python error); "crashed" (by a signal); "timeout"; "memory"; "unavailable" (no process could be started).
        output: what it wrote to standard output.
        errors: the end of what it wrote to standard error.
    """

    status: Status
    output: bytes = b""
    errors: bytes = b""

    @property
    def reason(self) -> str:
        """The first line of the output, at most 200 characters, for a message."""
        lines = self.output.decode("utf-8", "replace").strip().splitlines()
        return lines[0][:200] if lines else self.status


class ChildError(Exception):
    """A child that was to answer has ended.

    Args:
        outcome: how it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


def available() -> bool:
    """Tell whether this Python can start another one; one inside another program or in a frozen application cannot."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def run(target: str | Path, *arguments: str, limits: Limits, stdin: bytes = b"") -> Outcome:
    """Let a script or module answer in a process of its own, and wait for its end.

    Args:
        target: the path of a script (Path), or the name of a module (str), executed as `__main__`.
        arguments: its command line.
        limits: what it may take.
        stdin: bytes for its standard input.

    Returns:
        How it ended; "unavailable" where no process can be started.
    """
    if not available():
        return Outcome("unavailable")
    try:
        child = Child(target, arguments, limits)
    except OSError:  # the system starts no more processes
        return Outcome("unavailable")
    try:
        with child.deadline():
            sender = threading.Thread(target=child.feed, args=(stdin,), daemon=True)
            sender.start()
            output = child.stdout.read(_LARGEST_OUTPUT)
            if len(output) < _LARGEST_OUTPUT:
                child.process.wait()
        return child.end(output)
    finally:
        child.end()


def start(target: str | Path, *arguments: str, limits: Limits) -> Child:
    """Start a process that answers messages for as long as it is kept.

    Args:
        target: the path of a script (Path), or the name of a module (str), executed as `__main__`; it takes its messages from
            `ferviz.sandbox.messages.channel`.
        arguments: its command line.
        limits: what it may take.

    Returns:
        The process; it ends with `end`, with the last reference to it, with this process, and when this process is killed.

    Raises:
        ChildError: no process can be started.
    """
    if not available():
        raise ChildError(Outcome("unavailable"))
    try:
        return Child(target, arguments, limits)
    except OSError as error:
        raise ChildError(Outcome("unavailable")) from error


class Child:
    """A process within limits, with pipes to it.

    Args:
        target: as for `run`.
        arguments: its command line.
        limits: what it may take.

    Attributes:
        process: the process.
        owner: the number of the process that started it; after a fork, the copy must start its own.
    """

    def __init__(self, target: str | Path, arguments: tuple[str, ...], limits: Limits) -> None:
        self.limits, self.owner, self._expired = limits, os.getpid(), False
        numbers = [limits.seconds, limits.memory, limits.file_size, limits.processes, limits.open_files]
        posix = os.name == "posix"
        lifeline, self._lifeline = os.pipe() if posix else (-1, -1)
        setting = ",".join("-1" if number is None else str(number) for number in [*numbers, lifeline])
        name = os.fspath(target.absolute()) if isinstance(target, Path) else f"-m{target}"
        # -I: neither the working directory nor the environment may replace what is imported
        command = [sys.executable, "-I", os.fspath(_BOOT), setting, os.pathsep.join(_search_path()), name, *arguments]
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(), pass_fds=(lifeline,) if posix else (),
                start_new_session=posix, creationflags=0 if posix else getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
        except BaseException:
            for descriptor in (lifeline, self._lifeline) if posix else ():
                os.close(descriptor)
            raise
        if posix:
            os.close(lifeline)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdin, self.stdout = self.process.stdin, self.process.stdout
        self._errors: deque[bytes] = deque(maxlen=64)
        self._listener = threading.Thread(target=_listen, args=(self.process.stderr, self._errors), daemon=True)
        self._listener.start()
        self._finalizer = weakref.finalize(self, _end, self.process, self._lifeline, self.owner)

    @contextlib.contextmanager
    def deadline(self, wait: float | None = None) -> Iterator[None]:
        """End the child if the block takes longer than its limit.

        Args:
            wait: seconds, instead of `limits.wait`.
        """
        timer = threading.Timer(self.limits.wait if wait is None else wait, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def feed(self, content: bytes) -> None:
        """Write to the standard input and close it; a child that does not read it all is no error.

        Args:
            content: the bytes.
        """
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(content)
            self._stdin.close()

    def ask(self, *messages: bytes | memoryview, wait: float | None = None) -> bytes:
        """Send messages and wait for one answer.

        Args:
            messages: their bytes.
            wait: seconds until the answer, instead of `limits.wait`.

        Returns:
            The bytes of the answer.

        Raises:
            ChildError: the child ended, or was ended because it took too long.
        """
        try:
            with self.deadline(wait):
                for message in messages:
                    write_message(self._stdin, message)
                answer = read_message(self.stdout)
        except (OSError, ValueError, EOFError) as error:
            raise ChildError(self.end(grace=_GRACE)) from error
        except BaseException:  # Ctrl-C: the answer is still on its way, so the next one would be this one
            self.end()
            raise
        return answer

    def end(self, output: bytes = b"", grace: float = 0) -> Outcome:
        """End the child and all that it started.

        Args:
            output: what it has written.
            grace: seconds that a child which has closed its pipes may take until its end.

        Returns:
            How it ended, "crashed" if it was still running for no fault of its own.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self._finalizer()
        self._listener.join(_GRACE)
        errors = b"".join(self._errors)
        return Outcome(self._status(self.process.returncode, errors), output, errors)

    def _expire(self) -> None:
        self._expired = True
        _kill(self.process)

    def _status(self, code: int, errors: bytes) -> Status:
        codes: dict[int, Status] = {0: "ok", REFUSED: "refused", MISSING: "missing", MEMORY: "memory"}
        if self._expired or code == -getattr(signal, "SIGXCPU", 1 << 20):
            return "timeout"
        if code in codes:
            return codes[code]
        if any(word in errors for word in _OUT_OF_MEMORY):
            return "memory"
        return "crashed" if code < 0 or code >= 0xC0000000 else "failed"


def _search_path() -> list[str]:
    """Where the child looks for modules besides its own places: as here, but never in the working directory."""
    here = os.path.abspath(os.curdir)  # noqa: PTH100 - as sys.path writes it, links not followed
    return [os.fspath(_ROOT), *(entry for entry in sys.path if Path(entry).is_absolute() and entry != here)]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**QUIET, "CUDA_VISIBLE_DEVICES": "-1", "OPENBLAS_NUM_THREADS": "1", **kept}


def _listen(stream: IO[bytes], lines: deque[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError), stream:
        while chunk := stream.read1(1024):  # type: ignore[attr-defined]
            lines.append(chunk)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        process.kill()


def _end(process: subprocess.Popen[bytes], lifeline: int, owner: int) -> None:
    if os.getpid() != owner:  # the copy of the parent that a fork has made
        return
    _kill(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            assert stream is not None
            stream.close()
    if lifeline >= 0:
        os.close(lifeline)
