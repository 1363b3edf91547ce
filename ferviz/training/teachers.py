"""Distillation: what one or several trained networks answer to the very pictures that the student sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferviz.errors import ModelError


def answers(paths: Sequence[str], labels: tuple[str, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function pixels (B, h, w, c) float32 in 0..255 -> (B, K) float32, the mean of the teachers' logits.

    paths: network files, each read with its own input spec. labels: of the student; a teacher may know them in another order, and its
    logits are put into the student's. Raises ModelError for a teacher that lacks one of the labels.
    """
    from ferviz.models.load import load_model

    teachers = []
    for path in paths:
        model = load_model(path)
        missing = [name for name in labels if name not in model.labels]
        if missing:
            raise ModelError(
                f"the teacher {path} does not know {', '.join(missing)}; a teacher needs all labels of its student"
            )
        teachers.append((model, [model.labels.index(name) for name in labels]))

    def teach(pixels: np.ndarray) -> np.ndarray:
        faces = np.rint(pixels).astype(np.uint8)
        faces = faces[..., 0] if faces.shape[-1] == 1 else faces
        logits = [model.logits(faces)[:, order] for model, order in teachers]
        return np.asarray(sum(logits) / len(logits), np.float32)

    return teach
