"""Running a plan: rounds over the shards that are left, then a last attempt for each that failed too often, by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from ferviz.errors import DataError, OutputError, check_integer
from ferviz.files import PathLike, exclusive
from ferviz.manifests import manifest
from ferviz.scale.executors.pool import explain_alone
from ferviz.scale.executors.registry import AUTO, EXECUTORS, choose_executor
from ferviz.scale.planner import Plan, load_plan
from ferviz.scale.receipts import Receipt
from ferviz.scale.run_directory import RunDirectory
from ferviz.scale.run_status import RunStatus, status_of

_HOPELESS = 8
"""So many failures before the first success mean that it is not the shards' fault."""

Report = Callable[[Receipt], None]


def run(
    plan: Plan | PathLike,
    engine: str = AUTO,
    workers: int | None = None,
    *,
    on_receipt: Report | None = None,
    log: Callable[[str], None] | None = None,
) -> RunStatus:
    """Explain every shard of a plan that has no receipt yet; call it again after any interruption.

    Args:
        plan: the plan, or the folder of the run.
        engine: "inline", "pool", "ray", "dask", or "auto".
        workers: processes, None = as many as there are processors.
        on_receipt: is called with the receipt of each shard as it ends; for a progress bar.
        log: takes sentences for the user.

    Returns:
        How far the run came: every shard is done, or in quarantine with a reason.

    Raises:
        DataError: the plan is damaged; or nothing at all could be explained.
        OutputError: another process runs this plan, or results cannot be written.
        UsageError: the engine is not installed, or an argument makes no sense.
        ModelError: the network is not the one of the plan.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    say = log or (lambda _: None)
    if workers is not None:
        check_integer("workers", workers, 1)
    choose_executor(engine, workers, None)  # a wrong engine is said before anything is touched
    plan.check()
    directory = RunDirectory(plan.folder)
    with exclusive(Path(plan.folder, "run.lock"), f"another process runs the plan in {plan.folder}; wait for it"):
        left = _left(plan, directory, say)
        name, count, reason = choose_executor(engine, workers, _seconds(plan, len(left)))
        if left:
            say(f"{len(left):,} of {plan.shards:,} shards with the engine {name}: {reason}")
            plan.settings.open()  # what is wrong with the network is one error here, not one a shard
            _rounds(plan, directory, left, name, count, on_receipt)
            _last_attempts(plan, directory, on_receipt, say)
        directory.tidy()
        result = status_of(plan)
        _write_manifest(plan, directory, result)
    return result


def retry(
    plan: Plan | PathLike,
    engine: str = AUTO,
    workers: int | None = None,
    *,
    bisect: bool = False,
    on_receipt: Report | None = None,
    log: Callable[[str], None] | None = None,
) -> RunStatus:
    """Try the shards in quarantine again, after their cause was removed; or find the pictures that are the cause.

    Args:
        plan, engine, workers, on_receipt, log: as of `run`.
        bisect: let each of these shards run by itself and note every picture before it is looked at. A picture that ends the process is
            left out, with a row that says so, and the others are explained.

    Returns:
        How far the run came.

    Raises:
        As of `run`.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    choose_executor(engine, workers, None)
    directory = RunDirectory(plan.folder)
    with exclusive(Path(plan.folder, "run.lock"), f"another process runs the plan in {plan.folder}; wait for it"):
        shards = directory.quarantined()
        for shard in plan.descriptors(set(shards)) if bisect else ():
            receipt = _search(shard.number, plan, directory, log or (lambda _: None))
            if on_receipt:
                on_receipt(receipt)
        for number in () if bisect else shards:
            directory.release(number)
    return run(plan, engine, workers, on_receipt=on_receipt, log=log)


def _left(plan: Plan, directory: RunDirectory, say: Callable[[str], None]) -> set[int]:
    """-> the shards that are to be done; a receipt whose table is gone does not count."""
    done = directory.done()
    lost = done - directory.tables()
    for shard in lost:
        directory.forget(shard)
    if lost:
        say(f"{len(lost):,} shards have a receipt and no table, and are explained again")
    return set(range(plan.shards)) - (done - lost) - set(directory.quarantined())


