"""What else `check` notices: networks that say one thing, networks that know faces by heart, conventions that cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.evaluation import tta as views
from ferviz.evaluation.check import label_orders as orders
from ferviz.evaluation.check.result import Convention
from ferviz.evaluation.metrics import wilson
from ferviz.models.model import Model

COLLAPSED = 0.7
"""A network that gives one answer to this share of the faces says little else."""

BY_HEART = 600
"""Training faces that are asked to find out whether the network was trained on them."""

GAP = 0.1
"""How much better a network has to be on faces that it may have seen, beyond both intervals, to be said to know them."""


def about(
    model: Model, best: Convention, today: Convention | None, alike: Sequence[Convention], data: Dataset,
    training: Dataset | None, batch_size: int,
) -> list[str]:  # fmt: skip
    """Return the warnings, one sentence each.

    best: the winning convention, measured on `data`. today: the one in use, None where unknown. alike: others that these faces cannot
    tell from the best. training: training faces, None where there are none. batch_size: faces in one pass.
    """
    out = [*collapse(model, best, "even under the best convention")]
    if today is not None and today.feed is not best.feed:
        out += collapse(model, today, "as it is fed today")
    majority = frequent(best, data)
    if best.interval[0] <= majority:
        out.append(
            f"no convention makes it better than naming the most frequent class every time ({majority:.1%}): it was trained on "
            "something else, or hardly at all"
        )
    elif alike:
        names = ", ".join(dict.fromkeys(describe(c) for c in alike))
        out.append(f"these faces cannot tell {describe(best)} from {names}; give more of them (--faces) if it matters")
    if best.order.name == orders.FOUND:
        out.append(
            f"the label order was found from the answers: {', '.join(n or '?' for n in best.order.labels)}; compare it with the source"
        )
    if training is not None and best.interval[0] > majority:
        out += memorised(model, best, data, training, batch_size)
    return out


def describe(convention: Convention) -> str:
    """Return a feed in a few words."""
    spec = convention.feed.spec
    return (
        convention.feed.name
        + (f" resized as {spec.resize}" if spec.resize != "uint8" else "")
        + (" BGR" if spec.order == "bgr" and "BGR" not in convention.feed.name else "")
    )


def frequent(best: Convention, data: Dataset) -> float:
    """Return the share of the most frequent class among the faces that count."""
    labels = data.labels[: len(best.covered)][best.covered]
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else 1.0


def collapse(model: Model, convention: Convention, when: str) -> list[str]:
    """Return a warning if the network gives nearly all faces one answer."""
    counts = np.bincount(convention.said, minlength=model.engine.classes)
    share, k = counts.max() / max(counts.sum(), 1), int(counts.argmax())
    if share < COLLAPSED:
        return []
    name = convention.order.labels[k] or f"output {k}"
    return [f"{when} it says {name} to {share:.0%} of the faces: it has collapsed to one class"]


def memorised(model: Model, best: Convention, data: Dataset, training: Dataset, batch_size: int) -> list[str]:
    """Return warnings if the network is far better on faces that it may have been trained on."""
    out = []
    twin = also_in(data, training)[: len(best.covered)]
    inside, outside = twin & best.covered, ~twin & best.covered
    if _far_above(best.right[inside], best.right[outside]):
        out.append(
            f"it gets {best.right[inside].mean():.0%} of the {inside.sum():,} faces right that are pixel-identical to a training face, and "
            f"{best.right[outside].mean():.0%} of the others: figures that count such faces flatter it"
        )
    some = training.take(np.linspace(0, len(training) - 1, min(BY_HEART, len(training))).round().astype(int))
    said = views.logits(replace(model, input=best.feed.spec), some.images, batch_size).argmax(axis=1)
    true = orders.truth(some.labels, tuple(data.names), best.order)
    known = true != -1
    if _far_above((said == true)[known], best.right[outside]):
        out.append(
            f"it gets {(said == true)[known].mean():.0%} of the training faces right and {best.right[outside].mean():.0%} of faces it "
            "has not seen: judge it by the latter"
        )
    return out


def _far_above(first: np.ndarray, second: np.ndarray) -> bool:
    if min(len(first), len(second)) < 20:
        return False
    return wilson(first.sum(), len(first))[0] > wilson(second.sum(), len(second))[1] + GAP
