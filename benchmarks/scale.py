"""Sharded runs: what each engine costs, how plan and status grow to a million shards, and what follows for 100 million faces.

    python benchmarks/scale.py [--faces 2000] [--shards 1000000] [--method gradcam] [--engines inline pool ray dask] [--out FOLDER]

The engines run the same plan, each with 1 and 2 workers; those that are not installed are left out. The shards of the simulation are
rows of an array that is only declared (a sparse file), so that nothing but the bookkeeping is measured: every one of them gets a receipt
of the form that a run writes, without the calls that bring it to the disk. Processor seconds are those of this process; they say more
than the clock's on a machine that does other things. Ray makes its workers yield to every other process (nice 15) unless
RAY_worker_niceness says otherwise; here it says 0. Nothing here fails on a number: it measures.
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
import pyarrow
from pyarrow import parquet

from ferviz import scale
from ferviz.scale.executors.registry import processors

PACKAGES = {"ray": "ray", "dask": "distributed"}
GOAL = 100_000_000
SHARD = 2000  # faces


def engines(source: Path, folder: Path, faces: int, method: str, names: list[str]) -> tuple[float, float]:
    """Print seconds of every engine; -> processor seconds a face, and bytes stored."""
    print(
        f"\n{faces:,} faces of 48 x 48, {method}, in 20 shards, {processors()} processors, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| engine | workers | load | s, start included | s of the shards, summed | faces/s | times inline |")
    print("|---|---|---|---|---|---|---|")
    first, cost = 0.0, 0.0
    for name in names:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            print(f"| {name} | - | - | not installed | | | |")
            continue
        for workers in (1,) if name == "inline" else (1, 2):
            plan = scale.plan(source, folder / f"{name}{workers}", shard_size=-(-faces // 20), method=method)
            receipts: list[scale.Receipt] = []
            load = os.getloadavg()[0]
            begin, used = time.perf_counter(), time.process_time()
            result = scale.run(plan, name, workers, on_receipt=receipts.append)
            seconds, used = time.perf_counter() - begin, time.process_time() - used
            assert result.complete
            work = sum(receipt.seconds for receipt in receipts)
            first, cost = first or seconds, cost or used / faces
            ratio = seconds / first
            print(
                f"| {name} | {workers} | {load:.0f} | {seconds:.1f} | {work:.1f} | {faces / seconds:,.0f} | {ratio:.2f} |",
                flush=True,
            )
    table = folder / "together.parquet"
    parts = sorted((folder / f"{names[0]}1").glob("parts/*/*"))
    parquet.write_table(pyarrow.concat_tables(map(parquet.read_table, parts)), table, compression="zstd")
    sizes = table.stat().st_size / faces  # shards of some faces have more frame than picture
    print(f"\ninline: {1e3 * cost:.2f} ms of processor time a face; stored: {sizes:,.0f} bytes a face, in one table")
    return cost, sizes


def bookkeeping(folder: Path, shards: int) -> tuple[float, float]:
    """Print seconds of plan and status with many shards; -> processor seconds a shard of both."""
    source = folder / "declared.npy"
    with source.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (shards, 1, 1)})
        file.truncate(file.tell() + shards)
    scale.plan(source, folder / "few", shard_size=shards)  # what is loaded once is not the plan's
    begin, used = time.perf_counter(), time.process_time()
    plan = scale.plan(source, folder / "many", shard_size=1)
    planned, plan_used = time.perf_counter() - begin, time.process_time() - used
    empty, _ = _timed(plan)
    begin = time.perf_counter()
    for number in range(shards):
        bucket = folder / "many" / "receipts" / f"{number // 1000:05d}"
        if not number % 1000:
            bucket.mkdir(parents=True)
        os.close(os.open(bucket / f"{number:08d}-1-1-0-0.json", os.O_CREAT))
    written = time.perf_counter() - begin
    full, status_used = _timed(plan)
    size = (folder / "many" / "shards.jsonl").stat().st_size
    print(
        f"\n{shards:,} shards, {size / shards:.0f} bytes each in the plan, {shards:,} receipts (which took {written:.0f} s to make):\n"
    )
    print("| | processor s | s |\n|---|---|---|")
    print(f"| plan | {plan_used:.1f} | {planned:.1f} |")
    print(f"| status before the run | | {empty:.2f} |\n| status after it | {status_used:.1f} | {full:.1f} |")
    return plan_used / shards, status_used / shards


def _timed(plan: scale.Plan) -> tuple[float, float]:
    begin, used = time.perf_counter(), time.process_time()
    result = scale.status(plan.folder)
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    assert result.done in (0, plan.shards)
    return seconds, used


def extrapolation(method: str, cost: float, size: float, plan: float, status: float) -> None:
    """Print what 100 million faces take.

    Args:
        method: of attribution.
        cost: processor seconds a face.
        size: bytes stored a face.
        plan, status: processor seconds a shard.
    """
    shards, hours = GOAL // SHARD, GOAL * cost / 3600
    print(f"\n100 million faces with {method}, in {shards:,} shards of {SHARD:,}:\n")
    print("| cores | hours |\n|---|---|")
    for cores in (1, 16, 64, 256):
        print(f"| {cores} | {hours / cores:,.1f} |")
    print(
        f"\n{hours:,.1f} core hours, {GOAL * size / 1e9:.1f} GB of tables; plan {plan * shards:.1f} s, status {status * shards:.1f} s"
    )
    print(
        "\nAssumed: a face takes the processor time above (48 x 48 pixels from an array, nothing to decode, this machine); shards "
        "are independent, so cores add up; the storage delivers the pictures and takes five waits for the disk a shard; workers start "
        "in seconds. Not measured: more than two workers, several machines, decoding of photographs, a detector."
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
    os.environ.setdefault("RAY_worker_niceness", "0")
    folder = Path(tempfile.mkdtemp(prefix="ferviz-scale-", dir=options.out))
    try:
        if options.engines:
            source = folder / "faces.npy"
            np.save(source, np.random.default_rng(0).integers(0, 256, (options.faces, 48, 48), np.uint8))
            cost, size = engines(source, folder, options.faces, options.method, options.engines)
        plan, status = bookkeeping(folder, options.shards) if options.shards else (0.0, 0.0)
        if options.engines:
            extrapolation(options.method, cost, size, plan, status)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