def _seconds(plan: Plan, shards: int) -> float | None:
    """-> about what some shards take in one process."""
    if plan.pictures is None:
        return None
    return plan.face_seconds * plan.pictures * shards / plan.shards


def _rounds(
    plan: Plan, directory: RunDirectory, left: set[int], engine: str, workers: int, report: Report | None
) -> None:
    """Let an engine go over the shards, and again over those that failed, as often as they may."""
    map_shards = EXECUTORS[engine]
    successes = failures = 0
    for _ in range(plan.max_tries + 1):
        failed = set()
        receipts = map_shards(plan.descriptors(left), plan, min(workers, len(left)))
        with contextlib.closing(receipts):
            for receipt in receipts:
                if receipt.status == "stopped":
                    raise OutputError(receipt.reason)
                successes += receipt.status == "done"
                if receipt.status == "failed":
                    failures += 1
                    failed.add(receipt.shard)
                if failures >= _HOPELESS and not successes:
                    raise DataError(f"{failures} attempts failed and none succeeded; the last one: {receipt.reason}")
                if report and receipt.status == "done":
                    report(receipt)
        left = failed
        if not left:
            return


def _last_attempts(plan: Plan, directory: RunDirectory, report: Report | None, say: Callable[[str], None]) -> None:
    """Give each shard that failed too often one attempt by itself: it may have died with a neighbour, or with its machine."""
    done = directory.done()
    given_up = directory.quarantined()
    tried = {shard: reasons for shard, reasons in directory.tries().items() if shard not in given_up}
    for shard in plan.descriptors(set(tried) - done):
        say(f"{shard.title} failed {len(tried[shard.number])} times; trying it by itself")
        receipt = explain_alone(shard, plan)
        if receipt.status == "stopped":
            raise OutputError(receipt.reason)
        if receipt.status != "done":
            reasons = [reason for reason in (*tried[shard.number], receipt.reason) if reason]
            directory.quarantine(shard.number, reasons[-1] if reasons else "each attempt ended its process")
        elif report:
            report(receipt)
    for shard_number in set(tried) & done:  # killed between its receipt and the end of its notes
        directory.end_tries(shard_number)


def _search(number: int, plan: Plan, directory: RunDirectory, say: Callable[[str], None]) -> Receipt:
    """Explain a shard without the pictures that end the process, found one after the other."""
    shard = next(plan.descriptors({number}))
    while True:
        directory.end_tries(number)
        receipt = explain_alone(shard, plan, careful=True)
        try:
            position = int(directory.position(number).read_text(encoding="ascii"))
        except (OSError, ValueError):
            position = None
        if receipt.status == "done":
            directory.release(number)
            return receipt
        if receipt.status == "stopped":
            raise OutputError(receipt.reason)
        if position is None or position in shard.exclude or directory.tries().get(number, [""])[-1]:
            return receipt  # not a picture's fault: the reason stays in the quarantine
        say(f"picture {position} of {shard.title} ends the process ({receipt.reason}) and is left out")
        shard = shard.without((position,))


def _write_manifest(plan: Plan, directory: RunDirectory, result: RunStatus) -> None:
    """Write what the run came to, and check that no picture is missing."""
    if result.left:
        return
    gone = set(result.quarantined)
    counts = [shard.count for shard in plan.descriptors(gone)] if gone else []
    quarantined = None if None in counts else sum(count or 0 for count in counts)
    if plan.pictures is not None and quarantined is not None and plan.pictures != result.counts.input + quarantined:
        raise AssertionError(
            f"{plan.pictures} pictures were planned, {result.counts.input} have a row and {quarantined} are in quarantine"
        )
    record = {
        **result.to_dict(),
        "folder": None,
        "quarantined_pictures": quarantined,
        "fingerprint": plan.fingerprint,
        "settings": plan.settings.to_dict(),
    }
    directory.write_manifest(manifest(command="scale run", **record))
