"""Distillation: the answers of one or several trained networks to the very pictures that the student is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferviz.engines.protocols import KerasBacked, supports
from ferviz.errors import ModelError
from ferviz.training.fine_tuning import copy_in_precision, load_trained

if TYPE_CHECKING:
    from ferviz.models.model import Model
from ferviz.models.prediction import check_finite


def teacher_logits(
    paths: Sequence[str], labels: tuple[str, ...], precision: str = "float32"
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from pixels (B, h, w, c) float32 in 0..255 to the mean of the teachers' logits, (B, K) float32.

    Args:
        paths: network files, each read with its own input spec.
        labels: the student's K labels. A teacher may have them in another order; its logits are put into the student's.
        precision: number format of the teachers' arithmetic.

    Raises:
        ModelError: a teacher lacks one of the labels, or cannot be read; later, a teacher answers with NaN or infinity.
    """
    teachers = []
    for path in paths:
        model = load_trained(path)
        missing = [name for name in labels if name not in model.labels]
        if missing:
            raise ModelError(
                f"the teacher {path} has no class {', '.join(missing)}; a teacher needs all labels of its student"
            )
        teachers.append((_logits_in(model, precision), [model.labels.index(name) for name in labels]))

    def mean_logits(pixels: np.ndarray) -> np.ndarray:
        faces = np.rint(pixels).astype(np.uint8)
        faces = faces[..., 0] if faces.shape[-1] == 1 else faces
        logits = [answer(faces)[:, order] for answer, order in teachers]
        mean = np.asarray(sum(logits) / len(logits), np.float32)
        check_finite(mean, ", ".join(map(str, paths)))
        return mean

    return mean_logits


def _logits_in(model: Model, precision: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from faces to logits, computed in `precision` where the model's network allows that."""
    if precision == "float32" or not supports(model.engine, KerasBacked) or model.head != "softmax":
        return model.logits
    fast = copy_in_precision(model.engine.keras_engine().network, precision, last="float32")
    if fast is None:
        return model.logits

    def logits(faces: np.ndarray) -> np.ndarray:
        probabilities = np.asarray(fast.predict_on_batch(model.preprocess(faces)), np.float32)
        # These are the logits up to a constant per face, which changes no softmax at any temperature.
        return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))

    return logits
