"""Networks that were dropped on the page: compiled in a process of their own, and kept while the studio runs."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from ferviz.paths import is_file

MAX_NETWORK = 512 * 1024**2
"""Bytes of a network that is dropped on the page."""

UPLOAD_SECONDS = 60.0
"""A request has to be here after so long, however slowly it drips."""

COMPILE_SECONDS = 600.0
"""A network that takes longer to compile is given up."""

MEMORY = 16 * 1024**3
"""Bytes of address space of the process that compiles."""

SUFFIXES = (".h5", ".hdf5", ".keras", ".ferviz", ".pt2", ".onnx", ".tflite")
"""Files of networks that the page sends here; PyTorch's .pth has no graph, and is compiled on the command line with --architecture."""

MAX_WAITING, MAX_KEPT = 4, 8


class TooLargeError(Exception):
    """A body has more bytes than it may have."""


class RefusedError(Exception):
    """A network that cannot be taken.

    Args:
        status: of the answer.
        reason: a sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class NetworkStore:
    """Compiled networks in a folder that goes with the studio."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ferviz-studio-")
        self._kept: dict[str, Path] = {}
        self._worker = asyncio.Lock()
        self._waiting = 0

    def find(self, name: str) -> Path | None:
        """Return the file of a network.

        Args:
            name: what `add` returned.
        """
        return self._kept.get(name)

    def close(self) -> None:
        """Delete the networks."""
        self._folder.cleanup()

    async def add(
        self, name: str, body: AsyncIterator[bytes], is_gone: Callable[[], Awaitable[bool]]
    ) -> tuple[str, bytes]:
        """Compile a network, one at a time, in a process that ends when the page goes away.

        Args:
            name: of its file.
            body: the file.
            is_gone: whether the page went away.

        Returns:
            The name under which it is kept, and the bytes of the compiled file.

        Raises:
            RefusedError: it is no network, too many wait, or it cannot be compiled.
            TooLargeError: it is too large.
            TimeoutError: it took too long to arrive.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise RefusedError(415, f"a network's file ends with one of {', '.join(SUFFIXES)}")
        if self._waiting >= MAX_WAITING:
            raise RefusedError(503, "too many networks are waiting; try again in a minute")
        self._waiting += 1
        try:
            with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
                source, out = Path(folder) / f"network{suffix}", Path(folder) / "compiled.ferviz"
                async with asyncio.timeout(UPLOAD_SECONDS):
                    with source.open("wb") as file:
                        async for part in limited(body, MAX_NETWORK):
                            file.write(part)
                async with self._worker:
                    await _compile(source, out, is_gone)
                content = await asyncio.to_thread(out.read_bytes)
                key = hashlib.sha256(content).hexdigest()[:16]
                if key not in self._kept:
                    while len(self._kept) >= MAX_KEPT:
                        self._kept.pop(next(iter(self._kept))).unlink(missing_ok=True)
                    self._kept[key] = out.rename(Path(self._folder.name) / f"{key}.ferviz")
                return key, content
        finally:
            self._waiting -= 1


async def _compile(source: Path, out: Path, is_gone: Callable[[], Awaitable[bool]]) -> None:
    words = [sys.executable, "-c", _LIMITED, "compile", str(source), "--out", str(out), "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    waiting = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(COMPILE_SECONDS):
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.5)
                if not waiting.done() and await is_gone():
                    raise RefusedError(499, "the page went away")
    except TimeoutError:
        raise RefusedError(504, "compiling the network took too long") from None
    finally:
        if process.returncode is None:
            process.kill()
        await waiting
    _, errors = await waiting
    if process.returncode or not is_file(out):
        text = errors.decode(errors="replace").strip().splitlines()
        reason = text[-1] if text else "the network could not be compiled"
        raise RefusedError(
            422, reason.replace(str(source), "the network").replace(f" ({source.stem})", "").removeprefix("ferviz: ")
        )


_LIMITED = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
except (ImportError, ValueError, OSError):  # Windows has no such limits, macOS not this one
    pass
from ferviz.cli import run
sys.exit(run(sys.argv[1:]))
"""


async def limited(body: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """The parts of a body, which has to end before a limit, whatever its header says.

    Args:
        body: the parts.
        limit: in bytes.

    Raises:
        TooLargeError: it goes on beyond.
    """
    total = 0
    async for part in body:
        total += len(part)
        if total > limit:
            raise TooLargeError
        yield part
