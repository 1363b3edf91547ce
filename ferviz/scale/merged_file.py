"""One file of all tables of a run, in the order of the source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike, atomic, check_suffix, sha256
from ferviz.scale.arrow import arrow_errors, import_parquet
from ferviz.scale.face_table import ROW_GROUP, face_schema
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.receipts import Receipt
from ferviz.scale.run_directory import RunDirectory
from ferviz.scale.run_status import status_of


def merge(
    plan: Plan | PathLike,
    out: PathLike,
    *,
    force: bool = False,
    progress: Callable[[Iterator[Receipt], int], Any] | None = None,
) -> Path:
    """Write the tables of a run into one Parquet file, each checked against its receipt.

    Args:
        plan: the plan, or the folder of the run.
        out: a .parquet file.
        force: replace an existing file.
        progress: takes (iterator over the receipts, shards) and yields the same; for a progress bar.

    Returns:
        The path.

    Raises:
        UsageError: another suffix, or shards are left to do.
        DataError: a table is missing or damaged.
        OutputError: the file is there already, or cannot be written.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    check_suffix(out, (".parquet",))
    result = status_of(plan)
    if result.left or not result.done:
        raise UsageError(f"{result.left:,} shards are left to do; finish the run first: ferviz scale run {plan.folder}")
    parquet = import_parquet()
    directory, given_up, rows = RunDirectory(plan.folder), set(result.quarantined), 0

    def receipts() -> Iterator[Receipt]:
        for shard in range(plan.shards):
            if shard not in given_up:
                yield _checked(directory, plan, shard)

    with (
        atomic(out, force, durable=True) as temporary,
        parquet.ParquetWriter(
            temporary, face_schema(plan.settings, run=_seen_from(plan.path, Path(out))), compression="zstd"
        ) as writer,
    ):
        for receipt in progress(receipts(), result.done) if progress else receipts():
            path = directory.part(receipt.shard)
            with arrow_errors(path), parquet.ParquetFile(path) as part:
                for group in range(part.num_row_groups):
                    writer.write_table(part.read_row_group(group), row_group_size=ROW_GROUP)
                rows += part.metadata.num_rows
                if part.metadata.num_rows != receipt.rows:
                    raise DataError(f"{path} has another number of rows than its receipt; {_REPAIR}")
    return Path(out)


def _seen_from(folder: Path, out: Path) -> str:
    """-> the run's folder as it is seen from the merged table, whose readers find pictures there; "" from another drive."""
    try:
        return os.path.relpath(folder, out.absolute().parent).replace(os.sep, "/")
    except ValueError:
        return ""


_REPAIR = "delete it and run the plan again"


def _checked(directory: RunDirectory, plan: Plan, shard: int) -> Receipt:
    receipt, path = directory.receipt(shard), directory.part(shard)
    if receipt is None or receipt.fingerprint != plan.fingerprint:
        raise DataError(f"the receipt of shard {shard} in {plan.folder} cannot be read, or is another run's; {_REPAIR}")
    try:
        digest = sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); run the plan again") from error
    if digest != receipt.sha256:
        raise DataError(f"{path} is damaged: it is not what its receipt says; {_REPAIR}")
    return receipt
