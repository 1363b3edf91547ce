"""The engine "inline": this process."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from ferviz.scale.descriptors import Descriptor
from ferviz.scale.planner import Plan
from ferviz.scale.receipts import Receipt
from ferviz.scale.shard_job import explain_shard


def map_inline(shards: Iterable[Descriptor], plan: Plan, workers: int = 1) -> Generator[Receipt, None, None]:
    """Explain one shard after the other.

    Args:
        shards: the shards.
        plan: of the run.
        workers: 1.

    Returns:
        Iterator over the receipts.
    """
    for shard in shards:
        yield explain_shard(shard, plan)
