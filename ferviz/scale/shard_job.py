"""One shard, from its descriptor to its receipt: what every engine runs, in whatever process and on whatever machine."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferviz.attribution.explanation import Explanation
from ferviz.errors import DataError, FervizError, NoFaceError, OutputError, PictureError, UsageError
from ferviz.faces.face import Face
from ferviz.faces.find import find_faces
from ferviz.files import atomic, make_folder, sha256
from ferviz.images import read_image
from ferviz.printable import printable
from ferviz.scale.descriptors import Descriptor, Sample
from ferviz.scale.face_table import EXPLAINED, FAILED, UNREADABLE, FaceTable
from ferviz.scale.faults import reach
from ferviz.scale.planner import Plan
from ferviz.scale.predictions import PredictedFaces
from ferviz.scale.receipts import Counts, Receipt
from ferviz.scale.run_directory import RunDirectory
from ferviz.scale.settings import Job
from ferviz.scale.sources.registry import SOURCES

EXCLUDED = "the process ended when this picture was read or explained"


@dataclass(frozen=True, eq=False)
class ShardRow:
    """A face that is to be explained, or a picture that cannot be.

    Attributes:
        position: the number of its picture in the shard.
        sample: the picture.
        face: the face, None where there is none.
        number: of the face in its picture.
        status: UNREADABLE or FAILED where there is no face.
        reason: why.
    """

    position: int
    sample: Sample
    face: Face | None = None
    number: int | None = None
    status: str = ""
    reason: str = ""


def explain_shard(shard: Descriptor, plan: Plan, *, alone: bool = False, careful: bool = False) -> Receipt:
    """Explain one shard into its table.

    The attempt is noted first; the table is written under another name, brought to the disk and renamed; then the receipt is
    written in the same way, and the note removed. So whenever the process ends, what is left tells how far it came, and doing it
    again gives the same bytes.

    Args:
        shard: the shard.
        plan: of the run that it belongs to.
        alone: one more attempt than `plan.max_tries`, for a shard that runs by itself.
        careful: note each picture before it is looked at, one after the other, to find the one that ends the process.

    Returns:
        How it ended; a shard that cannot be read or explained is not raised, so that the others go on.
    """
    folder = RunDirectory(plan.folder)
    try:
        attempt = folder.begin_try(shard.number, plan.max_tries + (1 if alone else 0))
        if attempt is None:
            return Receipt(shard.number, "spent")
        reach("tried", shard.number)
        try:
            return _explain(shard, plan, folder, careful)
        except (OutputError, UsageError):
            folder.end_tries(shard.number)  # no fault of the shard
            raise
        except FervizError as error:
            reason = str(error)
        except Exception as error:  # reported with the shard, in the quarantine if it happens again; the others go on
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
        folder.note_failure(attempt, reason)
        return Receipt(shard.number, "failed", reason=reason)
    except (OutputError, UsageError) as error:
        return Receipt(shard.number, "stopped", reason=str(error))


def _explain(shard: Descriptor, plan: Plan, folder: RunDirectory, careful: bool) -> Receipt:
    begin = time.perf_counter()
    job = plan.settings.open()
    final = folder.part(shard.number)
    make_folder(final.parent)
    with atomic(final, durable=True, staging=folder.staging()) as temporary:
        with FaceTable(temporary, plan.settings) as table:
            counts = _fill(table, shard, plan, job, folder.position(shard.number) if careful else None)
        if shard.count is not None and counts.input != shard.count:
            raise DataError(f"{shard.title} has {counts.input:,} pictures instead of {shard.count:,}; make a new plan")
        size, digest = temporary.stat().st_size, sha256(temporary)
        reach("written", shard.number)
    reach("renamed", shard.number)
    output = final.relative_to(folder.path).as_posix()
    receipt = Receipt(
        shard.number, "done", *counts.values, table.rows, shard.exclude, output, size, digest, plan.fingerprint,
        round(time.perf_counter() - begin, 3), socket.gethostname(), os.getpid(),
    )  # fmt: skip
    folder.write_receipt(receipt)
    reach("received", shard.number)
    folder.end_tries(shard.number)
    reach("tidied", shard.number)
    return receipt


def _fill(table: FaceTable, shard: Descriptor, plan: Plan, job: Job, position: Path | None) -> Counts:
    """Explain the pictures of a shard into its table, as many at once as the network takes. position: of a careful attempt."""
    totals = Counts()
    limit = 1 if position else plan.settings.batch_size
    pending: list[ShardRow] = []
    for number, sample in enumerate(_samples(shard, Path(plan.source))):
        if position:
            position.write_text(str(number), encoding="ascii")  # not `atomic`: it is read after this process has ended
        if number not in shard.exclude:
            reach(f"picture-{number}", shard.number)
        pending += rows_of(sample, number, plan, number in shard.exclude)
        if len(pending) >= limit:
            totals += _settle(table, pending, job)
            pending = []
    totals += _settle(table, pending, job)
    reach("explained", shard.number)
    return totals


def _samples(shard: Descriptor, source: Path) -> Iterator[Sample]:
    try:
        yield from SOURCES[shard.kind].read(source, shard)
    except OSError as error:  # apart from those of writing the table
        raise DataError(f"{shard.title} cannot be read ({error.strerror or error}); check the source") from error


def rows_of(sample: Sample, position: int, plan: Plan, excluded: bool) -> list[ShardRow]:
    """Return the faces of a picture, or the row that says why there is none.

    Args:
        sample: the picture.
        position: its number in the shard.
        plan: of the run.
        excluded: it is not to be looked at.
    """
    if excluded:
        return [ShardRow(position, sample, status=FAILED, reason=EXCLUDED)]
    if sample.picture is None:
        return [ShardRow(position, sample, status=UNREADABLE, reason=sample.problem)]
    settings = plan.settings
    try:
        if settings.detector == "none":
            faces = [Face(read_image(sample.picture), sample.id)]
        else:
            faces = find_faces(sample.picture, settings.detector, **settings.search)
    except (PictureError, NoFaceError) as error:
        name = str(sample.picture) if isinstance(sample.picture, Path) else "the given bytes"
        return [ShardRow(position, sample, status=UNREADABLE, reason=str(error).replace(printable(name), "it"))]
    return [ShardRow(position, sample, face, number) for number, face in enumerate(faces)]


def _settle(table: FaceTable, rows: Sequence[ShardRow], job: Job) -> Counts:
    """Explain some rows and add them to the table, in order. -> what became of their pictures, all of whose faces are among them."""
    answers = dict(_answers([row for row in rows if row.face is not None], job))
    outcomes: dict[int, str] = {}
    for row in rows:
        answer = answers.get(id(row), row.reason)
        if isinstance(answer, str):
            status = row.status or FAILED
            table.add_problem(row.sample, status, answer, row.number)
            outcomes.setdefault(row.position, status)
        else:
            table.add(row.sample, row.number or 0, *answer)
            outcomes[row.position] = EXPLAINED
    became = list(outcomes.values())
    return Counts(len(became), became.count(EXPLAINED), became.count(UNREADABLE), became.count(FAILED))


def _answers(
    rows: Sequence[ShardRow], job: Job
) -> Iterator[tuple[int, tuple[Explanation | PredictedFaces, int] | str]]:
    """-> for each row its explanation, or why there is none: where several faces have no answer together, each is asked alone."""
    if not rows:
        return
    try:
        explanation = job.explain([row.face for row in rows if row.face is not None])
    except FervizError as error:
        if len(rows) == 1:
            yield id(rows[0]), str(error)
            return
        for row in rows:
            yield from _answers([row], job)
        return
    yield from ((id(row), (explanation, index)) for index, row in enumerate(rows))
