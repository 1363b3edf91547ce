"""Conditions on faces as text: what they select, and sentences for what they cannot mean."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.data.where import mask_of, parse_where, prediction_columns
from ferviz.errors import UnknownNameError, UsageError
from ferviz.tables.selection import positions

LABELS = ("angry", "happy", "sad")
SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
TRUE = ("angry", "sad", "sad", "fear")
COLUMNS = prediction_columns(SHARES, LABELS, TRUE) | {
    "true": np.array(TRUE), "row": np.array([3, 5, 8, 13]), "split": np.array(["Training"] * 3 + ["my test"])
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "faces"),
    [
        ("true=sad", [1, 2]),
        ("true=sad predicted=happy", [1]),
        ("true=sad and predicted=happy", [1]),
        ("true = sadness, confidence", None),
        ("TRUE == Sad", [1, 2]),
        ("true=sad,angry", [0, 1, 2]),
        ("true!=sad,angry", [3]),
        ("confidence>0.6", [0, 3]),
        ("confidence >= .6", [0, 1, 3]),
        ("p_happy<0.3 row>=3", [0]),
        ("correct=no", [1, 3]),
        ("correct=yes", [0, 2]),
        ("p_true<0.4", [1, 3]),
        ("second=sad", [1]),
        ("row=3,13", [0, 3]),
        ("split='my test'", [3]),
        ('split="my test"', [3]),
        ("true=happy", []),
    ],
)
def test_what_conditions_select(text: str, faces: list[int] | None) -> None:
    if faces is None:
        with pytest.raises(UsageError):
            mask_of(parse_where(text), COLUMNS, (*LABELS, "fear"))
        return
    assert np.flatnonzero(mask_of(parse_where(text), COLUMNS, (*LABELS, "fear"))).tolist() == faces


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"), ("   ", "empty"), ("true", "no condition"), ("true=", "true="), ("=sad", "no condition"),
        ("true=sad predicted", "predicted"), ("true=,", "no value"), ("true<sad", "by size"), ("confidence>high", "high"),
        ("confidence>nan", "nan"), ("confidence>0.1,0.2", "2 numbers"), ("correct=maybe", "correct=yes"),
        ("colour=red", "colour"), ("true=sda", "sad"), ("__import__('os').system('true')", "no condition"),
        ("true=sad;row>3", "no condition"), ("(true=sad)", r"\(true"), ("x" * 3000, "2,000"), ("true=\u202esad", "u202e"),
    ],
)  # fmt: skip
def test_a_condition_that_means_nothing_is_one_sentence(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match) as error:
        mask_of(parse_where(text), COLUMNS, (*LABELS, "fear"))
    assert "\n" not in str(error.value)


def test_a_condition_has_to_be_text() -> None:
    with pytest.raises(UsageError, match="float"):
        parse_where(0.5)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="true"):
        mask_of(parse_where("ture=sad"), COLUMNS)


def test_what_selects_faces() -> None:
    assert positions([True, False, True], 3).tolist() == [0, 2]
    assert positions([2, 0, 2], 3).tolist() == [2, 0, 2]
    assert positions(-1, 3).tolist() == [2]
    assert positions(slice(None, None, -1), 3).tolist() == [2, 1, 0]
    assert positions([], 3).tolist() == []
    with pytest.raises(UsageError, match=r"\(2,\)"):
        positions([True, False], 3)
    with pytest.raises(UsageError, match="numbers, a slice"):
        positions([0.5], 3)
    with pytest.raises(UsageError, match="one dimension"):
        positions([[0, 1]], 3)
    with pytest.raises(IndexError):
        positions([3], 3)
