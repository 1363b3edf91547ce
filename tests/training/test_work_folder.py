"""What a stopped run of `teach` kept, damaged: one sentence, whatever it holds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.errors import DataError
from ferviz.training.explainer import work_folder
from ferviz.training.explainer.coalitions import CoalitionScores
from ferviz.training.explainer.examination import RegionValues

CLASSES, PAIRS = 3, (2, 1)
NUMBERS = np.arange(4, 6)


def answers() -> CoalitionScores:
    logits, half = np.ones((2, CLASSES), np.float32), np.ones((2, sum(PAIRS), CLASSES), np.float32)
    return CoalitionScores(
        NUMBERS, np.ones((2, 2, 8), bool), np.ones((2, 1, 36), bool), np.ones((2, 8, 12, 12), np.float16), logits, logits, half, half
    )  # fmt: skip


def arrays_of(result: Any) -> dict[str, np.ndarray]:
    return {entry.name: getattr(result, entry.name) for entry in fields(result)}


def test_kept_answers_come_back(tmp_path: Path) -> None:
    work_folder.save_part(tmp_path, 0, answers())
    part = work_folder.load_part(tmp_path, 0, NUMBERS, PAIRS, CLASSES)
    assert part is not None
    for name, array in arrays_of(answers()).items():
        np.testing.assert_array_equal(getattr(part, name), array)
    assert work_folder.load_part(tmp_path, 1, NUMBERS, PAIRS, CLASSES) is None


@pytest.mark.parametrize(
    "change",
    [
        {"faces": np.arange(2)}, {"faces": np.int64(4)}, {"seen": np.full((2, CLASSES), "a")}, {"seen": np.ones((2, CLASSES + 1))},
        {"hidden": np.full((2, CLASSES), np.nan)}, {"shown": np.ones((2, 4, CLASSES))}, {"region_shares": np.ones((2, 8, 6, 6))},
        {"region_members": np.ones((2, 1, 8), bool), "shown": np.ones((2, 2, CLASSES)), "covered": np.ones((2, 2, CLASSES))},
    ],
    ids=["other faces", "no axis", "text", "classes", "NaN", "pairs", "cells", "fewer pairs"],
)  # fmt: skip
def test_damaged_answers_are_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    np.savez(tmp_path / "answers-00000.npz", **arrays_of(answers()) | change)
    with pytest.raises(DataError, match=r"damaged.*--force"):
        work_folder.load_part(tmp_path, 0, NUMBERS, PAIRS, CLASSES)


@pytest.mark.parametrize(
    "change",
    [{"values": np.ones((1, CLASSES, 7))}, {"shares": np.ones((1, 8, 12))}, {"predicted": np.array(["happy"])}, {"values": np.float64(1)}],
    ids=["regions", "cells", "text", "no axis"],
)  # fmt: skip
def test_damaged_exact_values_are_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    values = RegionValues(np.ones((1, CLASSES, 8)), np.ones((1, 8, 12, 12), np.float32), np.array([2]))
    kept = work_folder.kept_values(tmp_path, 0, CLASSES, lambda: values)
    np.testing.assert_array_equal(work_folder.kept_values(tmp_path, 0, CLASSES, pytest.fail).values, kept.values)
    np.savez(tmp_path / "exact-00000.npz", **arrays_of(values) | change)
    with pytest.raises(DataError, match=r"damaged.*--force"):
        work_folder.kept_values(tmp_path, 0, CLASSES, pytest.fail)


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 50_000, '{"seed": 1}', "\ud800"], ids=["empty", "list", "deep", "other", "no text"]
)
def test_another_plan_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match="--force"):
        work_folder.check_plan(tmp_path, {"seed": 0})
