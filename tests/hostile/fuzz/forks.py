"""The library's sandbox, faster: its children are forks of one process that has imported their libraries already.

A sandboxed child takes 0.3 s to import h5py and 4 s to import TensorFlow. Here a process imports them once, and each child is a fork of it
that goes through the same `ferviz/sandbox/child.py` with the same limits, pipes and exit codes. Linux and macOS; elsewhere the sandbox
stays as it is.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


def use_forks(modules: Sequence[str]) -> None:
    """Let `ferviz.sandbox` start forks from now on.

    Args:
        modules: what the forks find imported.
    """
    if not hasattr(os, "fork"):
        return
    from ferviz import sandbox

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            _serve(theirs, modules)
        finally:
            os._exit(0)
    theirs.close()
    assert ours.recv(1) == b"r"

    def popen(command: list[str], **settings: Any) -> _Fork:
        return _Fork(ours, command, settings)

    sandbox.subprocess = SimpleNamespace(  # type: ignore[attr-defined]
        Popen=popen, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL
    )


class _Fork:
    """What the sandbox uses of subprocess.Popen, for a fork."""

    def __init__(self, server: socket.socket, command: list[str], settings: dict[str, Any]) -> None:
        pipes = [os.pipe() for _ in range(4)]
        (stdin, own_stdin), (own_stdout, stdout), (own_stderr, stderr), (self._status, status) = pipes
        lifeline = settings["pass_fds"]
        request = json.dumps(
            {"arguments": command[3:], "lifeline": lifeline[0], "environment": settings["env"]}
        ).encode()
        descriptors = [stdin, stdout, stderr, status, *lifeline]
        socket.send_fds(server, [len(request).to_bytes(4, "little") + request], descriptors)
        for descriptor in (stdin, stdout, stderr, status):
            os.close(descriptor)
        self.pid = int.from_bytes(server.recv(4, socket.MSG_WAITALL), "little")
        self.args, self.returncode = command, None
        self.stdin, self.stdout, self.stderr = (
            os.fdopen(own_stdin, "wb"),
            os.fdopen(own_stdout, "rb"),
            os.fdopen(own_stderr, "rb"),
        )

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            selector = selectors.DefaultSelector()
            selector.register(self._status, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int.from_bytes(os.read(self._status, 4), "little", signed=True)
            os.close(self._status)
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)


def _serve(channel: socket.socket, modules: Sequence[str]) -> None:
    """Fork a child for every request, and report its end into the pipe that came with the request."""
    for module in modules:
        importlib.import_module(module)
    from ferviz.sandbox import child as code

    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    selector.register(read_end, selectors.EVENT_READ)
    running: dict[int, int] = {}
    channel.send(b"r")
    while True:
        for key, _ in selector.select():
            if key.fileobj == read_end:
                os.read(read_end, 4096)
                _reap(running)
                continue
            head, descriptors, _, _ = socket.recv_fds(channel, 4, 8)
            if not head:
                return
            request = json.loads(channel.recv(int.from_bytes(head, "little"), socket.MSG_WAITALL))
            pid = os.fork()
            if pid == 0:
                _become(code, request, descriptors)
            for descriptor in [*descriptors[:3], *descriptors[4:]]:
                os.close(descriptor)
            running[pid] = descriptors[3]
            channel.send(pid.to_bytes(4, "little"))


def _reap(running: dict[int, int]) -> None:
    while running:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        with contextlib.suppress(OSError):
            os.write(running[pid], os.waitstatus_to_exitcode(status).to_bytes(4, "little", signed=True))
        os.close(running.pop(pid))


def _become(code: Any, request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Be the sandbox's child: the same streams, environment, limits and exit codes as a fresh process."""
    status = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        lifeline = descriptors[4] if len(descriptors) > 4 else -1
        os.closerange(max(descriptors) + 1, 256)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0, "r"), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ.clear()
        os.environ.update(request["environment"])
        limits, *rest = request["arguments"]
        numbers = limits.split(",")
        code.main(",".join([*numbers[:-1], str(lifeline)]), *rest)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
