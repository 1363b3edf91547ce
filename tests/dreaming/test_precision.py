"""Half precision: chosen by what the processor has, confined to the ascent, and of no consequence for what is dreamt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.dreaming.dream import DreamConfig
from ferviz.engines.precision import OPTION, choose_precision, convolution_precision, has_bfloat16
from ferviz.errors import UnknownNameError, UsageError
from ferviz.files import PathLike

Get = Callable[..., Any]


def cpu(folder: Path, flags: str) -> PathLike:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: any\nflags\t\t: {flags}\nbugs\t\t: amx_bf16\n")
    return str(path)


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("fpu avx2 avx512_bf16 sse", None, True),
        ("fpu avx2 amx_bf16", None, True),
        ("fpu avx2 amx_bf16", "DEFAULT", True),
        ("fpu avx2 amx_bf16", "AVX2", False),
        ("fpu avx2 avx512f amx_tile", None, False),
    ],
)
def test_the_processor_and_the_environment_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, limit: str | None, expected: bool
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert has_bfloat16(cpu(tmp_path, flags)) is expected
    assert not has_bfloat16(str(tmp_path / "nothing"))


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert (choose_precision("half"), choose_precision("single")) == ("half", "single")
    assert choose_precision("auto") in ("half", "single")
    with pytest.raises(UnknownNameError, match="did you mean 'half'"):
        choose_precision("halb")


def test_half_precision_is_refused_where_tensorflow_would_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    assert choose_precision("auto") == choose_precision("single") == "single"
    with pytest.raises(UsageError, match="ONEDNN_MAX_CPU_ISA=AVX2"):
        choose_precision("half")


def test_nothing_outside_the_ascent_is_rounded() -> None:
    import tensorflow as tf

    random = np.random.default_rng(0)
    picture, kernel = random.random((4, 24, 24, 8), np.float32), random.random((3, 3, 8, 8), np.float32)
    exact = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
    before = exact(picture).numpy()
    with pytest.raises(ZeroDivisionError), convolution_precision("half"):
        raise ZeroDivisionError
    assert not tf.config.optimizer.get_experimental_options().get(OPTION)
    assert (exact(picture).numpy() == before).all()


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.slow
def test_a_dream_in_half_precision_is_the_same_dream(model: Get) -> None:
    options = {"steps": 48, "seed": 3}
    half, single = (
        ferviz.dream(model(), ["happy", "sad"], config=DreamConfig(samples=2, precision=name), **options)
        for name in ("half", "single")
    )
    assert (half.settings["precision"], single.settings["precision"]) == ("half", "single")
    assert half.trace[:, 0] == pytest.approx(single.trace[:, 0], abs=0.1)
    gained = single.scores - single.trace[:, 0]
    assert half.scores - half.trace[:, 0] == pytest.approx(gained, rel=0.1, abs=0.2)
    assert half.probability == pytest.approx(single.probability, abs=0.1)
