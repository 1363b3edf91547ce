"""Explaining more faces than fit into memory: chunk by chunk to a file, resumable after any interruption.

While it runs, the chunks lie in a folder `<out>.parts` beside the output. At the end they are packed into one NPZ, which takes the
output's place in one step, and the folder goes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.attribution.attribution_job import FUSED, AttributionJob
from ferviz.attribution.chunk_store import ChunkStore
from ferviz.attribution.explanation import Explanation
from ferviz.data.dataset import Dataset
from ferviz.data.provenance import Provenance
from ferviz.errors import OutputError, OutputExistsError, UsageError
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import SOURCES
from ferviz.files import PathLike, atomic, check_output, check_suffix, sync_folder
from ferviz.manifests import manifest, to_json
from ferviz.npz import is_intact_zip
from ferviz.paths import exists, fit_name, is_folder
from ferviz.writers import names_only

GRIDS = "grids."  # names of arrays are names of files while a run goes on; in the .npz they are grids/<name>
PARTS = ".parts"
PACKED = "packed.npz"


def parts_folder(path: PathLike) -> Path:
    """Return the folder in which the chunks of an unfinished run lie.

    Args:
        path: the run's output.
    """
    return Path(path).with_name(fit_name(Path(path).name, PARTS))


def explain_dataset(
    path: PathLike,
    job: AttributionJob,
    data: Dataset,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[Iterator[int], int], Any] | None = None,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Explain a whole data set into an NPZ file, with memory for one chunk of faces however many there are.

    The file holds `heatmaps` (N, T, H, W), `raw` (N, T, h, w), `probabilities` (N, K), all float32, the method's `grids/<name>`, the
    faces as `images`, their `rows`, `labels` and `split` in the data, `true`, the labels' names, and `manifest`; methods that need regions
    leave `landmarks` (N, 5, 2), too. `Explanation.load` reads it. Pictures that show no face stop nothing; methods that need regions
    give them a typical face's.

    Args:
        path: a .npz file to write.
        job: how to explain, from `AttributionJob.prepare`.
        data: labelled faces.
        resume: go on where an interrupted run of the same job stopped. Chunks whose bytes are damaged or missing are computed again; if the
            run had ended already, nothing is done.
        force: replace an existing file.
        progress: takes (iterator over the number of each chunk's faces, N) and yields the same; for a progress bar.
        log: takes one sentence for the user, where something is computed again; None = `warnings.warn`.

    Returns:
        The path.

    Raises:
        UsageError: another suffix, or a data set without faces.
        OutputExistsError: the file is there and `force` is false.
        OutputError: an interrupted run of another job is there, or one that is not to be resumed; or the file cannot be written.
        ModelError: the engine cannot do what the job needs.
    """
    out = check_output(path, force or resume)
    check_suffix(out, (".npz",))
    if not len(data):
        raise UsageError("the data set has no faces; nothing was written")
    job = job.with_templates()
    question, parts = _question(job, data), parts_folder(out)
    if resume and _has_answer(out, question):  # killed between giving the output its name and the end of clearing up
        shutil.rmtree(parts, ignore_errors=True)
        return out
    if resume and not force and exists(out) and not is_folder(parts):
        raise OutputExistsError(
            f"{out} is already there, and is no complete result of this run; pass --force (force=True) to replace it, or name another file"
        )
    with _begin(parts, question, len(data), resume, force, log or warnings.warn) as store:

        def chunks() -> Iterator[int]:
            for part in store.missing(job.batch_size):
                store.write(part.start, _arrays(job(as_faces(data.images[part])), job.method.needs_regions))
                yield part.stop - part.start

        for _ in progress(chunks(), len(data)) if progress else chunks():
            pass
        facts = {name: value for name, value in question.items() if name != "rows"} | {"settings": job.record()}
        record = manifest(
            command="explain", engine=job.model.engine.name, warnings=[*job.model.cautions, *job.warnings],
            layer=FUSED.join(job.layers), classes=list(data.names), source=data.source,
            grids=[name.removeprefix(GRIDS) for name in store.chunks[0].shapes if name.startswith(GRIDS)],
            landmarks="landmarks" in store.chunks[0].shapes, **facts,
        )  # fmt: skip
        known = Provenance.of(data).to_arrays() | {"images": data.images, "labels": data.labels}
        _pack(out, store, known | {"manifest": np.array(to_json(names_only(record)))})
        store.remove()
    return out


