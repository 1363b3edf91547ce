"""The placement of a network's boxes: ranks of boxes from top to bottom, connections that pass beside boxes, columns.

The steps are those of Sugiyama's layered drawing: ranks by longest path, a place for every connection in each rank that it passes,
few crossings by the mean of the neighbours' places, then places as near as possible to those of the neighbours. One longest path,
the trunk, runs straight down on the left; branches are to the right of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

THIN = 0.14
"""Width of a passing connection, where a box has 1."""

SWEEPS = 8

Node = str | tuple[str, str, int]  # a box, or a connection (from, to) in the rank that it passes


@dataclass(frozen=True)
class Placement:
    """The places of boxes and connections; the unit across is the width of a box with its margin, down the height of a rank.

    Attributes:
        places: {box: (across, down, column)}.
        lines: one list of (across, down, column) for each connection, from box to box.
        columns: the number of ranks of each column.
        spans: the (left, right) edges of each column.
    """

    places: dict[str, tuple[float, float, int]]
    lines: list[list[tuple[float, float, int]]]
    columns: tuple[int, ...]
    spans: tuple[tuple[float, float], ...]


def place_boxes(
    sources: Mapping[str, Sequence[str]],
    aspect: float = 1.3,
    gutter: float = 0.3,
    pitch: float = 0.26,
    columns: int | None = None,
) -> Placement:
    """Place boxes whose connections form no cycle.

    Args:
        sources: {box: the boxes that are its inputs}, every box after those.
        aspect: the desired width of the drawing by its height; it determines the number of columns.
        gutter: between columns, in widths of a box.
        pitch: height of a rank by the width of a box.
        columns: their number at most; None = by `aspect`.

    References:
        K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system structures (IEEE SMC 1981).
    """
    ranks: dict[str, int] = {}
    for box, inputs in sources.items():
        ranks[box] = 1 + max((ranks[source] for source in inputs), default=-1)
    chains = [_chain(source, box, ranks) for box, inputs in sources.items() for source in inputs]
    rows: list[list[Node]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for box, rank in ranks.items():
        rows[rank].append(box)
    for chain in chains:
        for node in chain[1:-1]:
            assert isinstance(node, tuple)
            rows[node[2]].append(node)
    above: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    below: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
    trunk = _trunk(rows, above)
    rows = _reduce_crossings(rows, above, below, trunk)
    across = _across(rows, above, trunk)
    cuts = _cuts([sum(len(below[node]) for node in row) for row in rows], rows, across, aspect, gutter, pitch, columns)
    return _in_columns(rows, across, chains, ranks, cuts, gutter)


def _chain(upper: str, lower: str, ranks: Mapping[str, int]) -> list[Node]:
    return [upper, *((upper, lower, rank) for rank in range(ranks[upper] + 1, ranks[lower])), lower]


def _trunk(rows: list[list[Node]], above: Mapping[Node, list[Node]]) -> set[Node]:
    """Return one box of each rank, connected from the first to the last."""
    node = rows[-1][0]
    trunk = {node}
    while above[node]:
        node = next(upper for upper in above[node] if not isinstance(upper, tuple))  # exists: ranks are longest paths
        trunk.add(node)
    return trunk


def _reduce_crossings(
    rows: list[list[Node]], above: Mapping[Node, list[Node]], below: Mapping[Node, list[Node]], trunk: set[Node]
) -> list[list[Node]]:
    """Return the rows, each sorted by the mean place of its nodes' neighbours, the trunk first."""
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        neighbours, order = (above, range(1, len(rows))) if sweep % 2 == 0 else (below, range(len(rows) - 2, -1, -1))
        for rank in order:
            places = {node: place for row in rows for place, node in enumerate(row)}
            near = {node: [places[n] for n in neighbours[node]] or [places[node]] for node in rows[rank]}
            # Passing connections are placed to the right of boxes with the same mean.
            rows[rank].sort(key=lambda node: (node not in trunk, float(np.mean(near[node])), isinstance(node, tuple)))
    return rows


