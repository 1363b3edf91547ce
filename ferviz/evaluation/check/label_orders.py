"""Label orders: the usual ones, and the one that the answers themselves suggest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferviz.emotions import FER2013, FERPLUS, canonical
from ferviz.evaluation.metrics import confusion

FOUND = "found"
"""The name of an order that was found by assignment instead of being known."""

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
"""Number of outputs -> the orders that people train networks with. Six by dropping and by merging disgust have the same names."""

SUBSETS = {
    "happy, sad and neutral": {"happy", "sad", "neutral"},
    "negative": {"angry", "disgust", "fear", "sad"},
    "without disgust, fear, surprise": {"angry", "happy", "sad", "neutral"},
    "without disgust and fear": {"angry", "happy", "sad", "surprise", "neutral"},
    "without disgust and neutral": {"angry", "fear", "happy", "sad", "surprise"},
    "negative and neutral": {"angry", "disgust", "fear", "sad", "neutral"},
}
"""Parts of the seven that people train smaller networks on."""

for _name, _classes in SUBSETS.items():
    _csv = tuple(n for n in FER2013 if n in _classes)
    _orders = KNOWN.setdefault(len(_csv), {})
    _orders[f"csv, {_name}"] = _csv
    if tuple(sorted(_csv)) != _csv:
        _orders[f"alphabetical, {_name}"] = tuple(sorted(_csv))


@dataclass(frozen=True)
class LabelOrder:
    """What the outputs mean. name: of the order. labels: (K,) class names; "" for an output that no class of the data fits. silent: classes
    that belong to the order although no output ever answers with them, so that their faces count (as wrong)."""

    name: str
    labels: tuple[str, ...]
    silent: tuple[str, ...] = ()


def orders(current: tuple[str, ...], classes: tuple[str, ...]) -> list[LabelOrder]:
    """Return the known orders for a network with these labels now, its own first, as far as the data has two of their classes.

    current: the K labels that the network has now. classes: the data's.
    """
    known = KNOWN.get(len(current), {})
    own = tuple(canonical(n) for n in current)
    name = next((n for n, labels in known.items() if labels == own), "as now")
    out = {own: LabelOrder(name, own)}
    for n, labels in known.items():
        out.setdefault(labels, LabelOrder(n, labels))
    return [o for o in out.values() if len(set(o.labels) & set(classes)) >= 2]


def sets(current: tuple[str, ...], classes: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the sets of classes, in the data's order, that a network with fewer outputs than the data has classes may know.

    current, classes: as for `orders`. The network's own labels first, then those of the known orders with as many outputs.
    """
    named = [o.labels for o in orders(current, classes)]
    if len(current) >= len(classes):
        return []
    found = [tuple(n for n in classes if n in labels) for labels in named]
    return list(dict.fromkeys(f for f in found if len(f) == len(current)))


def truth(labels: np.ndarray, classes: tuple[str, ...], order: LabelOrder) -> np.ndarray:
    """Return (N,) int64: for each face the output that should say it, -1 where the order has no such class, -2 for a silent one.

    labels: (N,) indices into `classes`.
    """
    place = dict.fromkeys(order.silent, -2) | {name: k for k, name in enumerate(order.labels) if name}
    return np.array([place.get(c, -1) for c in classes], np.int64)[labels]


def assign(
    labels: np.ndarray, said: np.ndarray, classes: tuple[str, ...], outputs: int, among: tuple[str, ...] = ()
) -> LabelOrder:
    """Return the order under which the network's answers are right most often, by optimal assignment (H. W. Kuhn, 1955).

    labels: (N,) indices into `classes`. said: (N,) the outputs that answered highest, 0 to `outputs` - 1. among: the classes that the
    outputs may stand for, () = all.
    With fewer outputs than classes it is not faces that are added up but adjusted residuals (S. Haberman, 1973), how far an answer to a
    class is above chance in standard errors: rare classes are neither passed over for being rare, nor taken on a few faces.
    """
    from scipy.optimize import linear_sum_assignment

    table = confusion(labels, said, max(len(classes), outputs))[: len(classes), :outputs].astype(float)
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
        else:  # an output that never answers means nothing, but the class it was left for is asked for
            silent.append(classes[row])
    if among and len(silent) == names.count("") == 1:  # the last output can only stand for the last class
        names[names.index("")] = silent.pop()
    if names.count("") == 1 and outputs == len(classes) + 1 and "contempt" not in classes:
        names[names.index("")] = "contempt"
    return LabelOrder(FOUND, tuple(names), tuple(silent))


def cross_fitted(
    labels: np.ndarray, said: np.ndarray, classes: tuple[str, ...], outputs: int, among: tuple[str, ...] = ()
) -> np.ndarray:
    """Return (N,) bool: which answers are right under an order that was found on the other half of the faces.

    An order that is fitted to the very faces it is measured on looks better than it is; this one cannot. Arguments as for `assign`.
    """
    half = np.arange(len(labels)) % 2 == 0
    right = np.zeros(len(labels), bool)
    for here in (half, ~half):
        order = assign(labels[~here], said[~here], classes, outputs, among)
        right[here] = truth(labels[here], classes, order) == said[here]
    return right
