"""The study "compare" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.rendering.text import GREY, INK
from ferviz.studies.figures.study_axes import bare, cells, column, face, page, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study


def figure(study: Study) -> Figure:
    """Return the mean maps and their difference, the regions' differences by label, and faces on which only one is right.

    Args:
        study: what is drawn.
    """
    records, faces = study.records(), study.records("faces")
    classes = list(dict.fromkeys(record["class"] for record in records))
    regions = list(dict.fromkeys(record["region"] for record in records))
    below = 1.0 + 0.27 * len(classes)
    title = f"compared with {text(study.settings['second'])} on the same faces"
    drawn, bottom, top = page(study, title, 2.6 + below + 3.5)
    height = drawn.get_size_inches()[1]
    first, second = top - 2.55 / height, top - (2.65 + below) / height
    _maps(drawn, study, top - 0.35 / height, first)
    axes = drawn.add_axes((0.09, second + 0.5 / height, 0.7, first - second - 0.95 / height))
    values = np.stack([column([r for r in records if r["class"] == name], "difference") for name in classes])
    reach = float(np.nanmax(np.abs(values), initial=0.1))
    cells(
        axes,
        values,
        classes,
        regions,
        reach,
        f"what a region adds to the label, {_less(study)}, log-odds (framed: p < 0.05, Holm)",
    )
    for record in records:
        if record["p_holm"] is not None and record["p_holm"] < 0.05:
            place = (regions.index(record["region"]) - 0.48, classes.index(record["class"]) - 0.46)
            from matplotlib.patches import Rectangle

            axes.add_patch(Rectangle(place, 0.96, 0.92, fill=False, edgecolor=INK, linewidth=1.2))
    _faces(drawn, study, faces, second - 0.15 / height, bottom + 0.2 / height)
    return drawn


def _maps(drawn: Figure, study: Study, top: float, bottom: float) -> None:
    arrays = study.arrays
    grid = drawn.add_gridspec(1, 3, left=0.09, right=0.7, top=top, bottom=bottom, wspace=0.08)
    both = np.stack([arrays["first"], arrays["second"]])
    known = np.isfinite(both).any()
    vmax = float(np.nanpercentile(both, 99.5)) if known else 1.0
    reach = float(np.nanpercentile(np.abs(arrays["difference"]), 99.5)) if known else 1.0
    for number, (name, words) in enumerate(
        (("first", text(study.model)), ("second", text(study.settings["second"])), ("difference", _less(study)))
    ):
        axes = drawn.add_subplot(grid[number])
        limits = (-reach, reach, "RdBu_r") if name == "difference" else (0, vmax, "viridis")
        shown = axes.imshow(arrays[name], cmap=limits[2], vmin=limits[0], vmax=limits[1])
        bare(axes)
        axes.set_title(words, fontsize=8.5, color=INK, loc="left")
        if name == "difference":
            sure = np.nan_to_num(arrays["p"], nan=1.0) < 0.05
            if sure.any():
                axes.contour(sure, levels=[0.5], colors="black", linewidths=0.9)
        if number:
            box = axes.get_position()
            place = 0.72 if number == 1 else 0.79
            bar = drawn.colorbar(shown, cax=drawn.add_axes((place, box.y0 + 0.1 * box.height, 0.009, 0.8 * box.height)))
            bar.set_label("mean map" if number == 1 else "difference (lines: p < 0.05)", fontsize=7, color=GREY)
            bar.ax.tick_params(labelsize=6.5, colors=GREY)
            bar.outline.set_visible(False)


def _less(study: Study) -> str:
    return f"{text(study.model)} less {text(study.settings['second'])}"


def _faces(drawn: Figure, study: Study, faces: list[dict[str, Any]], top: float, bottom: float) -> None:
    roles = {"only the first is right": study.model, "only the second is right": study.settings["second"]}
    images = study.arrays["images"]
    height = drawn.get_size_inches()[1]
    for line, (role, name) in enumerate(roles.items()):
        at = [number for number, record in enumerate(faces) if record["role"] == role]
        if not at:
            continue
        high = top - line * (top - bottom) / 2
        drawn.text(0.02, high - 0.02 / height, f"only {text(name)} is right", fontsize=9, color=GREY, va="top")
        grid = drawn.add_gridspec(
            1,
            8,
            left=0.02,
            right=0.985,
            top=high - 0.4 / height,
            bottom=high - (top - bottom) / 2 + 0.16 / height,
            wspace=0.06,
        )
        for place, number in enumerate(at):
            record = faces[number]
            axes = drawn.add_subplot(grid[place])
            color = name_color(str(record["true"]))
            face(axes, images[number], f"{record['true']} {record['confidence']:.2f}", f"row {record['row']}", color)
