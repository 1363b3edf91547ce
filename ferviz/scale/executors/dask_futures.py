"""The engine "dask": a future for each shard, with few of them at once, on this machine or on a cluster such as SLURM's."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ferviz.errors import UsageError
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.executors.registry import starting
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.receipts import Receipt
from ferviz.scale.shard_job import explain_shard

ADDRESS = "DASK_SCHEDULER_ADDRESS"
"""The environment variable that names the scheduler of a cluster."""

_AHEAD = 3  # shards of each worker that are under way


def map_dask(shards: Iterable[Descriptor], plan: Plan, workers: int) -> Generator[Receipt, None, None]:
    """Explain shards with Dask: on the cluster of the current client or of DASK_SCHEDULER_ADDRESS, else on this machine.

    Dask charges a worker's death to every shard that the worker had, also to those that waited there; they get receipts with
    the status "failed", and the next round takes them.

    Args:
        shards: the shards.
        plan: of the run.
        workers: processes on this machine; of a cluster, all are used.

    Returns:
        Iterator over the receipts, in the order in which the shards end.

    Raises:
        UsageError: Dask is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError("the engine dask takes Dask: pip install 'ferviz[dask]'") from error
    waiting = iter(shards)
    with _client(distributed, workers) as client:
        numbers: dict[str, int] = {}

        def submit() -> Iterator[Any]:
            # Counted anew each time: the workers of a queue come one after the other, and go.
            ahead = _AHEAD * max(workers, len(client.nthreads()))
            for shard in itertools.islice(waiting, max(0, ahead - len(numbers))):
                future = client.submit(explain_here, shard.to_json(), plan.folder, pure=False)
                numbers[future.key] = shard.number
                yield future

        futures = distributed.as_completed(list(submit()), loop=client.loop)
        for future in futures:
            number = numbers.pop(future.key)
            if future.status == "finished":
                receipt = Receipt.from_json(future.result())
            else:
                cause = future.exception()
                reason = f"Dask gave up: {type(cause).__name__}: {str(cause)[:200]}"
                receipt = Receipt(number, "failed", reason=reason)
            future.release()
            futures.update(list(submit()))
            yield receipt


def explain_here(line: str, folder: str) -> str:
    """Explain a shard in the worker that this is called in.

    Args:
        line: the descriptor as JSON.
        folder: of the run, which every machine sees under the same path.

    Returns:
        The receipt as JSON.
    """
    return explain_shard(Descriptor.from_json(line), load_plan(folder)).to_json()


@contextlib.contextmanager
def _client(distributed: Any, workers: int) -> Iterator[Any]:
    try:
        current = distributed.get_client()
    except ValueError:  # there is none
        current = None
    if current is not None:
        yield current
        return
    import dask

    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.worker.daemon": True}
    with contextlib.ExitStack() as stack:
        with starting("dask"):
            address = os.environ.get(ADDRESS)
            if not address:
                stack.enter_context(dask.config.set(settings))
                address = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        host="127.0.0.1",
                        dashboard_address=None,
                        memory_limit=0,
                        silence_logs=50,
                    )
                )
            client = stack.enter_context(distributed.Client(address, set_as_default=False))
        yield client