def _question(job: AttributionJob, data: Dataset) -> dict[str, Any]:
    """-> what two runs have to share so that one may continue the other."""
    return {
        "model_sha256": job.model.sha256, "model": job.model.name, "labels": list(job.model.labels),
        "data_sha256": data.sha256, "faces": len(data), "rows": _digest(data.rows),
        "method": job.name, "targets": [target.name for target in job.targets], "layers": list(job.layers), "seed": job.seed,
        "settings": dict(job.settings),
    }  # fmt: skip


def _digest(rows: np.ndarray) -> str:
    """-> a hash of which rows of the data are explained."""
    return hashlib.sha256(np.ascontiguousarray(rows, "<i8").tobytes()).hexdigest()


def _arrays(explanation: Explanation, with_landmarks: bool) -> dict[str, np.ndarray]:
    probabilities = [list(prediction.probabilities.values()) for prediction in explanation.predictions]
    arrays = {
        "heatmaps": explanation.heatmaps,
        "raw": explanation.raw,
        "probabilities": np.array(probabilities, np.float32),
        **{f"{GRIDS}{name}": grid.astype(np.float32) for name, grid in explanation.grids.items()},
    }
    if with_landmarks:
        faces = explanation.faces
        arrays["landmarks"] = np.stack([face.landmarks for face in faces]).astype(np.float32)  # type: ignore[misc]
        arrays["landmark_source"] = np.array([[SOURCES.index(str(face.landmark_source))] for face in faces], np.float32)
    return arrays


def _has_answer(out: Path, question: dict[str, Any]) -> bool:
    """Whether a file is the complete and undamaged answer to a question."""
    wanted = json.loads(to_json(question))
    digest = wanted.pop("rows")
    try:
        with out.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            record, rows = json.loads(str(file["manifest"])), file["rows"]
        settings = record.get("settings") or {}
        record["settings"] = {name: settings.get(name) for name in wanted["settings"]}
        alike = {name: record.get(name) for name in wanted} == wanted
        return alike and is_intact_zip(out) and _digest(rows) == digest
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        RecursionError,
        zlib.error,
        zipfile.BadZipFile,
    ):
        return False


def _begin(
    parts: Path, question: dict[str, Any], total: int, resume: bool, force: bool, log: Callable[[str], None]
) -> ChunkStore:
    """Make the folder of parts ready."""
    if is_folder(parts) and not resume and not force:
        raise OutputError(
            f"{parts} is an interrupted run; continue it with --resume (resume=True), or delete that folder"
        )
    store = ChunkStore(parts, question, total)
    try:
        differs = store.differences()
        if resume and store.question is not None and differs:
            raise OutputError(
                f"{parts} is an interrupted run of another question ({', '.join(differs)} differ); "
                "delete that folder or name another output"
            )
        if not resume or store.question is None:
            if resume and store.is_damaged:
                log(f"the record of the interrupted run in {parts} is damaged, so the run begins anew")
            store.clear()
        elif store.damaged:
            log(f"{store.damaged} faces of the interrupted run in {parts} are damaged and are explained again")
    except BaseException:
        store.close()
        raise
    return store


def _pack(out: Path, store: ChunkStore, small: dict[str, np.ndarray]) -> None:
    """Zip the parts into an NPZ without reading any of them whole; the same arrays always give the same bytes."""

    def entry(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, not now
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    packed = store.folder / PACKED
    with atomic(packed) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as file:
        for name in sorted(store.chunks[0].shapes):
            header = {"descr": "<f4", "fortran_order": False, "shape": store.shape(name)}
            with file.open(entry(name.replace(GRIDS, "grids/")), "w", force_zip64=True) as target:
                np.lib.format.write_array_header_1_0(target, header)
                for block in store.blocks(name):
                    target.write(block)
        for name, values in small.items():
            with file.open(entry(name), "w") as target:
                np.lib.format.write_array(target, np.asanyarray(values), allow_pickle=False)  # type: ignore[arg-type]
    try:
        packed.replace(out)  # from inside the folder that goes afterwards: a kill leaves no half file beside the output
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror or error}); go on with --resume") from error
    sync_folder(out.parent)
