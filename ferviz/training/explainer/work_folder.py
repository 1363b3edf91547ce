"""What a run of `teach` keeps beside its output until that is finished, so that a stopped run can go on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.errors import DataError, OutputExistsError
from ferviz.faces.face import Face
from ferviz.files import atomic, make_folder, write_text
from ferviz.manifests import to_json
from ferviz.models.model import Model
from ferviz.npz import ArchiveError, read_arrays
from ferviz.paths import exists, is_file, open_regular
from ferviz.training.explainer.coalitions import CoalitionScores
from ferviz.training.explainer.examination import RegionValues, join_values
from ferviz.training.explainer.pupils import fingerprint

if TYPE_CHECKING:
    from ferviz.training.explainer.teach import TeachConfig

ENDING = ".teaching"
_PLAN = "plan.json"
_PLAN_BYTES = 2**16


def open_folder(
    out: Path, model: Model, faces: Sequence[Face], config: TeachConfig, seed: int, resume: bool, force: bool
) -> Path:
    """Make the folder of a run, or check that of a stopped one.

    Args:
        out: the file that the run is to write.
        model: the network.
        faces: in the order in which they are used.
        config, seed, resume, force: as for `teach`.

    Returns:
        The folder.

    Raises:
        OutputExistsError: a stopped run is there, and neither `resume` nor `force` is true.
        DataError: the stopped run is another one's, or there is none to resume.
        OutputError: the folder cannot be made.
    """
    folder = out.with_name(out.name + ENDING)
    asked = {
        name: value
        for name, value in asdict(config).items()
        if name in ("region_pairs", "patch_pairs", "examined", "fills")
    }
    plan = {"network": network_digest(model), "faces": fingerprint(faces), "seed": seed, **asked}
    if exists(folder) and not resume:
        if not force:
            raise OutputExistsError(
                f"{folder} holds what a stopped run has learned; pass --resume to go on with it, or --force to start over"
            )
        shutil.rmtree(folder, ignore_errors=True)
    if exists(folder / _PLAN):
        check_plan(folder, plan)
    else:
        make_folder(folder)
        write_text(folder / _PLAN, to_json(plan) + "\n")
    return folder


def check_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Check that a stopped run is the one that is asked for.

    Args:
        folder: of the run.
        plan: what is asked for.

    Raises:
        DataError: it is another one's, or damaged.
    """
    try:
        with open_regular(folder / _PLAN) as stream:
            before = json.loads(stream.read(_PLAN_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{folder / _PLAN} is damaged; start over with --force") from error
    if before != json.loads(to_json(plan)):
        raise DataError(
            f"the run in {folder} began with another network, other faces or other settings; give the same, or start over with --force"
        )


def network_digest(model: Model) -> str:
    """Return what tells networks apart: the SHA-256 of the file, or of the answers of a network in memory to some noise.

    Args:
        model: the network.
    """
    if model.sha256:
        return model.sha256
    height, width = model.input.size
    noise = np.random.default_rng(0).integers(0, 256, (2, height, width), dtype=np.uint8)
    return hashlib.sha256(np.round(model.logits(noise), 4).tobytes()).hexdigest()


def save_part(folder: Path, number: int, part: CoalitionScores) -> None:
    """Keep some answers.

    Args:
        folder: of the run.
        number: of the part.
        part: the answers.
    """
    part.save(_part(folder, number))


def load_part(
    folder: Path, number: int, numbers: np.ndarray, pairs: tuple[int, int], classes: int
) -> CoalitionScores | None:
    """Return answers that were kept, or None.

    Args:
        folder: of the run.
        number: of the part.
        numbers: (N,) those of the faces that the part is about.
        pairs: of regions, and of patches.
        classes: of the network.

    Raises:
        DataError: the file is damaged.
    """
    path = _part(folder, number)
    if not is_file(path):
        return None
    part: CoalitionScores = _read(path, CoalitionScores, classes)
    if not np.array_equal(part.faces, numbers) or (part.region_members.shape[1], part.patch_members.shape[1]) != pairs:
        raise DataError(f"{path} is damaged (it is about other faces, or other pairs); start over with --force")
    return part


def join_parts(parts: Sequence[CoalitionScores]) -> CoalitionScores:
    """Return several parts as one.

    Args:
        parts: at least one.
    """
    names = [entry.name for entry in fields(CoalitionScores)]
    return CoalitionScores(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def kept_values(folder: Path, number: int, classes: int, compute: Callable[[], RegionValues]) -> RegionValues:
    """Return exact values that were kept, or compute and keep them.

    Args:
        folder: of the run.
        number: of the face.
        classes: of the network.
        compute: returns them.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / f"exact-{number:05d}.npz"
    if is_file(path):
        kept: RegionValues = _read(path, RegionValues, classes)
        return kept
    values = compute()
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{entry.name: getattr(values, entry.name) for entry in fields(RegionValues)})  # type: ignore[arg-type]
    return values


def join_exact(parts: Sequence[RegionValues]) -> RegionValues:
    """Return several faces' exact values as one.

    Args:
        parts: at least one.
    """
    return join_values(parts)


def _part(folder: Path, number: int) -> Path:
    return folder / f"answers-{number:05d}.npz"


def _read(path: Path, kind: type[Any], classes: int) -> Any:
    try:
        arrays = read_arrays(path, [entry.name for entry in fields(kind)])
    except ArchiveError as error:
        raise DataError(f"{path} is damaged ({error}); start over with --force") from error
    if any(a.dtype.kind not in "biuf" or not a.ndim or not np.isfinite(a).all() for a in arrays.values()):
        raise DataError(f"{path} is damaged (it has arrays without finite numbers); start over with --force")
    values = kind(**arrays)
    if {name: a.shape for name, a in arrays.items()} != values.shapes(classes):
        raise DataError(f"{path} is damaged (its arrays do not fit each other); start over with --force")
    return values
