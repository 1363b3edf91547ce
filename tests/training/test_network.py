"""The precision that a network trains in."""

from __future__ import annotations

import pytest

from ferviz.errors import UsageError
from ferviz.models.architectures.layers import load_keras
from ferviz.training.network import dtype_policy, resolve_precision


def test_policy_is_given_back_even_after_an_error() -> None:
    keras = load_keras()
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError, match="stop"), dtype_policy("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError("stop")
    assert keras.config.dtype_policy().name == before
    assert resolve_precision("float32") == "float32"
    assert resolve_precision("auto") in ("float32", "bfloat16")


def test_bfloat16_is_refused_where_tensorflow_would_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert resolve_precision("auto") == resolve_precision("float32") == "float32"
    with pytest.raises(UsageError, match="ONEDNN_MAX_CPU_ISA=AVX2"):
        resolve_precision("bfloat16")
