"""What a stopped run of `ferviz teach` left beside its output: its plan, a network's answers, and exact values."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np

from fuzz.mutate.archives import mutate_folder, unpack, write_members
from fuzz.target import Target

_CLASSES, _FACES, _PAIRS = 7, 2, (3, 2)
_PLAN = {
    "network": "0" * 64,
    "faces": "1" * 64,
    "seed": 0,
    "region_pairs": 3,
    "patch_pairs": 2,
    "examined": 1,
    "fills": ["blur"],
}


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _seeds() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    total = sum(_PAIRS)

    def logits(*shape: int) -> np.ndarray:
        return rng.normal(size=(*shape, _CLASSES)).astype(np.float32)

    answers = _npz(
        faces=np.arange(_FACES), region_members=rng.random((_FACES, _PAIRS[0], 8)) < 0.5,
        patch_members=rng.random((_FACES, _PAIRS[1], 36)) < 0.5, region_shares=rng.random((_FACES, 8, 12, 12)).astype(np.float16),
        seen=logits(_FACES), hidden=logits(_FACES), shown=logits(_FACES, total), covered=logits(_FACES, total),
    )  # fmt: skip
    exact = _npz(values=rng.normal(size=(1, _CLASSES, 8)), shares=rng.random((1, 8, 12, 12)), predicted=np.array([3]))
    return {
        "run": write_members(
            {"plan.json": json.dumps(_PLAN).encode(), "answers-00000.npz": answers, "exact-00000.npz": exact}
        )
    }


def _read(path: Path) -> None:
    from ferviz.errors import DataError
    from ferviz.training.explainer import work_folder

    folder = path.parent / "x.ferviz.teaching"
    if not unpack(path, folder, ("plan.json", "answers-00000.npz", "exact-00000.npz")):
        return

    def ask():
        raise FileNotFoundError

    if (folder / "plan.json").exists():
        with contextlib.suppress(DataError):  # another plan is refused; the other files are read all the same
            work_folder.check_plan(folder, _PLAN)
    parts = [work_folder.load_part(folder, 0, np.arange(_FACES), _PAIRS, _CLASSES)] * 2
    if parts[0] is not None:
        together = work_folder.join_parts(parts)
        together.design(), together.differences()
    try:
        work_folder.join_exact([work_folder.kept_values(folder, 0, _CLASSES, ask)] * 2)
    except FileNotFoundError:
        return


def _prepare() -> None:
    import ferviz.training.explainer.work_folder  # noqa: F401


TARGETS = (Target("teaching", "ferviz teach --resume", ".zip", _seeds, mutate_folder, _read, _prepare),)
