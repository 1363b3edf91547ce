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

from ferviz.attribution.explain import ask, heatmaps_of, resolve_layers, resolve_settings
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.targets import parse_targets
from ferviz.data.dataset import Dataset
from ferviz.errors import OutputError, UsageError, check_integer
from ferviz.faces.crops import as_faces
from ferviz.files import PathLike, atomic, check_output, manifest, to_json, write_text
from ferviz.models.model import Model

PARTS = ".parts"
STATE = "state.json"
PACKED = "packed.npz"


def explain_to(
    path: PathLike,
    model: Model,
    data: Dataset,
    method: str = "gradcam",
    target: str = "predicted",
    layer: str | None = None,
    batch_size: int = 64,
    *,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[Iterator[int], int], Any] | None = None,
    **settings: Any,
) -> Path:
    """Explain a whole data set into an NPZ file, with memory for one chunk of faces however many there are.

    path: a .npz to write: `heatmaps` (N, T, H, W), `raw` (N, T, h, w), `probabilities` (N, K), all float32, `labels` and `rows` (N,)
    int64 of the data, `manifest`. data: labelled faces. resume: go on where an interrupted run of the same question stopped.
    progress: takes (iterator over the number of each chunk's faces, N) and yields the same; for a progress bar.
    Other arguments: as for `ferviz.explain`. -> the path. Raises OutputExistsError, OutputError for an interrupted run that asked
    something else or that is not resumed, and what `explain` raises.
    """
    parts = Path(path).with_name(Path(path).name + PARTS)
    # A run that was killed between giving the output its name and clearing up goes on, too.
    out = check_output(path, force or (resume and parts.is_dir()))
    if out.suffix.lower() != ".npz":
        raise UsageError(f"{out} cannot hold the maps of a data set; name a .npz file")
    found = METHODS[method]
    check_integer("batch_size", batch_size, 1)
    check_integer("seed", seed, 0)
    targets = parse_targets(target, model.labels)
    layers, warnings = resolve_layers(model, found, layer)
    chosen = resolve_settings(found, settings, targets)
    question = {
        "model_sha256": model.sha256, "model": model.name, "labels": list(model.labels), "data_sha256": data.sha256, "faces": len(data),
        "rows": [int(data.rows[0]), int(data.rows[-1])] if len(data) else [], "method": method,
        "targets": [t.name for t in targets], "layers": list(layers), "seed": seed, "settings": chosen,
    }  # fmt: skip
    if not len(data):
        raise UsageError("the data set has no faces; nothing was written")
    done = _begin(parts, question, resume, force)

    def chunks() -> Iterator[int]:
        for start in range(done, len(data), batch_size):
            part = slice(start, min(start + batch_size, len(data)))
            answer = ask(model, as_faces(data.images[part]), found, targets, layers, batch_size, seed, chosen)
            arrays = {
                "heatmaps": heatmaps_of(answer),
                "raw": answer.raw,
                "probabilities": model.probabilities_of(answer.logits),
            }
            for name, values in arrays.items():
                _write(parts / f"{name}.npy", values, part, len(data))
            # The arrays are on the disk before the state says so: a run that is killed in between repeats one chunk.
            write_text(parts / STATE, to_json({"question": question, "done": part.stop}))
            yield part.stop - part.start

    for _ in progress(chunks(), len(data)) if progress else chunks():
        pass
    made = manifest(
        command="explain",
        engine=model.engine.name,
        warnings=list(warnings),
        **{k: v for k, v in question.items() if k != "rows"},
    )
    _pack(out, parts, {"labels": data.labels, "rows": data.rows, "manifest": np.array(to_json(made))})
    (parts / STATE).unlink()  # first, so that whoever is killed while clearing up leaves nothing that looks complete
    shutil.rmtree(parts)
    return out


def _begin(parts: Path, question: dict[str, Any], resume: bool, force: bool) -> int:
    """Make the folder of parts ready; return how many faces are done already."""
    asked = json.loads(to_json(question))
    if parts.exists():
        try:
            state = json.loads((parts / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = {"question": None, "done": 0}  # interrupted before its first chunk
        if resume and state["question"] == asked:
            return int(state["done"])
        if resume and state["question"] is not None:
            differs = [k for k in asked if state["question"].get(k) != asked[k]]
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

    made = parts / PACKED
    with atomic(made) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as file:
        for path in sorted(parts.glob("*.npy")):
            with path.open("rb") as source, file.open(entry(path.name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        for name, values in small.items():
            with file.open(entry(f"{name}.npy"), "w") as target:
                np.lib.format.write_array(target, np.asanyarray(values), allow_pickle=False)  # type: ignore[arg-type]
    try:
        made.replace(out)  # from inside the folder that goes afterwards: a kill leaves no half file beside the output
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror or error}); go on with --resume") from error
