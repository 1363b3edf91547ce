"""The study "labels" as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferviz.evaluation.plots import name_color
from ferviz.studies.figures.study_axes import face, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ferviz.studies.study import Study

COLUMNS = 8


def figure(study: Study) -> Figure:
    """Return the faces whose labels the network doubts most: the label and what the network says, and the votes where there are some.

    Args:
        study: what is drawn.
    """
    images, records = study.arrays["images"], study.records()
    lines = max(1, -(-len(images) // COLUMNS))
    tall = any(record["votes_majority"] is not None for record in records)  # captions of two lines and more
    drawn, bottom, top = page(study, "the labels that it doubts most", (2.05 if tall else 1.9) * lines + 0.3)
    height = drawn.get_size_inches()[1]
    grid = drawn.add_gridspec(
        lines,
        COLUMNS,
        left=0.015,
        right=0.985,
        top=top - 0.42 / height,
        bottom=bottom + 0.32 / height,
        hspace=0.46 if tall else 0.34,
        wspace=0.06,
    )
    for number, pixels in enumerate(np.asarray(images)):
        record = records[number]
        below = f"row {record['row']}"
        if record["votes_majority"] is not None:
            below += f"\nvotes: {record['votes_majority']}"
        if record["same_picture_other_label"]:
            below += f"\nsame picture: {record['same_picture_other_label']}"
        axes = drawn.add_subplot(grid[number // COLUMNS, number % COLUMNS])
        above = f"labelled {record['label']}\n{record['predicted']} {record['confidence']:.2f}"
        face(axes, pixels, above, below, name_color(str(record["predicted"])))
    return drawn
