"""The engine "ray": Ray Data gets descriptors, not pixels, and an actor a worker, each with the network loaded once."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ferviz.errors import UsageError
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.executors.registry import starting
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.receipts import Receipt
from ferviz.scale.shard_job import explain_shard

WINDOW = 2000
"""Shards that Ray gets at once; each is a block of its own."""

_STORE = 128 * 1024**2  # bytes of shared memory: descriptors and receipts are all that goes through it


class ShardActor:
    """What Ray runs in each worker.

    Args:
        folder: of the run, which every machine sees under the same path.
    """

    def __init__(self, folder: str) -> None:
        self.plan = load_plan(folder)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Explain the shards of a batch.

        Args:
            batch: {"shard": descriptors as JSON}.

        Returns:
            {"receipt": receipts as JSON}.
        """
        shards = [Descriptor.from_json(str(line)) for line in batch["shard"]]
        return {"receipt": [explain_shard(shard, self.plan).to_json() for shard in shards]}


def map_ray(shards: Iterable[Descriptor], plan: Plan, workers: int) -> Generator[Receipt, None, None]:
    """Explain shards with Ray Data: on the cluster that RAY_ADDRESS names, that is connected already, or else on this machine.

    A shard that ends its process is tried again by Ray until the notes of its attempts say that it is enough. What Ray cannot go on
    with leaves shards without a receipt, which the next round takes.

    Args:
        shards: the shards.
        plan: of the run.
        workers: actors.

    Returns:
        Iterator over the receipts, in the order in which the shards end.

    Raises:
        UsageError: Ray is not installed.
    """
    # Ray reads it when it is imported; whoever wants to send statistics sets it to 1.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("the engine ray takes Ray: pip install 'ferviz[ray]'") from error
    with _cluster(ray, workers):
        waiting = iter(shards)
        while window := list(itertools.islice(waiting, WINDOW)):
            yield from _window(ray, window, plan, workers)


def _window(ray: Any, window: list[Descriptor], plan: Plan, workers: int) -> Iterator[Receipt]:
    rows = [{"shard": shard.to_json()} for shard in window]
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers, len(window)))
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        ShardActor, fn_constructor_args=(plan.folder,), batch_size=1, compute=pool, num_cpus=1
    )
    missing = {shard.number for shard in window}
    try:
        for row in dataset.iter_rows():
            receipt = Receipt.from_json(row["receipt"])
            missing.discard(receipt.shard)
            yield receipt
    except ray.exceptions.RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
        for number in sorted(missing):
            yield Receipt(number, "failed", reason=f"Ray gave up: {reason}")


@contextlib.contextmanager
def _cluster(ray: Any, workers: int) -> Iterator[None]:
    """Use the cluster that is there, or one of this machine's own for the time of the block."""
    if ray.is_initialized():
        yield
        return
    context = ray.data.DataContext.get_current()
    bars, log = context.enable_progress_bars, logging.getLogger("ray.data")
    level, folder = log.level, ""
    try:
        with starting("ray"):
            if os.environ.get("RAY_ADDRESS"):
                ray.init(logging_level=logging.ERROR)
            else:
                # Sockets' paths are short: a deep TMPDIR would not do.
                folder = tempfile.mkdtemp(prefix="ferviz-ray-", dir="/tmp" if os.name == "posix" else None)
                ray.init(
                    num_cpus=workers, include_dashboard=False, object_store_memory=_STORE, _temp_dir=folder,
                    logging_level=logging.ERROR, log_to_driver=False,
                )  # fmt: skip
        context.enable_progress_bars = False
        log.setLevel(logging.ERROR)  # it tells of every dataset that it begins
        yield
    finally:
        context.enable_progress_bars = bars
        log.setLevel(level)
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)  # logs and sockets of the session
