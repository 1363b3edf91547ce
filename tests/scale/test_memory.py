"""A process that explains shard after shard holds no more memory after many than after a few."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ferviz import scale
from ferviz.faces.face import Face
from ferviz.scale.settings import ScaleSettings

SHARDS = 25
GROUPS = 80  # at most
FEW = 20
ALLOWED = 100  # bytes a shard; a pattern that Python compiles and keeps for each takes 1,300


@pytest.mark.slow
def test_memory_is_flat_over_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's answer is computed once; all else of a shard is as it always is."""
    source = tmp_path / "faces.npy"
    np.save(source, np.random.default_rng(0).integers(0, 256, (FEW + GROUPS * SHARDS, 8, 8), np.uint8))
    plan = scale.plan(source, tmp_path / "run", shard_size=1)
    answer = plan.settings.open()([Face(np.zeros((48, 48, 3), np.uint8))])
    job = SimpleNamespace(explain=lambda _: answer)
    monkeypatch.setattr(ScaleSettings, "open", lambda _: job)
    monkeypatch.setattr("os.fsync", lambda _: None)  # waiting for the disk keeps no memory
    shards = plan.descriptors()

    def explain(count: int) -> int:
        for _ in range(count):
            assert scale.explain_shard(next(shards), plan).explained == 1
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def grows() -> bool:
        before = tracemalloc.get_traced_memory()[0]
        return explain(SHARDS) - before >= ALLOWED * SHARDS

    tracemalloc.start()
    try:
        explain(FEW)
        # Python and its libraries fill tables of limited size, by and by; what is kept for each shard grows in every group alike.
        assert not all(grows() for _ in range(GROUPS))
    finally:
        tracemalloc.stop()
