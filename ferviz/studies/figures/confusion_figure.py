"""The study "confusions" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color, percent
from ferviz.rendering.text import GREY, INK
from ferviz.studies.figures.study_axes import bare, column, face, page, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

ROW = 1.75
"""Inches of a cell of the confusion matrix."""

LEGEND = {"repair": "mistakes repaired", "harm": "right answers harmed"}

REPAIR, HARM = "#3f7f5f", "#b5651d"


def figure(study: Study) -> Figure:
    """Return a row for each cell: typical faces, what each region pushes, and how often hiding it repairs or harms.

    Args:
        study: what is drawn.
    """
    cells, faces, records = study.records("cells"), study.records("faces"), study.records()
    drawn, bottom, top = page(study, "why faces of one class are called another", ROW * max(1, len(cells)) + 0.55)
    if not cells:
        return drawn
    height = drawn.get_size_inches()[1]
    grid = drawn.add_gridspec(
        len(cells), 7, width_ratios=[1, 1, 1, 1, 0.55, 2.4, 2.4], left=0.02, right=0.985, top=top - 0.5 / height,
        bottom=bottom + 0.25 / height, hspace=0.55, wspace=0.1,
    )  # fmt: skip
    ends = (
        np.concatenate([column(records, name) for name in ("difference_low", "difference_high")])
        if records
        else np.zeros(1)
    )
    reach = float(np.nanmax(np.abs(ends), initial=0.5)) * 1.05
    for number, cell in enumerate(cells):
        name = f"{cell['true']} as {cell['predicted']}"
        at = [i for i, record in enumerate(faces) if str(record["role"]).startswith(f"{name}:")]
        for place, i in enumerate(at):
            role = str(faces[i]["role"]).split(": ")[-1].replace("unlike the others", "unlike them")
            axes = drawn.add_subplot(grid[number, place])
            face(
                axes,
                study.arrays["images"][i],
                f"{role} {float(faces[i]['confidence']):.2f}",
                f"row {faces[i]['row']}",
                GREY,
            )
            if not place:
                color = name_color(str(cell["predicted"]))
                axes.text(0, 1.22, _title(cell), transform=axes.transAxes, fontsize=9, color=color, va="bottom")
        rows = [r for r in records if (r["true"], r["predicted"]) == (cell["true"], cell["predicted"])]
        if rows:
            _difference(drawn.add_subplot(grid[number, 5]), rows, reach, number == 0)
            _rates(drawn.add_subplot(grid[number, 6]), rows, number == 0)
        else:
            axes = drawn.add_subplot(grid[number, 5:])
            bare(axes)
            words = (
                f"too few faces measured: {cell['measured']} like this, {cell['right']} of the label predicted right"
            )
            axes.text(0.0, 0.5, text(words), transform=axes.transAxes, fontsize=7.5, color=GREY, va="center")
    return drawn


def _title(cell: dict[str, Any]) -> str:
    votes = cell["votes_agree_with_network"]
    agree = "" if votes is None else f"; votes agree with the network on {percent(float(votes))}"
    faces = "1 face" if cell["cell_faces"] == 1 else f"{cell['cell_faces']:,} faces"
    return f"{text(cell['true'])} called {text(cell['predicted'])}: {faces}{agree}"


def _difference(axes: Any, rows: list[dict[str, Any]], reach: float, first: bool) -> None:
    places = np.arange(len(rows))[::-1]
    values, low, high = (column(rows, name) for name in ("difference", "difference_low", "difference_high"))
    sure = [record["q"] is not None and record["q"] < 0.05 for record in rows]
    axes.barh(places, values, 0.62, color=["#2f5d8a" if known else "#b9cbdc" for known in sure])
    known = np.isfinite(low)
    axes.errorbar(
        values[known], places[known], xerr=np.stack([values - low, high - values])[:, known], fmt="none", ecolor=INK,
        elinewidth=0.8, capsize=1.5,
    )  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=0.7)
    axes.set_xlim(-reach, reach)
    _finish(axes, rows, places)
    if first:
        title = "push to the mistake, in logits, less that on\nrightly predicted faces (dark: q < 0.05)"
        axes.set_title(title, fontsize=7.5, color=GREY, loc="left")


def _rates(axes: Any, rows: list[dict[str, Any]], first: bool) -> None:
    places = np.arange(len(rows))[::-1]
    for name, shift, color in (("repair", 0.2, REPAIR), ("harm", -0.2, HARM)):
        values, low, high = (column(rows, key) * 100 for key in (name, f"{name}_low", f"{name}_high"))
        axes.barh(places + shift, values, 0.36, color=color, label=LEGEND[name])
        axes.errorbar(
            values,
            places + shift,
            xerr=np.maximum(np.stack([values - low, high - values]), 0),
            fmt="none",
            ecolor=INK,
            elinewidth=0.7,
        )
    axes.set_xlim(0, 100)
    _finish(axes, rows, places, names=False)
    if first:
        axes.set_title("hiding the region, % of faces:\n", fontsize=7.5, color=GREY, loc="left")
        axes.legend(
            fontsize=7,
            frameon=False,
            loc="lower right",
            bbox_to_anchor=(1, 1.0),
            ncols=2,
            borderaxespad=0,
            handlelength=1,
        )


def _finish(axes: Any, rows: list[dict[str, Any]], places: np.ndarray, names: bool = True) -> None:
    axes.set_yticks(places, [text(row["region"]) for row in rows] if names else [], fontsize=6.5)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.tick_params(axis="x", labelsize=6.5, colors=GREY)
    axes.spines[["top", "right", "left"]].set_visible(False)
