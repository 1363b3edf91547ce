"""Several accelerators: data-parallel training by the framework's own means, the same run as on one.

On JAX that is keras.distribution, which computes one batch in parts. On TensorFlow it is tf.distribute.MirroredStrategy: every
replica has the weights and a part of the batch, and the gradients are added up. Batch normalisation then uses the statistics of a
replica's part, not of the entire batch.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz.models.architectures.layers import load_keras


def accelerators() -> list[str]:
    """Return the names of the devices that a run can share."""
    keras = load_keras()
    if keras.config.backend() == "jax":
        return list(keras.distribution.list_devices())
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return [device.name for device in tf.config.list_logical_devices("GPU")]
    return []


@contextlib.contextmanager
def all_devices(batch_size: int) -> Iterator[int]:
    """Within the block, build and train networks on all accelerators; yields how many there are.

    With one device, on another backend, or where the number of devices does not divide the batch, nothing changes.

    Args:
        batch_size: faces in one step.
    """
    devices = accelerators()
    if len(devices) < 2 or batch_size % len(devices):
        yield 1
        return
    with _distribution(devices):
        yield len(devices)


@contextlib.contextmanager
def _distribution(devices: list[str]) -> Iterator[None]:
    keras = load_keras()
    if keras.config.backend() == "tensorflow":
        with _mirrored(tuple(devices)).scope():
            yield
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    # One per process, because the collective operations of two strategies over the same devices receive each other's messages.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def train_on_batch(network: Any, *batch: np.ndarray) -> float:
    """Take one training step and return its loss.

    Under a strategy each replica gets its part of the batch; Keras' own train_on_batch gives every replica all of it.

    Args:
        network: a compiled keras.Model without metrics.
        *batch: pixels, targets and weights, arrays of the same length.
    """
    strategy: Any = getattr(network, "distribute_strategy", None)
    replicas = strategy.num_replicas_in_sync if strategy is not None else 1
    if replicas == 1:
        value = network.train_on_batch(*batch)
        return float(value[0] if isinstance(value, list | tuple) else value)
    parts = tuple(
        strategy.experimental_distribute_values_from_function(
            lambda context, array=array: array[context.replica_id_in_sync_group :: replicas]
        )
        for array in batch
    )
    network.make_train_function()
    network.reset_metrics()
    return float(network.train_function(iter([parts]))["loss"])
