"""Several accelerators: data-parallel training by the framework's own means, the same run as on one.

On JAX that is keras.distribution, which computes one batch in parts. On TensorFlow it is tf.distribute.MirroredStrategy: every
replica has the weights and a part of the batch, and the gradients are added up. Batch normalisation then sees a replica's part of the
batch, not the whole.
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
def all_devices(batch: int) -> Iterator[int]:
    """Within the block networks are built and trained on every accelerator that divides the batch; yields how many.

    batch: faces a step. One device, another backend, or a batch that does not divide: nothing changes.
    """
    devices = accelerators()
    if len(devices) < 2 or batch % len(devices):
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
    # One a process: the collective operations of two strategies over the same devices take each other's messages.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def train_on_batch(network: Any, *batch: np.ndarray) -> float:
    """Take one training step and return its loss.

    network: compiled, without metrics. batch: pixels, targets and weights, arrays of the same length; under a strategy each replica
    gets its part. (Keras' own train_on_batch gives every replica the whole batch.)
    """
    strategy: Any = getattr(network, "distribute_strategy", None)
    replicas = strategy.num_replicas_in_sync if strategy is not None else 1
    if replicas == 1:
        value = network.train_on_batch(*batch)
        return float(value[0] if isinstance(value, list | tuple) else value)
    parts = tuple(
        strategy.experimental_distribute_values_from_function(
            lambda context, whole=whole: whole[context.replica_id_in_sync_group :: replicas]
        )
        for whole in batch
    )
    network.make_train_function()
    network.reset_metrics()
    return float(network.train_function(iter([parts]))["loss"])
