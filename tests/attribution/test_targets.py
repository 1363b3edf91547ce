"""Targets: what the words mean, as weights on logits."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.attribution.targets import parse_targets, resolve, target_weights
from ferviz.errors import UnknownNameError, UsageError

LABELS = ("angry", "happy", "sad", "non-happy")


def weights(text: object) -> list[list[float]]:
    return target_weights(parse_targets(text, LABELS), LABELS, 1)[0].tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("happy", [[0, 1, 0, 0, 0]]),
        ("predicted", [[0, 0, 0, 0, 1]]),
        ("happy-sad", [[0, 1, -1, 0, 0]]),
        ("non-happy", [[0, 0, 0, 1, 0]]),
        ("non-happy-happy", [[0, -1, 0, 1, 0]]),
        ("happy-non-happy", [[0, 1, 0, -1, 0]]),
        ("2*happy - 0.5*sad + angry", [[1, 2, -0.5, 0, 0]]),
        ("-sad", [[0, 0, -1, 0, 0]]),
        ("predicted-happy", [[0, -1, 0, 0, 1]]),
        ("Happiness", [[0, 1, 0, 0, 0]]),
        ("happy, sad", [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]),
        (["happy", "sad-angry"], [[0, 1, 0, 0, 0], [-1, 0, 1, 0, 0]]),
        ({"sad": 3, "happy": -2}, [[0, -2, 3, 0, 0]]),
        ("all", [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]),
    ],
)
def test_what_targets_mean(text: object, wanted: list[list[float]]) -> None:
    assert weights(text) == wanted


def test_names_and_contrasts() -> None:
    found = parse_targets("2*happy-sad,happy+sad,all", ("happy", "sad"))
    assert [t.name for t in found] == ["2*happy-sad", "happy+sad", "happy", "sad"]
    assert [t.contrast for t in found] == [True, False, False, False]


def test_the_predicted_class_is_each_pictures_own() -> None:
    asked = target_weights(parse_targets("predicted-sad,happy", LABELS), LABELS, 2)
    logits = np.array([[9, 1, 1, 1], [0, 0, 5, 1]], np.float32)
    assert resolve(asked, logits).tolist() == [
        [[1, 0, -1, 0], [0, 1, 0, 0]],
        [[0, 0, 0, 0], [0, 1, 0, 0]],  # sad rather than sad is nothing
    ]


@pytest.mark.parametrize("text", ["hapy", "happy-sadd", "2*hapy", "happy--", "happy-", "", "2*", "happy sad"])
def test_unknown_classes_are_named(text: str) -> None:
    with pytest.raises(UnknownNameError, match=r"class .* is not in this model; it has angry, happy, sad, non-happy"):
        parse_targets(text, LABELS)


def test_did_you_mean() -> None:
    with pytest.raises(UnknownNameError, match=r"'hapy' .*did you mean 'happy'"):
        parse_targets("hapy-sad", LABELS)


@pytest.mark.parametrize("text", ["happy,happy", "0*happy", [], [3], 3, {}, {"happy": float("nan")}])
def test_what_is_no_target(text: object) -> None:
    with pytest.raises(UsageError):
        parse_targets(text, LABELS)  # type: ignore[arg-type]
