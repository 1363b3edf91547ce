"""The faces of a panel: as many of each predicted class, so that the classes that a network likes do not decide alone."""

from __future__ import annotations

import numpy as np

from ferviz.models.model import Model

POOL = 20
"""Faces that are looked at for each that is wanted, so that every class is among them."""


def stratified_faces(
    model: Model, images: np.ndarray, faces: int, seed: int, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose faces of which every predicted class has as many, as far as there are so many.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8; of pictures that wait in a file, only some are read.
        faces: how many; fewer where there are fewer.
        seed: of the choice.
        batch_size: pictures in one pass through the network.

    Returns:
        The chosen faces, and the numbers of their predicted classes.
    """
    rng = np.random.default_rng(seed)
    pool = np.asarray(images[np.sort(rng.permutation(len(images))[: faces * POOL])])
    predicted = model.logits(pool, batch_size).argmax(1)
    # Each class's faces in random order; the first of every class come before the second of any.
    turn = np.empty(len(pool))
    for label in np.unique(predicted):
        at = np.flatnonzero(predicted == label)
        turn[at] = rng.permutation(len(at))
    chosen = np.sort(np.lexsort((rng.random(len(pool)), turn))[:faces])
    return pool[chosen], predicted[chosen]
