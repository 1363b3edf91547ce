"""Sharded runs: what each engine costs, how plan and status grow to a million shards, and what follows for 100 million faces.

    python benchmarks/scale.py [--faces 2000] [--shards 1000000] [--method gradcam] [--engines inline pool ray dask] [--out FOLDER]

The engines run the same plan, each with 1 and 2 workers; those that are not installed are left out. The shards of the simulation are
rows of an array that is only declared (a sparse file), so that nothing but the bookkeeping is measured: every one of them gets a receipt
of the form that a run writes, without the calls that bring it to the disk. Nothing here fails on a number: it measures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ferviz import scale
from ferviz.scale.executors.registry import processors

PACKAGES = {"ray": "ray", "dask": "distributed"}
GOAL = 100_000_000


def engines(source: Path, folder: Path, faces: int, method: str, names: list[str]) -> float:
    """Print seconds of every engine; -> faces a second of one process."""
    print(
        f"\n{faces:,} faces of 48 x 48, {method}, in 20 shards, {processors()} processors, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| engine | workers | s, start included | s of the shards, summed | faces/s | times inline |")
    print("|---|---|---|---|---|---|")
    first, rate = 0.0, 0.0
    for name in names:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            print(f"| {name} | - | not installed | | | |")
            continue
        for workers in (1,) if name == "inline" else (1, 2):
            plan = scale.plan(source, folder / f"{name}{workers}", shard_size=-(-faces // 20), method=method)
            receipts: list[scale.Receipt] = []
            begin = time.perf_counter()
            result = scale.run(plan, name, workers, on_receipt=receipts.append)
            seconds = time.perf_counter() - begin
            assert result.complete
            work = sum(receipt.seconds for receipt in receipts)
            first, rate = first or seconds, rate or faces / work
            ratio = seconds / first
            print(
                f"| {name} | {workers} | {seconds:.1f} | {work:.1f} | {faces / seconds:,.0f} | {ratio:.2f} |",
                flush=True,
            )
    sizes = sum(part.stat().st_size for part in (folder / "inline1").glob("parts/*/*"))
    print(f"\nstored: {sizes / faces:,.0f} bytes a face")
    return rate


def bookkeeping(folder: Path, shards: int) -> None:
    """Print seconds of plan and status with many shards."""
    source = folder / "declared.npy"
    with source.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (shards, 1, 1)})
        file.truncate(file.tell() + shards)
    begin = time.perf_counter()
    plan = scale.plan(source, folder / "many", shard_size=1)
    planned = time.perf_counter() - begin
    empty = _timed(plan)
    begin = time.perf_counter()
    for number in range(shards):
        bucket = folder / "many" / "receipts" / f"{number // 1000:05d}"
        if not number % 1000:
            bucket.mkdir(parents=True)
        os.close(os.open(bucket / f"{number:08d}-1-1-0-0.json", os.O_CREAT))
    written = time.perf_counter() - begin
    full = _timed(plan)
    size = (folder / "many" / "shards.jsonl").stat().st_size
    print(f"\n{shards:,} shards: plan {planned:.1f} s ({size / shards:.0f} bytes a shard), status {empty:.2f} s before the run and "
          f"{full:.1f} s after it ({shards:,} receipts, which took {written:.0f} s to make)")  # fmt: skip


def _timed(plan: scale.Plan) -> float:
    begin = time.perf_counter()
    result = scale.status(plan.folder)
    seconds = time.perf_counter() - begin
    assert result.done in (0, plan.shards)
    return seconds


def extrapolation(rate: float, method: str) -> None:
    """Print what 100 million faces take."""
    print(
        f"\n100 million faces with {method} at {rate:,.0f} faces/s a core, as inline above: {GOAL / rate / 3600:,.1f} core hours"
    )
    print("| cores | hours |\n|---|---|")
    for cores in (1, 16, 64, 256):
        print(f"| {cores} | {GOAL / rate / 3600 / cores:,.1f} |")
    print(
        "\nassumed: the time of a face is the one above (small pictures, not decoded, this machine under the load above); shards are "
        "independent, so cores add up; the storage delivers the pictures; starting workers is seconds. Not measured: more than two "
        "workers, several machines, decoding of large pictures."
    )


def main() -> None:
    """Measure, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--shards", type=int, default=1_000_000)
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--engines", nargs="*", default=["inline", "pool", "ray", "dask"])
    parser.add_argument("--out", type=Path, default=None, help="a folder for the runs; it is emptied afterwards")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ferviz-scale-", dir=options.out))
    try:
        if options.engines:
            source = folder / "faces.npy"
            np.save(source, np.random.default_rng(0).integers(0, 256, (options.faces, 48, 48), np.uint8))
            rate = engines(source, folder, options.faces, options.method, options.engines)
            extrapolation(rate, options.method)
        if options.shards:
            bookkeeping(folder, options.shards)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
