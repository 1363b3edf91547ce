"""The studio's server: the page's files, and what the page cannot do itself. Nothing of a request is kept."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ferviz.paths import is_file
from ferviz.printable import printable
from ferviz.web.site import Site, content_type

MAX_NETWORK = 512 * 1024**2
"""Bytes of a network that is dropped on the page."""

UPLOAD_SECONDS = 60.0
"""A request has to be here after so long, however slowly it drips."""

COMPILE_SECONDS = 600.0
"""A network that takes longer to compile is given up."""

SUFFIXES = (".h5", ".hdf5", ".keras", ".ferviz", ".pt2", ".onnx", ".tflite")
"""Files of networks that the page sends here."""

MAX_WAITING = 4


class _TooLargeError(Exception):
    """A body has more bytes than it may have."""


class Studio:
    """The routes of one studio.

    Args:
        site: the page.
        video: a video file that the page plays instead of a camera, or None.
    """

    def __init__(self, site: Site, video: Path | None = None) -> None:
        self.site, self.video = site, video
        self._worker = asyncio.Lock()
        self._waiting = 0
        self.app = Starlette(
            routes=[
                Route("/api/compile", self.compile, methods=["POST"]),
                Route("/video", self.play, methods=["GET"]),
                Route("/{path:path}", self.file, methods=["GET"]),
            ]
        )

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
        """Compile a network that was dropped on the page -> its `.ferviz` file.

        It happens in a process of its own, one at a time, which ends when the page goes away.

        Args:
            request: the file as its body, its name in the query.
        """
        suffix = Path(request.query_params.get("name", "")).suffix.lower()
        if suffix not in SUFFIXES:
            return _refusal(415, f"a network's file ends with one of {', '.join(SUFFIXES)}")
        if self._waiting >= MAX_WAITING:
            return _refusal(503, "too many networks are waiting; try again in a minute", {"retry-after": "60"})
        self._waiting += 1
        try:
            with tempfile.TemporaryDirectory(prefix="ferviz-studio-") as folder:
                source = Path(folder) / f"network{suffix}"
                async with asyncio.timeout(UPLOAD_SECONDS):
                    with source.open("wb") as file:
                        async for part in _limited(request, MAX_NETWORK):
                            file.write(part)
                async with self._worker:
                    return await _compiled(request, source, Path(folder) / "compiled.ferviz")
        except _TooLargeError:
            return _refusal(413, f"the network has more than {MAX_NETWORK // 1024**2} MiB")
        except TimeoutError:
            return _refusal(408, "the network took too long to arrive")
        finally:
            self._waiting -= 1


async def _compiled(request: Request, source: Path, out: Path) -> Response:
    words = [sys.executable, "-m", "ferviz", "compile", str(source), "--out", str(out), "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    waiting = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(COMPILE_SECONDS):
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.5)
                if not waiting.done() and await request.is_disconnected():
                    return _refusal(499, "the page went away")
    except TimeoutError:
        return _refusal(504, "compiling the network took too long")
    finally:
        if process.returncode is None:
            process.kill()
        await waiting
    _, errors = await waiting
    if process.returncode or not is_file(out):
        text = errors.decode(errors="replace").strip().splitlines()
        reason = text[-1] if text else "the network could not be compiled"
        return _refusal(422, reason.replace(str(source), "the network").removeprefix("ferviz: "))
    return Response(await run_in_threadpool(out.read_bytes), media_type="application/octet-stream")


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The parts of a body, which has to end before `limit` bytes, whatever its header says."""
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > limit:
            raise _TooLargeError
        yield part


def _refusal(status: int, reason: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"error": printable(reason, 400)}, status, headers)
