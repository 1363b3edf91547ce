"""Bounds for the connections of a small server: how many there are, how long a request and a write may take, and who makes room."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ServerLimits:
    """What a client of the live page may take.

    Attributes:
        connections: at most so many at once; a further one takes the place of the one that has waited longest for its request.
        viewers: at most so many of them watch the stream.
        request: seconds within which a request has arrived, from the first byte to the last, however slowly it drips.
        write: seconds within which an answer, or one frame of the stream, has been taken; a slower client is dropped.
        stalled: seconds after which a viewer who is not taking a frame makes room for a further viewer.
    """

    connections: int = 32
    viewers: int = 8
    request: float = 10.0
    write: float = 5.0
    stalled: float = 0.5


class Connection:
    """One client.

    Args:
        client: its socket.

    Attributes:
        waiting: the client has not sent its request completely.
        streaming: it watches the stream.
        writing_since: the time (monotonic) when the frame on its way was begun, None between two frames.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.waiting = True
        self.streaming = False
        self.writing_since: float | None = None

    def drop(self) -> None:
        """End the connection; a thread that reads from it or writes to it wakes up."""
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)


class Connections:
    """The connections of a server, in the order in which they came.

    Args:
        limits: how many there may be.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._open: dict[socket.socket, Connection] = {}

    def add(self, client: socket.socket) -> bool:
        """Take a connection in, dropping the one that has waited longest for its request where there is no room.

        Args:
            client: its socket.

        Returns:
            Whether there was room, or room was made.
        """
        with self._lock:
            if len(self._open) >= self.limits.connections:
                oldest = next((c for c in self._open.values() if c.waiting), None)
                if oldest is None:
                    return False
                del self._open[oldest.client]
                oldest.drop()
            self._open[client] = Connection(client)
            return True

    def remove(self, client: socket.socket) -> None:
        """Forget a connection that has ended.

        Args:
            client: its socket.
        """
        with self._lock:
            self._open.pop(client, None)

    def get(self, client: socket.socket) -> Connection:
        """Return the connection of a socket; of one that was dropped, a connection that nobody counts.

        Args:
            client: the socket.
        """
        with self._lock:
            return self._open.get(client) or Connection(client)

    def begin_stream(self, connection: Connection) -> bool:
        """Let a client watch, dropping a viewer who takes no frames where there are too many.

        Args:
            connection: the client's.

        Returns:
            Whether it may watch.
        """
        with self._lock:
            viewers = [c for c in self._open.values() if c.streaming]
            if len(viewers) >= self.limits.viewers:
                latest = time.monotonic() - self.limits.stalled
                stalled = [c for c in viewers if c.writing_since is not None and c.writing_since <= latest]
                if not stalled:
                    return False
                slowest = min(stalled, key=lambda c: c.writing_since or 0.0)
                del self._open[slowest.client]
                slowest.drop()
            connection.streaming = True
            return True


class DeadlineReader(io.RawIOBase):
    """Reads from a socket until a deadline, however the bytes are spread over the time before it.

    Args:
        client: the socket.

    Attributes:
        deadline: the time (monotonic) after which reading is a TimeoutError.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.deadline = 0.0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, waiting until the deadline for a first byte.

        Args:
            buffer: takes the bytes.

        Raises:
            TimeoutError: nothing came in time.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self.client.settimeout(left)
        return self.client.recv_into(buffer)
