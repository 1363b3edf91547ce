"""A data set explained by a process that is killed again and again ends as the same bytes as one that ran through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROWS, CHUNK = 120, 8


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FER2013 table of random faces."""
    path = tmp_path_factory.mktemp("table") / "faces.csv"
    faces = np.random.default_rng(0).integers(0, 256, (ROWS, 48 * 48))
    rows = [f"{i % 7},{' '.join(map(str, face))},Training" for i, face in enumerate(faces)]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n", encoding="utf-8")
    return path


PACED = """
import os, signal, sys
from ferviz.attribution.chunk_store import ChunkStore
from ferviz.cli import run
write = ChunkStore.write
def paced(self, *arguments):
    os.read(0, 1)
    write(self, *arguments)
def never(self, name):
    while True:
        signal.pause()
ChunkStore.write, ChunkStore.blocks = paced, never
sys.exit(run(sys.argv[1:]))
"""
"""A run that keeps a chunk for each byte of its standard input, and does not come to its end: it cannot outrun the one who kills it."""


def child(table: Path, out: Path, *more: str, paced: bool = False) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        *(["-c", PACED] if paced else ["-m", "ferviz"]),
        "explain",
        str(table),
        "--out",
        str(out),
    ]
    alike = {**os.environ, "SOURCE_DATE_EPOCH": "0"}  # the manifest's date
    return subprocess.Popen(
        [*command, "--batch-size", str(CHUNK), "--engine", "litert", "--quiet", *more],
        env=alike, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def done(parts: Path) -> int:
    """How many faces the interrupted run has finished; -1 before it has begun."""
    try:
        lines = (parts / "run.jsonl").read_text(encoding="utf-8").split("\n")
    except OSError:
        return 0 if parts.is_dir() else -1
    chunks = [json.loads(line)["stop"] for line in lines if line.startswith('{"start"') and line.endswith("}}")]
    return max(chunks, default=0)


def finish(table: Path, out: Path, *more: str) -> bytes:
    process = child(table, out, *more)
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    return out.read_bytes()


@pytest.fixture(scope="module")
def whole(table: Path) -> bytes:
    """The file of a run that nothing interrupted."""
    return finish(table, table.with_name("whole.npz"))


def test_a_run_that_is_killed_at_random_points_ends_with_the_same_bytes(
    table: Path, whole: bytes, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    out = tmp_path / "maps.npz"
    parts = tmp_path / "maps.npz.parts"
    # The folder just made, three points on the way (and up to a chunk's time further), and everything done but not yet packed.
    points = [0, *sorted(rng.integers(1, ROWS - 4 * CHUNK, 3).tolist()), ROWS]
    found = []
    for point in points:
        chunks = 0 if point == 0 else ROWS if point == ROWS else -(-(point - max(done(parts), 0)) // CHUNK) + 1
        process = child(table, out, "--resume", paced=True)
        assert process.stdin is not None
        process.stdin.write(max(chunks, 0) * b".")
        process.stdin.flush()
        while process.poll() is None and done(parts) < point:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.005)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said.decode()
        found.append(done(parts))
    assert found[0] == 0, found
    assert sum(0 < faces < ROWS for faces in found) >= 3, found
    assert found[-1] == ROWS, found
    finish(table, out, "--resume")
    assert out.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.npz"]
    with np.load(out, allow_pickle=False) as file:
        assert file["heatmaps"].shape[0] == ROWS
        assert np.abs(file["heatmaps"]).max((1, 2, 3)).min() >= 0
