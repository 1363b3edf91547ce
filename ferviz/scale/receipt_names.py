"""Names of receipts: each tells a shard and what became of its pictures, so that a listing tells how far a run of a million shards is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ferviz.scale.receipts import Counts

_NAME = r"[0-9]{8,12}(?:-[0-9]{1,12}){4}\.json"
_ONE, _ALL = re.compile(_NAME), re.compile(rf"(?:{_NAME}/)*")


def receipt_name(shard: int, counts: Counts) -> str:
    """Return the file name of a receipt.

    Args:
        shard: the shard's number.
        counts: what became of its pictures.
    """
    return "-".join([f"{shard:08d}", *map(str, counts.values)]) + ".json"


def parse_receipt_names(names: Sequence[str]) -> np.ndarray:
    """Return what the names of receipts tell; others, and those whose counts do not add up, are left out.

    Args:
        names: of files.

    Returns:
        (N, 5) int64: the shard, and its pictures: all, explained, unreadable, failed.
    """
    # All names at once: a million of them, one after the other, take seconds. No name holds a slash.
    text = "".join(f"{name}/" for name in names)
    if not _ALL.fullmatch(text):
        text = "".join(f"{name}/" for name in names if _ONE.fullmatch(name))
    rows = np.fromstring(text.replace("-", " ").replace(".json/", " "), np.int64, sep=" ").reshape(-1, 5)
    return rows[rows[:, 1] == rows[:, 2:].sum(1)]
