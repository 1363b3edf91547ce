"""Label orders: the usual ones, and the order that the network's answers themselves suggest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferviz.emotions import FER2013, FERPLUS, canonical
from ferviz.evaluation.metrics import confusion

INFERRED = "inferred"
"""The name of an order that was inferred from the answers by assignment."""

_SEVEN = tuple(n for n in FERPLUS if n != "contempt")
_SIX = tuple(n for n in FER2013 if n != "disgust")
_EIGHT = (*FER2013, "contempt")
KNOWN: dict[int, dict[str, tuple[str, ...]]] = {
    7: {"csv": FER2013, "alphabetical": tuple(sorted(FER2013)), "FERPlus": _SEVEN},
    6: {
        "csv without disgust": _SIX,
        "alphabetical without disgust": tuple(sorted(_SIX)),
        "without neutral": FER2013[:6],
    },
    8: {"FERPlus": FERPLUS, "alphabetical": tuple(sorted(_EIGHT)), "csv and contempt": _EIGHT},
    2: {"negative, positive": ("negative", "positive"), "positive, negative": ("positive", "negative")},
}
"""Number of outputs -> the orders that networks are usually trained with. Six by dropping and by merging disgust have the same names."""

SUBSETS = {
    "happy, sad and neutral": {"happy", "sad", "neutral"},
    "negative": {"angry", "disgust", "fear", "sad"},
    "without disgust, fear, surprise": {"angry", "happy", "sad", "neutral"},
    "without disgust and fear": {"angry", "happy", "sad", "surprise", "neutral"},
    "without disgust and neutral": {"angry", "fear", "happy", "sad", "surprise"},
    "negative and neutral": {"angry", "disgust", "fear", "sad", "neutral"},
}
"""Subsets of the seven classes that smaller networks are usually trained on."""

for _name, _classes in SUBSETS.items():
    _csv = tuple(n for n in FER2013 if n in _classes)
    _orders = KNOWN.setdefault(len(_csv), {})
    _orders[f"csv, {_name}"] = _csv
    if tuple(sorted(_csv)) != _csv:
        _orders[f"alphabetical, {_name}"] = tuple(sorted(_csv))


@dataclass(frozen=True)
class LabelOrder:
    """The meaning of a network's outputs.

    Attributes:
        name: of the order.
        labels: the K class names; "" for an output that fits no class of the data.
        silent: classes that belong to the order although the network never predicts them, so that their faces count (as wrong).
    """

    name: str
    labels: tuple[str, ...]
    silent: tuple[str, ...] = ()


def known_orders(current: tuple[str, ...], classes: tuple[str, ...]) -> list[LabelOrder]:
    """Return the known orders with as many outputs, the network's own first, as far as the data has two of their classes.

    Args:
        current: the K labels that the network has now.
        classes: the data's classes.
    """
    known = KNOWN.get(len(current), {})
    own = tuple(canonical(n) for n in current)
    name = next((n for n, labels in known.items() if labels == own), "as now")
    out = {own: LabelOrder(name, own)}
    for n, labels in known.items():
        out.setdefault(labels, LabelOrder(n, labels))
    return [o for o in out.values() if len(set(o.labels) & set(classes)) >= 2]


def class_sets(current: tuple[str, ...], classes: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the sets of classes, in the data's order, that a network with fewer outputs than the data has classes may have.

    Args:
        current, classes: as for `known_orders`. The network's own labels come first, then those of the known orders.
    """
    named = [o.labels for o in known_orders(current, classes)]
    if len(current) >= len(classes):
        return []
    sets = [tuple(n for n in classes if n in labels) for labels in named]
    return list(dict.fromkeys(s for s in sets if len(s) == len(current)))


def true_outputs(labels: np.ndarray, classes: tuple[str, ...], order: LabelOrder) -> np.ndarray:
    """Return for each face the output of its class, (N,) int64; -1 where the order has no such class, -2 for a silent one.

    Args:
        labels: (N,) indices into `classes`.
        classes: the data's classes.
        order: the meaning of the outputs.
    """
    place = dict.fromkeys(order.silent, -2) | {name: k for k, name in enumerate(order.labels) if name}
    return np.array([place.get(c, -1) for c in classes], np.int64)[labels]


def assign(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...], outputs: int, among: tuple[str, ...] = ()
) -> LabelOrder:
    """Return the order under which the network's answers are right most often, by optimal assignment.

    With fewer outputs than classes it is not the faces that are added up but adjusted residuals, the distance of each (class, output)
    count from chance in standard errors: rare classes are neither passed over for being rare, nor chosen because of a few faces.

    Args:
        labels: (N,) indices into `classes`.
        predicted: (N,) the outputs with the highest logit, 0 to `outputs` - 1.
        classes: the data's classes.
        outputs: how many outputs the network has.
        among: the classes that the outputs may mean, () for all.

    References:
        H. W. Kuhn, "The Hungarian method for the assignment problem", 1955.
        S. J. Haberman, "The analysis of residuals in cross-classified tables", 1973.
    """
    from scipy.optimize import linear_sum_assignment

    table = confusion(labels, predicted, max(len(classes), outputs))[: len(classes), :outputs].astype(float)
    if among:
        table, classes = table[[classes.index(name) for name in among]], among
    score = table
    if outputs < len(classes):
        total = max(table.sum(), 1)
        faces, answers = table.sum(axis=1, keepdims=True) / total, table.sum(axis=0) / total
        expected = total * faces * answers
        score = (table - expected) / np.sqrt(np.maximum(expected * (1 - faces) * (1 - answers), 1e-9))
    rows, columns = linear_sum_assignment(score, maximize=True)
    names = [""] * outputs
    silent = []
    for row, column in zip(rows, columns, strict=True):
        if table[row, column] > 0:
            names[column] = classes[row]
        else:  # an output that is never predicted means nothing, but its class belongs to the order
            silent.append(classes[row])
    if among and len(silent) == names.count("") == 1:  # the last output can only mean the last class
        names[names.index("")] = silent.pop()
    if names.count("") == 1 and outputs == len(classes) + 1 and "contempt" not in classes:
        names[names.index("")] = "contempt"
    return LabelOrder(INFERRED, tuple(names), tuple(silent))


def cross_fitted(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...], outputs: int, among: tuple[str, ...] = ()
) -> np.ndarray:
    """Return which answers are right under an order that was inferred from the other half of the faces, (N,) bool.

    An order that is measured on the same faces that it was inferred from looks better than it is.

    Args:
        labels, predicted, classes, outputs, among: as for `assign`.
    """
    half = np.arange(len(labels)) % 2 == 0
    correct = np.zeros(len(labels), bool)
    for here in (half, ~half):
        order = assign(labels[~here], predicted[~here], classes, outputs, among)
        correct[here] = true_outputs(labels[here], classes, order) == predicted[here]
    return correct
