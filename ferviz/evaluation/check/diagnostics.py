"""The warnings of `check`: collapsed networks, networks that memorised their training faces, conventions that are tied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.evaluation.check.label_orders import INFERRED, true_outputs
from ferviz.evaluation.check.result import Convention
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.tta import batched_logits
from ferviz.models.model import Model

COLLAPSED = 0.7
"""A network that predicts one class for this share of the faces has collapsed to it."""

TRAINING_FACES = 600
"""Training faces that are predicted to find out whether the network memorised them."""

GAP = 0.1
"""How much better a network has to be on faces that it may have been trained on, beyond both intervals, to be reported."""


def diagnose(
    model: Model, best: Convention, current: Convention | None, tied: Sequence[Convention], data: Dataset,
    training: Dataset | None, batch_size: int,
) -> list[str]:  # fmt: skip
    """Return the warnings, one sentence each.

    Args:
        model: the network.
        best: the best convention, measured on `data`.
        current: the present convention, None where it is unknown.
        tied: other conventions that these faces do not distinguish from the best.
        data: the faces of the check.
        training: training faces, None where there are none.
        batch_size: faces in one pass.
    """
    out = [*collapse(model, best, "even under the best convention")]
    if current is not None and current.preprocessing is not best.preprocessing:
        out += collapse(model, current, "with its present settings")
    majority = majority_share(best, data)
    if best.interval[0] <= majority:
        out.append(
            f"no convention makes it better than predicting the most frequent class every time ({majority:.1%}): it was trained on "
            "something else, or hardly at all"
        )
    elif tied:
        names = ", ".join(dict.fromkeys(short_name(c) for c in tied))
        out.append(f"these faces do not distinguish {short_name(best)} from {names}; if it matters, use more faces")
    if best.order.name == INFERRED:
        out.append(
            f"the label order was inferred from the answers: {', '.join(n or '?' for n in best.order.labels)}; compare it with the source"
        )
    if training is not None and best.interval[0] > majority:
        out += memorised(model, best, data, training, batch_size)
    return out


def short_name(convention: Convention) -> str:
    """Return a convention's preprocessing in a few words.

    Args:
        convention: the convention.
    """
    spec = convention.preprocessing.spec
    return (
        convention.preprocessing.name
        + (f" resized as {spec.resize}" if spec.resize != "uint8" else "")
        + (" BGR" if spec.order == "bgr" and "BGR" not in convention.preprocessing.name else "")
        + (f" with a centre crop of {spec.crop_pct:.0%}" if spec.crop_pct < 1 else "")
        + (" equalised" if spec.equalize else "")
    )


def majority_share(best: Convention, data: Dataset) -> float:
    """Return the share of the most frequent class among the faces that count.

    Args:
        best: the convention that decides which faces count.
        data: the faces of the check.
    """
    labels = data.labels[: len(best.covered)][best.covered]
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else 1.0


def collapse(model: Model, convention: Convention, circumstance: str) -> list[str]:
    """Return a warning if the network predicts one class for nearly all faces.

    Args:
        model: the network.
        convention: the convention that was used.
        circumstance: the beginning of the sentence.
    """
    counts = np.bincount(convention.predicted, minlength=model.engine.classes)
    share, k = counts.max() / max(counts.sum(), 1), int(counts.argmax())
    if share < COLLAPSED:
        return []
    name = convention.order.labels[k] or f"output {k}"
    return [f"{circumstance} it predicts {name} for {share:.0%} of the faces: it has collapsed to one class"]


def memorised(model: Model, best: Convention, data: Dataset, training: Dataset, batch_size: int) -> list[str]:
    """Return warnings if the network is far better on faces that it may have been trained on.

    Args:
        model, best, data, training, batch_size: as for `diagnose`.
    """
    out = []
    twin = also_in(data, training)[: len(best.covered)]
    inside, outside = twin & best.covered, ~twin & best.covered
    if _far_above(best.correct[inside], best.correct[outside]):
        out.append(
            f"it is right on {best.correct[inside].mean():.0%} of the {inside.sum():,} faces that are pixel-identical to a training face, "
            f"and on {best.correct[outside].mean():.0%} of the others: accuracies that count such faces are too high"
        )
    sample = training.take(np.linspace(0, len(training) - 1, min(TRAINING_FACES, len(training))).round().astype(int))
    variant = replace(model, input=best.preprocessing.spec)
    predicted = batched_logits(variant, sample.images, batch_size).argmax(axis=1)
    true = true_outputs(sample.labels, tuple(data.names), best.order)
    correct = (predicted == true)[true != -1]
    if _far_above(correct, best.correct[outside]):
        out.append(
            f"it is right on {correct.mean():.0%} of the training faces and on {best.correct[outside].mean():.0%} of faces it "
            "has not seen: judge it by the latter"
        )
    return out


def _far_above(first: np.ndarray, second: np.ndarray) -> bool:
    if min(len(first), len(second)) < 20:
        return False
    return wilson(first.sum(), len(first))[0] > wilson(second.sum(), len(second))[1] + GAP
