"""The server's side of the process that works for the page: one job at a time, its events as they come, and its end on request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ferviz.manifests import to_json
from ferviz.sandbox import ChildError, Limits, start
from ferviz.sandbox.messages import read_message, write_message

_LOG = logging.getLogger(__name__)

MODULE = "ferviz.web.work.workbench"

LIMITS = Limits(seconds=None, memory=24 * 1024**3, file_size=2 * 1024**3, open_files=1024)
"""Of the process: it reads networks that were dropped on the page."""

MAX_EVENT = 64 * 1024**2
MAX_WAITING = 4
"""Jobs that may wait for one that runs."""

_ENDS = {
    "memory": "the memory was not enough for this; close other programs, or take a smaller network",
    "unavailable": "this system starts no further process, which this needs",
}


class Worker:
    """A process that does the page's jobs, one at a time. It starts with the first job, and a job that is cancelled ends it.

    Args:
        opening: what the process is told at its start (see `ferviz.web.work.workbench`).
    """

    def __init__(self, opening: Mapping[str, Any]) -> None:
        self._opening = to_json(opening).encode()
        self._child: Any = None
        self._lock = asyncio.Lock()
        self._waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether no further job may wait."""
        return self._waiting > MAX_WAITING

    async def run(self, job: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Do a job.

        Closing the iterator before its end ends the process, and the next job starts another one.

        Args:
            job: a task's name under "task", and its arguments.

        Yields:
            Its events; the last one is {"end": True} or {"error": a sentence}.
        """
        self._waiting += 1
        try:
            if self._lock.locked():
                yield {"waiting": self._waiting - 1}
            async with (
                self._lock,
                contextlib.aclosing(self._events(job)) as events,
            ):  # ended before the next job may begin
                async for event in events:
                    yield event
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    async def _events(self, job: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        finished = False
        try:
            child = self._child
            if child is None:
                child = self._child = await asyncio.to_thread(start, MODULE, limits=LIMITS)
                await asyncio.to_thread(write_message, child.process.stdin, self._opening)
            await asyncio.to_thread(write_message, child.process.stdin, to_json(job).encode())
            while not finished:
                event = json.loads(await asyncio.to_thread(read_message, child.process.stdout, MAX_EVENT))
                finished = "end" in event or "error" in event
                yield event
        except ChildError as error:
            yield {"error": _ENDS.get(error.outcome.status, "the work could not be begun")}
        except (OSError, ValueError, EOFError):
            finished, child, self._child = True, self._child, None
            outcome = await asyncio.to_thread(child.end, b"", 30)
            _LOG.error(
                "%s", outcome.errors.decode(errors="replace")
            )  # an error that nobody expected, or a killed process
            yield {
                "error": _ENDS.get(
                    outcome.status, "the work ended with an error; try it again, or take the command line"
                )
            }
        finally:
            if not finished:
                with contextlib.suppress(OSError):
                    self.close()