def _across(rows: list[list[Node]], above: Mapping[Node, list[Node]], trunk: set[Node]) -> dict[Node, float]:
    """Return the place of every node: the trunk at 0, the others straight below their inputs, or as near as the row allows."""
    across: dict[Node, float] = {}
    for row in rows:
        ideal = [float(np.mean([across[upper] for upper in above[node]] or [0.0])) for node in row]
        weights = [1e9 if node in trunk else 1.0 for node in row]
        ideal = [0.0 if node in trunk else place for node, place in zip(row, ideal, strict=True)]
        half = [(THIN if isinstance(node, tuple) else 1.0) / 2 for node in row]
        across.update(zip(row, _separate(ideal, weights, half), strict=True))
    return across


def _separate(ideal: Sequence[float], weights: Sequence[float], half: Sequence[float]) -> list[float]:
    """Return the places nearest to the ideal ones at which neighbours do not overlap (isotonic regression)."""
    offsets = np.concatenate([[0.0], np.cumsum([a + b for a, b in itertools.pairwise(half)])])
    groups: list[list[float]] = []  # [mean, weight, number of places]
    for place, weight in zip(np.asarray(ideal) - offsets, weights, strict=True):
        groups.append([float(place), weight, 1])
        while len(groups) > 1 and groups[-2][0] >= groups[-1][0]:
            mean, mass, count = groups.pop()
            total = groups[-1][1] + mass
            groups[-1] = [(groups[-1][0] * groups[-1][1] + mean * mass) / total, total, groups[-1][2] + count]
    flat = [mean for mean, _, count in groups for _ in range(int(count))]
    return [float(separated) for separated in np.asarray(flat) + offsets]


def _cuts(
    crossing: Sequence[int],
    rows: list[list[Node]],
    across: Mapping[Node, float],
    aspect: float,
    gutter: float,
    pitch: float,
    columns: int | None,
) -> list[int]:
    """Return the last rank of each column; `crossing` counts the connections that leave each rank downwards."""
    count = len(rows)
    places = list(across.values())
    width = max(places) - min(places) + 1 + gutter
    best = min(columns or count, count)
    if columns is None:
        best = min(
            range(1, count + 1), key=lambda n: abs(math.log(n * width / (math.ceil(count / n) * pitch * aspect)))
        )
    cuts: list[int] = []
    for column in range(best - 1):
        # The column ends where the fewest connections cross into the next, near its share of the height.
        start = cuts[-1] + 1 if cuts else 0
        room = math.ceil((count - start) / (best - column))
        full = start + room - 1
        spare = math.floor(room * 0.25)
        ends = range(max(start, full - spare), min(full + spare, count - best + column) + 1)
        if ends:
            cuts.append(min(ends, key=lambda rank: (crossing[rank], abs(rank - full))))
    return [*cuts, count - 1]


def _in_columns(
    rows: list[list[Node]],
    across: Mapping[Node, float],
    chains: list[list[Node]],
    ranks: Mapping[str, int],
    cuts: list[int],
    gutter: float,
) -> Placement:
    starts = [0, *(cut + 1 for cut in cuts)]
    spans, column_of, shift = [], {}, []
    left = 0.0
    for column, cut in enumerate(cuts):
        inside = [node for row in rows[starts[column] : cut + 1] for node in row]
        low = min(across[n] - (THIN if isinstance(n, tuple) else 1) / 2 for n in inside)
        high = max(across[n] + (THIN if isinstance(n, tuple) else 1) / 2 for n in inside)
        spans.append((left, left + high - low))
        shift.append(left - low)
        left += high - low + gutter
        column_of.update(dict.fromkeys(range(starts[column], cut + 1), column))

    def place(node: Node) -> tuple[float, float, int]:
        rank = node[2] if isinstance(node, tuple) else ranks[node]
        column = column_of[rank]
        return across[node] + shift[column], float(rank - starts[column]), column

    heights = tuple(cut + 1 - start for start, cut in zip(starts, cuts, strict=False))
    return Placement(
        {box: place(box) for box in ranks}, [[place(n) for n in chain] for chain in chains], heights, tuple(spans)
    )
