"""The watch over a worker: what Python reports about itself (audit events), and folders that have to stay empty."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FILES = {"os.remove": 1, "os.rename": 2, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2, "os.chmod": 1, "os.truncate": 1,
"shutil.rmtree": 1,
          "shutil.move": 2, "shutil.copyfile": 2, "os.utime": 1}  # fmt: skip
_STARTS = (
    "os.system",
    "os.exec",
    "os.spawn",
    "os.startfile",
    "pty.spawn",
    "pickle.find_class",
    "ctypes.dlopen/foreign",
)
_NETWORK = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "urllib.Request",
    "http.client.connect",
    "ftplib.connect",
    "smtplib.connect",
)


class Guard:
    """Counts what no reader may do: write outside its own folders, start a process, run code from a file, use the network.

    Args:
        free: folders in which writing is allowed: the case's own, the cache, the temporary one.
        empty: folders that have to stay empty, whoever writes: the working directory and the home.
    """

    def __init__(self, free: tuple[Path, ...], empty: tuple[Path, ...]) -> None:
        self.events: list[tuple[str, str]] = []
        self._free = tuple(f"{folder.resolve()}{os.sep}" for folder in free)
        self.empty = empty
        self._active = False
        sys.addaudithook(self._hook)

    def __enter__(self) -> Guard:
        self.events.clear()
        self._active = True
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        self.events += self.clear()

    def clear(self) -> list[tuple[str, str]]:
        """Empty the folders that have to be empty.

        Returns:
            An event for each file that was there.
        """
        events = []
        for folder in self.empty:
            for path in list(_inside(folder)):
                events.append(("written", f"{path.relative_to(folder)} lies in the {folder.name} folder"))
                path.unlink(missing_ok=True)
        return events

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        self._active = False  # what is done here is not watched
        try:
            kind = self._judge(event, arguments)
            if kind:
                self.events.append((kind, f"{event} {arguments[:2]!r:.200}"))
        finally:
            self._active = True

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> str:
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & _WRITING)
            return "written" if writes and not self._is_free(path) else ""
        if event in _FILES:
            if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
                return ""  # relative to an open folder, as shutil.rmtree works; the empty folders tell the rest
            return "" if all(self._is_free(path) for path in arguments[: _FILES[event]]) else "written"
        if event in _STARTS or event in _NETWORK:
            return "executed"
        if event in ("subprocess.Popen", "os.posix_spawn"):
            # The library's own sandbox is this Python, isolated.
            own = arguments[0] == sys.executable and "-I" in list(arguments[1])
            return "" if own else "executed"
        if event == "marshal.loads":  # the import system does; a network's file may not
            frame = sys._getframe(2)
            return "" if "importlib" in frame.f_code.co_filename else "executed"
        return ""

    def _is_free(self, path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        text = os.path.realpath(os.fsdecode(path))
        return (
            text == os.devnull
            or f"{text}{os.sep}".startswith(self._free)
            or text.endswith(".pyc")
            or "__pycache__" in text
        )


def _inside(folder: Path) -> Iterator[Path]:
    for root, _, files in os.walk(folder):
        yield from (Path(root, name) for name in files)
