"""Several accelerators: data-parallel training by Keras' own distribution, where the backend has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ferviz.models.architectures.parts import load_keras


@contextlib.contextmanager
def all_devices(batch: int) -> Iterator[int]:
    """Within the block networks are built and trained on every accelerator that divides the batch; yields how many.

    batch: faces a step. One device, a backend without keras.distribution, or a batch that does not divide: nothing changes.
    """
    keras = load_keras()
    if keras.config.backend() != "jax":
        yield 1
        return
    devices = keras.distribution.list_devices()
    if len(devices) < 2 or batch % len(devices):
        yield 1
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield len(devices)
    finally:
        keras.distribution.set_distribution(before)
