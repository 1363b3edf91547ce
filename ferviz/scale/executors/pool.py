"""The engine "pool": processes on this machine, each with its own pipe, so that one that dies takes nothing but its shard with it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import IO

from ferviz.sandbox.messages import read_message, write_message
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.executors.registry import processors
from ferviz.scale.planner import Plan
from ferviz.scale.receipts import Receipt

_ROOT = Path(__file__).parents[3]


class Worker:
    """A process that explains one shard after the other.

    Args:
        folder: of the run.
        threads: of the processor that it may use.

    Attributes:
        process: the process.
        shard: the shard that it is at, None while it waits.
    """

    def __init__(self, folder: str, threads: int = 1) -> None:
        limits = {
            name: str(threads) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS") if name not in os.environ
        }
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ferviz.scale.executors.pool_child", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **limits, "PYTHONPATH": path},
            # Ctrl-C is for the process that supervises; the workers end their shard when it closes the pipes.
            start_new_session=os.name == "posix",
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin: IO[bytes] = self.process.stdin
        self.stdout: IO[bytes] = self.process.stdout
        self.shard: Descriptor | None = None

    def send(self, shard: Descriptor, alone: bool = False, careful: bool = False) -> None:
        """Let the process explain a shard.

        Args:
            shard: the shard.
            alone, careful: as of `explain_shard`.
        """
        self.shard = shard
        message = json.dumps({"shard": shard.to_json(), "alone": alone, "careful": careful}).encode()
        with contextlib.suppress(OSError):  # it has died: `receive` tells
            write_message(self._stdin, message)

    def receive(self) -> Receipt:
        """Return the receipt of the shard, waiting for it; "failed" with the reason where the process has ended."""
        assert self.shard is not None
        shard, self.shard = self.shard, None
        try:
            return Receipt.from_json(read_message(self.stdout))
        except (OSError, EOFError, ValueError, TypeError):
            return Receipt(shard.number, "failed", reason=f"its process ended with {self._end()}")

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def close(self, patience: float = 60.0) -> None:
        """End the process once it is through with its shard.

        Args:
            patience: seconds until it is killed.
        """
        for stream in (self._stdin, self.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        try:
            self.process.wait(0 if self.shard else patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _end(self) -> str:
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"signal {-code}"


def map_pool(shards: Iterable[Descriptor], plan: Plan, workers: int) -> Generator[Receipt, None, None]:
    """Explain shards in several processes.

    Args:
        shards: the shards.
        plan: of the run.
        workers: processes.

    Returns:
        Iterator over the receipts, in the order in which the shards end.
    """
    threads = max(1, processors() // workers)
    waiting = iter(shards)
    pool: dict[IO[bytes], Worker] = {}
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        stack.callback(_close, pool)

        def begin(worker: Worker | None) -> bool:
            shard = next(waiting, None)
            if shard is None:
                return False
            if worker is None:
                worker = Worker(plan.folder, threads)
                pool[worker.stdout] = worker
                selector.register(worker.stdout, selectors.EVENT_READ)
            worker.send(shard)
            return True

        while len(pool) < workers and begin(None):
            pass
        while any(worker.shard for worker in pool.values()):
            for key, _ in selector.select():
                worker = pool[key.fileobj]  # type: ignore[index]
                if worker.shard is None:
                    continue
                receipt = worker.receive()
                if worker.ended:
                    selector.unregister(worker.stdout)
                    del pool[worker.stdout]
                    worker.close()
                    begin(None)
                else:
                    begin(worker)
                yield receipt


def _close(pool: dict[IO[bytes], Worker]) -> None:
    for worker in pool.values():
        worker.close()


def explain_alone(shard: Descriptor, plan: Plan, careful: bool = False) -> Receipt:
    """Explain one shard in a process of its own, once more than it may be tried.

    Args:
        shard: the shard.
        plan: of the run.
        careful: as of `explain_shard`.
    """
    worker = Worker(plan.folder, processors())
    try:
        worker.send(shard, alone=True, careful=careful)
        return worker.receive()
    finally:
        worker.close()
