"""Matching a data set's classes with a network's: by name, whatever their order and number."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.read import class_index
from ferviz.emotions import FER2013, LabelScheme, canonical, label_scheme
from ferviz.errors import DataError


@dataclass(frozen=True)
class Match:
    """Faces with labels that a network's outputs can be compared with.

    Attributes:
        data: the faces that take part.
        true: (N,) int64, an index into `labels`.
        labels: the classes that are compared.
        columns: (K,) int64, for each output of the network its class in `labels`, or -1; None where outputs and labels are the same.
        notes: what was left out or added up, a sentence each.
    """

    data: Dataset
    true: np.ndarray = field(repr=False)
    labels: tuple[str, ...]
    columns: np.ndarray | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def group(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probabilities of `labels`; those of outputs that belong to the same label are added up.

        Args:
            probabilities: (N, K), of the network's outputs.
        """
        if self.columns is None:
            return probabilities
        out = np.zeros((len(probabilities), len(self.labels)), probabilities.dtype)
        for output, column in enumerate(self.columns):
            if column >= 0:
                out[:, column] += probabilities[:, output]
        return out


def match_labels(data: Dataset, labels: tuple[str, ...]) -> Match:
    """Match a data set's classes with a network's by their names.

    Usually the data set takes the network's classes: faces of a class that the network does not have are left out, and an answer of a
    class without faces is always wrong. Where the data set's scheme is the coarser one (positive and negative, disgust counted as
    anger), the network's outputs are added up instead.

    Args:
        data: the labelled faces.
        labels: the labels of the network's outputs.

    Raises:
        DataError: no class is shared.
    """
    names = tuple(canonical(label) for label in labels)
    if merged := _merged(data.scheme, names):
        columns = class_index(names, data.scheme)
        gone = [n for n, c in zip(names, columns, strict=True) if c < 0]
        note = f"the network's outputs were added up to the data's labels ({', '.join(merged)})"
        notes = [note] + ([f"its outputs {', '.join(gone)} belong to none of them"] if gone else [])
        return Match(data, data.labels, data.names, columns, tuple(notes))
    index = class_index([canonical(n) for n in data.names], label_scheme(names))
    if (index < 0).all():
        raise DataError(
            f"the data's classes ({', '.join(data.names)}) and the network's ({', '.join(labels)}) share no name; "
            "name the network's outputs with --labels"
        )
    true = index[data.labels]
    keep = true >= 0
    notes = []
    if not keep.all():
        counts = data.counts()
        gone = [f"{counts[i]:,} {n}" for i, n in enumerate(data.names) if index[i] < 0 and counts[i]]
        notes.append(f"left out, because the network has no such class: {', '.join(gone)}")
    empty = [labels[k] for k in range(len(labels)) if not (true == k).any()]
    if empty:
        notes.append(f"no faces for the network's {', '.join(empty)}: predictions of them are always wrong here")
    return Match(data if keep.all() else data.take(keep), true[keep], labels, None, tuple(notes))


def _merged(wanted: LabelScheme, names: tuple[str, ...]) -> list[str]:
    """Return "a + b" for classes that are distinct for the network and one for the scheme, or its own name for a renamed group."""
    out = []
    for k, label in enumerate(wanted.labels):
        parts = [e for e, c in zip(FER2013, wanted.from_fer, strict=True) if c == k and e in names]
        if len(parts) > 1 or (parts and label not in names):
            out.append(f"{label} = {' + '.join(parts)}")
    return out
