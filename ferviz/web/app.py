"""The studio's server: the page's files, and what the page cannot do itself. Nothing of a request is kept but networks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ferviz.errors import UsageError
from ferviz.manifests import to_json
from ferviz.printable import printable
from ferviz.web.labelled import Labelled
from ferviz.web.network_store import MAX_NETWORK, NetworkStore, RefusedError, TooLargeError, limited
from ferviz.web.site import Site, content_type
from ferviz.web.work.worker import Worker

MAX_JOB = 16 * 1024**2
"""Bytes of a question about a face."""

JOB_SECONDS = 60.0
"""A question has to be here after so long."""

DATA_TASKS = ("predict", "maps", "channel")
"""They take long, and leave the questions about a face to another process."""


class Studio:
    """The routes of one studio.

    Args:
        site: the page.
        video: a video file that the page plays instead of a camera, or None.
        labelled: the faces of the data room, or None.
        opening: what the processes that work for the page are told (see `ferviz.web.work.workbench`); None = there are none.
    """

    def __init__(
        self,
        site: Site,
        video: Path | None = None,
        labelled: Labelled | None = None,
        opening: Mapping[str, Any] | None = None,
    ) -> None:
        self.site, self.video, self.labelled = site, video, labelled
        self.networks = NetworkStore()
        self.workers = {} if opening is None else {kind: Worker(opening) for kind in ("face", "data")}
        self.app = Starlette(
            routes=[
                Route("/api/compile", self.compile, methods=["POST"]),
                Route("/api/run", self.run, methods=["POST"]),
                Route("/api/data", self.data, methods=["GET"]),
                Route("/api/data/sheet", self.sheet, methods=["POST"]),
                Route("/api/data/face/{number:int}", self.face, methods=["GET"]),
                Route("/video", self.play, methods=["GET"]),
                Route("/{path:path}", self.file, methods=["GET"]),
            ]
        )

    def close(self) -> None:
        """End what works for the page, and delete the networks that were dropped on it."""
        for worker in self.workers.values():
            worker.close()
        self.networks.close()

    async def file(self, request: Request) -> Response:
        """Answer with one file of the page.

        Args:
            request: for its path.
        """
        path = request.path_params["path"] or "index.html"
        if path not in self.site.files:
            return _refusal(404, "there is no such page")
        content = await run_in_threadpool(self.site.read, path)
        # Every worker of the page loads the runtime: nine megabytes that are the same for all of them.
        headers = {"cache-control": "private, max-age=86400"} if path.startswith("vendor/") else None
        return Response(content, headers=headers, media_type=content_type(path))

    async def play(self, request: Request) -> Response:
        """Answer with the video of the command line.

        Args:
            request: for the range that the browser wants.
        """
        if self.video is None:
            return _refusal(404, "there is no video")
        return FileResponse(self.video, media_type=content_type(self.video.name))

    async def compile(self, request: Request) -> Response:
        """Compile a network that was dropped on the page -> its `.ferviz` file; a header says under which name it is kept.

        Args:
            request: the file as its body, its name in the query.
        """
        name = request.query_params.get("name", "")
        try:
            key, content = await self.networks.add(name, request.stream(), request.is_disconnected)
        except RefusedError as error:
            return _refusal(error.status, str(error), {"retry-after": "60"} if error.status == 503 else None)
        except TooLargeError:
            return _refusal(413, f"the network has more than {MAX_NETWORK // 1024**2} MiB")
        except TimeoutError:
            return _refusal(408, "the network took too long to arrive")
        return Response(content, headers={"ferviz-network": key}, media_type="application/octet-stream")

    async def run(self, request: Request) -> Response:
        """Do a job -> its events, one JSON object a line; a page that goes away ends it.

        Args:
            request: the job as JSON.
        """
        if not self.workers:
            return _refusal(404, "this studio does nothing but serve the page")
        job = await _json(request)
        if isinstance(job, Response):
            return job
        for role in ("network", "judge") if "judge" in job else ("network",):
            network = job.get(role, 0)
            if isinstance(network, str):
                path = self.networks.find(network)
                if path is None:
                    return _refusal(410, "the network is not there any more; drop it on the page again")
                job[role] = str(path)
            elif type(network) is not int or not 0 <= network < self.site.networks:
                return _refusal(400, "there is no such network")
        worker = self.workers["data" if job.get("task") in DATA_TASKS else "face"]
        if worker.is_full:
            return _refusal(503, "too much is waiting to be done; try again in a minute", {"retry-after": "60"})
        return StreamingResponse(_lines(worker, job, request), media_type="application/x-ndjson")

    async def data(self, request: Request) -> Response:
        """Answer with what the page has to know about every face of the data.

        Args:
            request: it says nothing.
        """
        if self.labelled is None:
            return _refusal(404, "this studio was started without --data")
        text = await run_in_threadpool(lambda: to_json(self.labelled.index()))  # type: ignore[union-attr]
        return Response(text, media_type="application/json")

    async def sheet(self, request: Request) -> Response:
        """Answer with a sheet of small faces.

        Args:
            request: {"faces": their numbers} as JSON.
        """
        job = await _json(request)
        if isinstance(job, Response):
            return job
        if self.labelled is None or not isinstance(job.get("faces"), list):
            return _refusal(404, "there are no such faces")
        try:
            content = await run_in_threadpool(self.labelled.sheet, job["faces"])
        except UsageError as error:
            return _refusal(400, str(error))
        return Response(content, media_type="image/webp")

    async def face(self, request: Request) -> Response:
        """Answer with one face of the data.

        Args:
            request: its number in the path.
        """
        try:
            if self.labelled is None:
                raise UsageError("this studio was started without --data")
            content = await run_in_threadpool(self.labelled.face, request.path_params["number"])
        except UsageError as error:
            return _refusal(404, str(error))
        return Response(content, media_type="image/png")


async def _json(request: Request) -> dict[str, Any] | Response:
    """-> the object that is a request's body, or the refusal."""
    try:
        async with asyncio.timeout(JOB_SECONDS):
            body = b"".join([part async for part in limited(request.stream(), MAX_JOB)])
        job = json.loads(body)
    except TooLargeError:
        return _refusal(413, f"the question has more than {MAX_JOB // 1024**2} MiB")
    except TimeoutError:
        return _refusal(408, "the question took too long to arrive")
    except (ValueError, RecursionError):
        return _refusal(400, "the question is no JSON")
    return job if isinstance(job, dict) else _refusal(400, "the question is no JSON object")


async def _lines(worker: Worker, job: Mapping[str, Any], request: Request) -> AsyncIterator[bytes]:
    events = worker.run(job)
    pending: asyncio.Future[dict[str, Any]] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(anext(events))
            while not (await asyncio.wait({pending}, timeout=0.5))[0]:
                if await request.is_disconnected():
                    return
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            yield to_json(event).encode() + b"\n"
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending
        if pending is None or pending.done():  # else it is being cancelled, and ends the job itself
            await events.aclose()


def _refusal(status: int, reason: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"error": printable(reason, 400)}, status, headers)
