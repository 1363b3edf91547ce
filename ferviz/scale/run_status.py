"""How far a sharded run is, from the names of its receipts alone: from any machine, while it goes on, and for a million shards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.files import PathLike
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.receipts import Counts
from ferviz.scale.run_directory import RunDirectory

_LISTED = 10


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        folder: of the run.
        shards: that were planned.
        done: shards with a receipt.
        counts: what became of their pictures.
        pictures: that were planned, None where that is not known yet.
        tried: {shard: attempts} of those that run now, or whose last attempt failed or ended its process.
        quarantined: {shard: why} of those that were given up.
    """

    folder: str
    shards: int
    done: int
    counts: Counts
    pictures: int | None
    tried: dict[int, int] = field(default_factory=dict)
    quarantined: dict[int, str] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Shards that are neither done nor given up."""
        return self.shards - self.done - len(self.quarantined)

    @property
    def complete(self) -> bool:
        """Whether every shard is done."""
        return self.done == self.shards

    def to_dict(self) -> dict[str, Any]:
        """Return the status as plain data."""
        return {
            "folder": self.folder,
            "shards": self.shards,
            "done": self.done,
            "left": self.left,
            "pictures": self.pictures,
            "input": self.counts.input,
            "explained": self.counts.explained,
            "unreadable": self.counts.unreadable,
            "failed": self.counts.failed,
            "tried": self.tried,
            "quarantined": self.quarantined,
        }

    def text(self) -> str:
        """Return the status as lines to read."""
        total = "" if self.pictures is None else f" of {self.pictures:,}"
        counts, given_up = self.counts, len(self.quarantined)
        became = (
            f"{counts.explained:,} explained, {counts.unreadable:,} unreadable, {counts.failed:,} without an answer"
        )
        lines = [
            f"{self.done:,} of {self.shards:,} shards are done, {self.left:,} are left, {given_up:,} in quarantine",
            f"{counts.input:,}{total} pictures: {became}",
        ]
        if self.tried:
            lines.append(f"tried and not done (they run now, or ended their process): {_listed(self.tried)}")
        lines += [f"quarantined: shard {shard}: {why}" for shard, why in list(self.quarantined.items())[:_LISTED]]
        if len(self.quarantined) > _LISTED:
            lines.append(f"quarantined: {len(self.quarantined) - _LISTED:,} more; --json lists them")
        return "\n".join(lines)


def status(folder: PathLike) -> RunStatus:
    """Return how far a run is.

    Args:
        folder: of the run.

    Raises:
        DataError: it holds no plan.
    """
    planned = load_plan(folder)
    return status_of(planned)


def status_of(plan: Plan) -> RunStatus:
    """Return how far the run of a plan is.

    Args:
        plan: the plan.
    """
    directory = RunDirectory(plan.folder)
    receipts = directory.receipts()
    counts = Counts(*receipts[:, 1:].sum(0).tolist())
    quarantined, tries = directory.quarantined(), directory.tries()
    done = set(
        receipts[np.isin(receipts[:, 0], [*quarantined, *tries]), 0].tolist()
    )  # those of them that are done after all
    quarantined = {shard: why for shard, why in quarantined.items() if shard not in done}
    tried = {shard: len(why) for shard, why in tries.items() if shard not in done and shard not in quarantined}
    return RunStatus(plan.folder, plan.shards, len(receipts), counts, plan.pictures, tried, quarantined)


def _listed(shards: dict[int, int]) -> str:
    more = f" and {len(shards) - _LISTED:,} more" if len(shards) > _LISTED else ""
    return ", ".join(f"shard {shard}" for shard in list(shards)[:_LISTED]) + more
