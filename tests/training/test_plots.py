"""The curves' picture, and TensorBoard's logs read back."""

from __future__ import annotations

import importlib
import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz.errors import UsageError
from ferviz.training.plots import check_tensorboard, curves_figure, write_curves, write_tensorboard

HISTORY = [
    {"epoch": e, "learning_rate": 0.1 / e, "loss": 2 / e, "val_loss": 1.5 / e, "val_accuracy": a, "seconds": 1.0}
    for e, a in ((1, 0.2), (2, 0.55), (3, 0.5))
]


def test_curves_show_the_history_and_name_the_best_epoch(tmp_path: Path) -> None:
    left, right = curves_figure(HISTORY, "mine").axes
    np.testing.assert_allclose([line.get_ydata() for line in left.lines], [[2, 1, 2 / 3], [1.5, 0.75, 0.5]])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [20, 55, 50])
    assert [text.get_text() for text in right.texts] == ["55.0 % in epoch 2"]
    write_curves(tmp_path, HISTORY[:1])
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (960, 408)


def test_tensorboard_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        check_tensorboard()


def test_tensorboard_shows_each_epoch_once_even_after_a_resume(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs ferviz[tensorboard]"
    )
    tensor_util = importlib.import_module("tensorboard.util.tensor_util")
    write_tensorboard(tmp_path, HISTORY[:2])
    write_tensorboard(tmp_path, HISTORY)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors("val_accuracy")]
    assert [step for step, _ in found] == [1, 2, 3]
    np.testing.assert_allclose([value for _, value in found], [0.2, 0.55, 0.5], rtol=1e-6)


def test_tensorboard_shows_the_confusion_matrix_of_each_epoch_once(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs ferviz[tensorboard]"
    )
    tensor_util = importlib.import_module("tensorboard.util.tensor_util")
    right, wrong = np.diag([5, 5]), np.array([[0, 5], [5, 0]])
    for epochs, matrix in (
        (1, wrong),
        (2, wrong),
        (2, right),
        (3, right),
    ):  # the second epoch is repeated by a resumed run
        write_tensorboard(tmp_path, HISTORY[:epochs], matrix, ("happy", "sad"))
    found = {}
    for file in sorted((tmp_path / "tensorboard" / "confusion").iterdir()):
        events = accumulator.EventAccumulator(str(file))
        events.Reload()
        for event in events.Tensors("validation confusion"):
            assert event.step not in found
            found[event.step] = tensor_util.make_ndarray(event.tensor_proto)[2]
    assert sorted(found) == [1, 2, 3]
    assert found[2] == found[3] != found[1], "the repeated epoch shows its last matrix"
    with Image.open(io.BytesIO(found[3])) as picture:
        blue = np.asarray(picture.convert("RGB"), float)
    height, width = blue.shape[:2]
    diagonal = blue[height // 5, width * 3 // 10, 0], blue[height * 7 // 10, width * 8 // 10, 0]
    assert max(diagonal) < 60 < 200 < blue[height // 5, width * 8 // 10, 0], (
        "true classes are the rows, dark where all are"
    )
    write_tensorboard(tmp_path, HISTORY[:1], right, ("happy", "sad"))
    assert len(list((tmp_path / "tensorboard" / "confusion").iterdir())) == 1, (
        "a run that starts over leaves nothing behind"
    )
