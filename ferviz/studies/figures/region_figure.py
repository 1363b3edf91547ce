"""The study "regions" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.rendering.text import GREY, INK
from ferviz.studies.figures.study_axes import cells, column, page, text
from ferviz.studies.region_expectation import LEAST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

COLUMNS = 4
"""Panels side by side."""


def figure(study: Study) -> Figure:
    """Return a panel for each class with its regions' Shapley values, and below the heatmaps' enrichment beside the AU codebook.

    Args:
        study: what is drawn.
    """
    records = study.records()
    classes = list(dict.fromkeys(record["class"] for record in records))
    lines = -(-len(classes) // COLUMNS)
    below = 0.75 + 0.26 * len(classes)
    drawn, bottom, top = page(study, "which part of the face speaks for each class", 2.25 * lines + below + 0.9)
    height = drawn.get_size_inches()[1]
    split = bottom + (below + 0.2) / height
    grid = drawn.add_gridspec(
        lines,
        COLUMNS,
        left=0.09,
        right=0.985,
        top=top - 0.22 / height,
        bottom=split + 0.55 / height,
        wspace=0.08,
        hspace=0.42,
    )
    reach = _reach(records)
    for number, label in enumerate(classes):
        axes = drawn.add_subplot(grid[number // COLUMNS, number % COLUMNS])
        _panel(axes, [r for r in records if r["class"] == label], label, reach, number % COLUMNS == 0)
        if number + COLUMNS >= len(classes):
            axes.set_xlabel("log-odds of the class", fontsize=7, color=GREY, labelpad=2)
    places = {"left": 0.09, "right": 0.985, "top": split - 0.1 / height, "bottom": bottom + 0.55 / height}
    tables = drawn.add_gridspec(1, 2, wspace=0.16, **places)
    regions = list(dict.fromkeys(record["region"] for record in records))
    by_class = [[r for r in records if r["class"] == label] for label in classes]
    enrichment = np.stack([column(rows, "enrichment") for rows in by_class])
    title = f"heatmaps ({study.settings['method']}): log2 of a region's share over its area"
    cells(drawn.add_subplot(tables[0]), enrichment, classes, regions, 3, title)
    expected = np.stack([column(rows, "expected") for rows in by_class])
    cells(
        drawn.add_subplot(tables[1]),
        expected,
        classes,
        regions,
        1,
        "what the AU codebooks expect (share of action units)",
        "{:.2f}",
    )
    return drawn


def _reach(records: list[dict[str, Any]]) -> tuple[float, float]:
    ends = np.concatenate([column(records, name) for name in ("low", "high", "shapley", "spec_low", "spec_high")])
    ends = ends[np.isfinite(ends)]
    return (min(float(ends.min()), 0) - 0.15, float(ends.max()) * 1.05 + 0.1) if len(ends) else (-1, 1)


def _panel(axes: Any, rows: list[dict[str, Any]], label: str, reach: tuple[float, float], first: bool) -> None:
    places = np.arange(len(rows))[::-1].astype(float)
    values, color = column(rows, "shapley"), name_color(label)
    values = np.nan_to_num(values)
    alphas = [0.9 if row["robust"] is not False else 0.35 for row in rows]
    for place, value, alpha in zip(places, values, alphas, strict=True):
        axes.barh(place, value, 0.62, color=color, alpha=alpha)
    low, high = column(rows, "low"), column(rows, "high")
    known = np.isfinite(low)
    axes.errorbar(
        values[known], places[known], xerr=np.maximum(np.stack([values - low, high - values])[:, known], 0), fmt="none",
        ecolor=INK, elinewidth=0.9, capsize=2,
    )  # fmt: skip
    axes.hlines(places - 0.4, column(rows, "spec_low"), column(rows, "spec_high"), color=GREY, linewidth=1.6, alpha=0.7)
    axes.axvline(0, color=GREY, linewidth=0.7)
    names = [f"{text(row['region'])}{' *' if (row['expected'] or 0) >= LEAST else ''}" for row in rows]
    axes.set_yticks(places, names if first else [" *" if name.endswith("*") else "" for name in names], fontsize=7.5)
    axes.set_xlim(*reach)
    axes.tick_params(axis="x", labelsize=7, colors=GREY)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.axhline(0.5, color="#dde1e5", linewidth=0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    count = rows[0]["faces"]
    word = f"{text(label)}, {count} face{'' if count == 1 else 's'}" if count else f"{text(label)}: no faces"
    axes.set_title(
        word if not count or known.any() else f"{word}: too few for an interval", fontsize=9, color=color, loc="left"
    )
