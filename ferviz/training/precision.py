"""In which number format a network trains: its weights stay float32, its arithmetic need not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ferviz.models.architectures.layers import load_keras

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve(precision: str) -> str:
    """Return what "auto" means here: bfloat16 where a GPU or the processor's AMX tiles compute it, float32 elsewhere."""
    if precision != "auto":
        return precision
    if load_keras().config.backend() == "tensorflow":
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return "bfloat16"
    with contextlib.suppress(OSError):
        if "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
            return "bfloat16"
    return "float32"


@contextlib.contextmanager
def policy(precision: str) -> Iterator[None]:
    """Within the block, layers are built for `precision`; afterwards the process' own policy holds again."""
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
