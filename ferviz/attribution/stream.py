"""Explaining more faces than fit into memory: chunk by chunk to a file, resumable after any interruption.

While it runs, the arrays grow in a folder `<out>.parts` beside the output, each as one .npy of its final size, and `state.json` there
says how many faces are done. At the end they are packed into one NPZ, which takes the output's place in one step, and the folder goes.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.attribution.explain import AttributionJob
from ferviz.attribution.explanation import Explanation
from ferviz.data.dataset import Dataset
from ferviz.errors import OutputError, UsageError
from ferviz.faces.crops import as_faces
from ferviz.files import PathLike, atomic, check_output, check_suffix, manifest, to_json, write_text

PARTS = ".parts"
STATE = "state.json"
PACKED = "packed.npz"


def explain_dataset(
    path: PathLike,
    job: AttributionJob,
    data: Dataset,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[Iterator[int], int], Any] | None = None,
) -> Path:
    """Explain a whole data set into an NPZ file, with memory for one chunk of faces however many there are.

    The file holds `heatmaps` (N, T, H, W), `raw` (N, T, h, w), `probabilities` (N, K), all float32, `labels` and `rows` (N,) int64 of
    the data, and `manifest`.

    Args:
        path: a .npz file to write.
        job: how to explain, from `AttributionJob.prepare`.
        data: labelled faces.
        resume: go on where an interrupted run of the same job stopped.
        force: replace an existing file.
        progress: takes (iterator over the number of each chunk's faces, N) and yields the same; for a progress bar.

    Returns:
        The path.

    Raises:
        UsageError: another suffix, or a data set without faces.
        OutputExistsError: the file is there and `force` is false.
        OutputError: an interrupted run of another job is there, or one that is not to be resumed; or the file cannot be written.
        ModelError: the engine cannot do what the job needs.
    """
    parts = Path(path).with_name(Path(path).name + PARTS)
    # A run that was killed between giving the output its name and clearing up goes on, too.
    out = check_output(path, force or (resume and parts.is_dir()))
    check_suffix(out, (".npz",))
    if not len(data):
        raise UsageError("the data set has no faces; nothing was written")
    question = _question(job, data)
    done = _begin(parts, question, resume, force)

    def chunks() -> Iterator[int]:
        for start in range(done, len(data), job.batch_size):
            part = slice(start, min(start + job.batch_size, len(data)))
            for name, values in _arrays(job(as_faces(data.images[part]))).items():
                _write(parts / f"{name}.npy", values, part, len(data))
            # The arrays are on the disk before the state says so: a run that is killed in between repeats one chunk.
            write_text(parts / STATE, to_json({"question": question, "done": part.stop}))
            yield part.stop - part.start

    for _ in progress(chunks(), len(data)) if progress else chunks():
        pass
    facts = {name: value for name, value in question.items() if name != "rows"}
    record = manifest(command="explain", engine=job.model.engine.name, warnings=list(job.warnings), **facts)
    _pack(out, parts, {"labels": data.labels, "rows": data.rows, "manifest": np.array(to_json(record))})
    (parts / STATE).unlink()  # first, so that a run killed while clearing up leaves no folder that looks complete
    shutil.rmtree(parts)
    return out


def _question(job: AttributionJob, data: Dataset) -> dict[str, Any]:
    """-> what two runs have to share so that one may continue the other."""
    return {
        "model_sha256": job.model.sha256, "model": job.model.name, "labels": list(job.model.labels),
        "data_sha256": data.sha256, "faces": len(data), "rows": [int(data.rows[0]), int(data.rows[-1])],
        "method": job.name, "targets": [target.name for target in job.targets], "layers": list(job.layers), "seed": job.seed,
        "settings": dict(job.settings),
    }  # fmt: skip


def _arrays(explanation: Explanation) -> dict[str, np.ndarray]:
    probabilities = [list(prediction.probabilities.values()) for prediction in explanation.predictions]
    return {
        "heatmaps": explanation.heatmaps,
        "raw": explanation.raw,
        "probabilities": np.array(probabilities, np.float32),
    }


def _begin(parts: Path, question: dict[str, Any], resume: bool, force: bool) -> int:
    """Make the folder of parts ready; return how many faces are done already."""
    wanted = json.loads(to_json(question))
    if parts.exists():
        try:
            state = json.loads((parts / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = {"question": None, "done": 0}  # interrupted before its first chunk
        if resume and state["question"] == wanted:
            return int(state["done"])
        if resume and state["question"] is not None:
            differs = [k for k in wanted if state["question"].get(k) != wanted[k]]
            raise OutputError(
                f"{parts} is an interrupted run of another question ({', '.join(differs)} differ); "
                "delete that folder or name another output"
            )
        if not resume and not force:
            raise OutputError(
                f"{parts} is an interrupted run; continue it with --resume (resume=True), or delete that folder"
            )
        shutil.rmtree(parts)
    try:
        parts.mkdir()
    except OSError as error:
        raise OutputError(f"{parts} cannot be made ({error.strerror or error}); choose another --out") from error
    return 0


def _write(path: Path, values: np.ndarray, part: slice, total: int) -> None:
    shape = (total, *values.shape[1:])
    try:
        if path.exists() and part.start:
            array = np.lib.format.open_memmap(path, mode="r+")
        else:
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        array[part] = values
        array.flush()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); free some space and go on with --resume"
        ) from error


def _pack(out: Path, parts: Path, small: dict[str, np.ndarray]) -> None:
    """Zip the parts into an NPZ without reading any of them whole; the same arrays always give the same bytes."""

    def entry(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name)  # dated 1980, not now
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    packed = parts / PACKED
    with atomic(packed) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as file:
        for path in sorted(parts.glob("*.npy")):
            with path.open("rb") as source, file.open(entry(path.name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        for name, values in small.items():
            with file.open(entry(f"{name}.npy"), "w") as target:
                np.lib.format.write_array(target, np.asanyarray(values), allow_pickle=False)  # type: ignore[arg-type]
    try:
        packed.replace(out)  # from inside the folder that goes afterwards: a kill leaves no half file beside the output
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror or error}); go on with --resume") from error
