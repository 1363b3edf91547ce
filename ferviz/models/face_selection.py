"""Choosing faces of a data set by what is known of them, and by what a network says about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.provenance import Provenance
from ferviz.data.where import mask_of, parse_where, prediction_columns
from ferviz.errors import NoFaceError
from ferviz.models.model import Model
from ferviz.tables.selection import Selection, positions

Where: TypeAlias = "str | Selection"
"""What chooses faces: conditions as text, a mask or indices."""


def select_faces(
    model: Model | None,
    data: Dataset,
    where: Where | None,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> Dataset:
    """Return the faces of a data set for which conditions hold, in their order.

    Args:
        model: the network that `predicted`, `confidence` and the like ask; None where the conditions are about the data alone.
        data: the data set.
        where: conditions such as "true=fear predicted=sad confidence>0.6" (see `ferviz.data.where`), a boolean mask, or indices;
            None = all.
        batch_size: faces in one pass.
        progress: takes a phrase where the network is asked about many faces.

    Raises:
        UsageError, UnknownNameError: the conditions are none.
        NoFaceError: no face is left.
    """
    if where is None:
        return data
    if not isinstance(where, str):
        data = data.take(positions(where, len(data)))
    else:
        conditions = parse_where(where)
        known = {"true": None, "row": None, "split": None}
        own = [condition for condition in conditions if condition.name in known]
        asked = [condition for condition in conditions if condition.name not in known]
        data = data.take(mask_of(own, _data_columns(data), data.names)) if own else data
        if asked and len(data):
            if progress:
                progress(f"predicting {len(data):,} faces")
            columns = _data_columns(data) | (_answers(model, data, batch_size) if model is not None else {})
            labels = model.labels if model is not None else ()
            data = data.take(mask_of(asked, columns, labels))
    if not len(data):
        raise NoFaceError(f"no face is left for the condition {str(where)!r:.200}; ask for less")
    return data


def _data_columns(data: Dataset) -> dict[str, np.ndarray]:
    provenance = Provenance.of(data)
    return {"true": np.array(provenance.true), "row": data.rows, "split": np.array(provenance.split)}


def _answers(model: Model, data: Dataset, batch_size: int) -> dict[str, np.ndarray]:
    if data.answers is not None:
        data.answers.check(model.labels, model.sha256, data.source)
        return prediction_columns(data.answers.probabilities, model.labels, Provenance.of(data).true)
    # A part at a time: the faces of a large data set are not all made into objects at once.
    parts = [data.images[start : start + batch_size] for start in range(0, len(data), batch_size)]
    probabilities = np.concatenate([model.probabilities(part, batch_size) for part in parts])
    return prediction_columns(probabilities, model.labels, Provenance.of(data).true)
