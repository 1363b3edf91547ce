"""What the tests of sharded runs share: small sources, and children that are killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="sharded runs need the extra ferviz[scale]")

COUNT = 12


@pytest.fixture(autouse=True, scope="session")
def nobody_measures() -> Iterator[Callable[..., float]]:
    """A plan's seconds of a face, which are measured anew for each, are given; what measures them is handed on for its test."""
    from ferviz.scale import planner

    real = planner._face_seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "_face_seconds", lambda _: 0.01)
        yield real


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Random faces, (12, 48, 48) uint8."""
    return np.random.default_rng(0).integers(0, 256, (COUNT, 48, 48), np.uint8)


@pytest.fixture(scope="session")
def array(faces: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random faces as a .npy file."""
    path = tmp_path_factory.mktemp("array") / "faces.npy"
    np.save(path, faces)
    return path


@pytest.fixture(scope="session")
def table() -> Callable[[Path], Any]:
    """A function that reads all tables of a run, in order, as one data frame."""

    def read(folder: Path) -> Any:
        import pandas as pd

        parts = sorted(Path(folder).glob("parts/*/part-*.parquet"))
        return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)

    return read


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """A function that returns {name: bytes} of all tables of a run."""

    def read(folder: Path) -> dict[str, bytes]:
        return {part.name: part.read_bytes() for part in sorted(Path(folder).glob("parts/*/*"))}

    return read


@pytest.fixture(scope="session")
def in_child() -> Callable[..., int]:
    """A function that calls another one in a forked process; -> the signal that ended it, 0 where it ended well."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")

    def call(work: Callable[[], Any], fault: str = "") -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pytest has threads; the child does without them
            child = os.fork()
        if not child:
            code = 1
            try:
                os.environ["FERVIZ_SCALE_FAULT"] = fault
                work()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child raised an error"
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    return call
