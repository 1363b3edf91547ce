"""Half precision for the network's convolutions, where the processor computes in it.

Processors with AMX or AVX512-BF16 multiply bfloat16 numbers several times as fast as float32 ones. An ascent bears the rounding,
which is smaller than the noise that every sample adds on purpose; pictures, variables and Adam's moments stay in float32. TensorFlow's
own graph optimizer decides which operations may be rounded (mixed precision after Micikevicius et al., ICLR 2018).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ferviz.errors import UnknownNameError, UsageError

PRECISIONS = {
    "auto": "half where the processor has instructions for it, else single",
    "half": "bfloat16 in convolutions and products",
    "single": "float32 everywhere",
}
"""Names of the precisions and what they are."""

CPUINFO = "/proc/cpuinfo"

WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")
"""Values of ONEDNN_MAX_CPU_ISA under which TensorFlow aborts the process when it comes to a bfloat16 convolution."""

OPTION = "auto_mixed_precision_onednn_bfloat16"

_OPTION_CHANGED = threading.RLock()


def choose_precision(precision: str) -> str:
    """Return "half" or "single".

    Args:
        precision: one of PRECISIONS.

    Raises:
        UnknownNameError: for any other.
        UsageError: "half", where ONEDNN_MAX_CPU_ISA in the environment keeps TensorFlow from computing in it.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if precision == "half":
        check_bfloat16("half", "single")
    if precision == "auto":
        return "half" if has_bfloat16() else "single"
    return precision


def check_bfloat16(precision: str, other: str) -> None:
    """Refuse a precision where TensorFlow would abort over it.

    Args:
        precision: the one that computes in bfloat16, as its user calls it.
        other: the one that does not.

    Raises:
        UsageError: ONEDNN_MAX_CPU_ISA in the environment keeps TensorFlow from computing in bfloat16.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if limit in WITHOUT_BFLOAT16:
        raise UsageError(
            f"precision '{precision}' needs AVX-512, which ONEDNN_MAX_CPU_ISA={limit} switches off; unset it, or use '{other}'"
        )


@lru_cache(maxsize=8)
def processor_flags(cpuinfo: str = CPUINFO) -> frozenset[str]:
    """Return the names of the processor's instruction sets, such as "amx_bf16"; empty where they cannot be known.

    Args:
        cpuinfo: Linux' description of the processor.
    """
    try:
        return frozenset(Path(cpuinfo).read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split())
    except OSError:
        return frozenset()


def has_bfloat16(cpuinfo: str = CPUINFO) -> bool:
    """Return whether the processor multiplies bfloat16 numbers itself; where that cannot be known, it does not.

    ONEDNN_MAX_CPU_ISA in the environment, which keeps TensorFlow from using what there is, counts too.

    Args:
        cpuinfo: Linux' description of the processor.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper() not in ("DEFAULT", "ALL"):
        return False
    return bool({"amx_bf16", "avx512_bf16"} & processor_flags(cpuinfo))


@contextlib.contextmanager
def convolution_precision(precision: str) -> Iterator[None]:
    """Compile and run what is called inside the block in a precision; outside everything stays as it was.

    TensorFlow has one such option for the process, so that such blocks of several threads run one after the other.

    Args:
        precision: "half" or "single".
    """
    from ferviz.engines.backend import tensorflow

    optimizer = tensorflow().config.optimizer
    with _OPTION_CHANGED:
        before = bool(optimizer.get_experimental_options().get(OPTION, False))
        optimizer.set_experimental_options({OPTION: precision == "half"})
        try:
            yield
        finally:
            optimizer.set_experimental_options({OPTION: before})
