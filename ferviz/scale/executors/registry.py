"""The engines that schedule shards, and which one `auto` takes."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

from ferviz.errors import UsageError
from ferviz.printable import printable
from ferviz.registry import Registry
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.planner import Plan
from ferviz.scale.receipts import Receipt

AUTO = "auto"

PAYS = 20.0
"""Seconds of work in one process from which other processes save more than their start costs."""


class MapShards(Protocol):
    """An engine: it lets processes explain shards.

    It is called with the shards, the plan and the number of workers, and yields one receipt a shard in the order in which they
    end; a shard whose process ended without one gets a receipt with the status "failed". The descriptors are taken one after the
    other, never all at once.
    """

    def __call__(self, shards: Iterable[Descriptor], plan: Plan, workers: int) -> Generator[Receipt, None, None]: ...


EXECUTORS: Registry[MapShards] = Registry("engine", "ferviz.scale_engines")
EXECUTORS.add("inline", "this process, one shard after the other", "ferviz.scale.executors.inline:map_inline")
EXECUTORS.add("pool", "processes on this machine; one that dies is replaced", "ferviz.scale.executors.pool:map_pool")
EXECUTORS.add("ray", "Ray Data, on this machine or a cluster", "ferviz.scale.executors.ray_data:map_ray")
EXECUTORS.add("dask", "Dask, on this machine or a cluster", "ferviz.scale.executors.dask_futures:map_dask")


@contextlib.contextmanager
def starting(engine: str) -> Iterator[None]:
    """Turn whatever keeps an engine from starting its workers into one sentence.

    Args:
        engine: its name.

    Raises:
        UsageError: it did not start.
    """
    try:
        yield
    except Exception as error:  # Ray raises Exception itself
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise UsageError(
            f"the engine {engine} did not start ({type(error).__name__}: {printable(reason)}); try again, or take another engine"
        ) from error


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def choose_executor(engine: str, workers: int | None, seconds: float | None) -> tuple[str, int, str]:
    """Return the engine, its workers, and one sentence that says why.

    Args:
        engine: a name of EXECUTORS, or "auto".
        workers: processes, None = as many as there are processors.
        seconds: what the work takes in one process, as far as the plan tells; None = unknown, because the pictures are not counted yet.

    Raises:
        UnknownNameError: there is no such engine.
        UsageError: several workers for an engine that has one.
    """
    count = workers or processors()
    if engine != AUTO:
        EXECUTORS.entry(engine)
        if engine == "inline" and (workers or 1) > 1:
            raise UsageError("the engine inline is one process; leave --workers out, or take --engine pool")
        return engine, 1 if engine == "inline" else count, "as asked"
    if os.environ.get("RAY_ADDRESS") and importlib.util.find_spec("ray"):
        return "ray", count, "RAY_ADDRESS names a cluster"
    if workers is not None:
        return ("pool" if workers > 1 else "inline"), workers, f"for {workers} worker{'s' * (workers > 1)}"
    if seconds is not None and seconds < PAYS:
        return "inline", 1, f"about {seconds:.0f} s of work, and other processes pay from {PAYS:.0f} s on"
    if count == 1:
        return "inline", 1, "this machine has one processor for it"
    work = "work of unknown size" if seconds is None else f"about {seconds:,.0f} s of work"
    return "pool", count, f"{work} for {count} processors"
