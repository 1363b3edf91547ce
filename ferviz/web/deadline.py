"""A connection whose question does not arrive in time is closed: programs that send headers drop by drop would fill the server."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""The headers of a question have to be here so long after the connection, or after their first byte."""


class DeadlineProtocol(H11Protocol):
    """Uvicorn's protocol with a deadline for headers; the bodies have theirs in the routes."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait.

        Args:
            transport: of the connection.
        """
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Take a part of a question; whole headers end the wait.

        Args:
            data: the part.
        """
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end()
        else:
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait.

        Args:
            exc: why.
        """
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
