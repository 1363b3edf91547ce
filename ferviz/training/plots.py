"""The pictures of a run: its curves, and TensorBoard's logs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferviz.errors import UsageError
from ferviz.files import atomic
from ferviz.rendering.lettering import one_font, one_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, BLUE, RED, GREY = "#262626", "#3b6ea8", "#c8432f", "#b8b8b8"


def curves_figure(history: list[dict[str, float]], title: str = "") -> Figure:
    """Return a figure of loss and validation accuracy over the epochs, with the best epoch marked.

    Args:
        history: one or more rows with epoch, loss, val_loss, val_accuracy (0 to 1).
        title: the figure's title.
    """
    from ferviz.rendering.shown_figure import ShownFigure

    epochs = [row["epoch"] for row in history]
    figure = ShownFigure(figsize=(8, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    for key, color, name in (
        ("loss", GREY, "training (the configured loss, augmented faces)"),
        ("val_loss", BLUE, "validation"),
    ):
        left.plot(epochs, [row[key] for row in history], color=color, lw=1.8, label=name)
    left.set(xlabel="epoch", ylabel="cross-entropy", title="loss")
    left.legend(frameon=False, fontsize=8)
    best = max(history, key=lambda row: row["val_accuracy"])
    right.plot(epochs, [100 * row["val_accuracy"] for row in history], color=BLUE, lw=1.8)
    right.plot([best["epoch"]], [100 * best["val_accuracy"]], "o", color=RED, ms=6, clip_on=False)
    right.annotate(
        f"{100 * best['val_accuracy']:.1f} % in epoch {best['epoch']:.0f}", (best["epoch"], 100 * best["val_accuracy"]),
        xytext=(0, 8), textcoords="offset points", ha="right", color=RED, fontsize=9,
    )  # fmt: skip
    right.margins(y=0.12)  # room for the words above the best epoch
    right.set(xlabel="epoch", ylabel="accuracy, %", title="validation accuracy")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#ececec")
        axes.set_axisbelow(True)
        axes.xaxis.get_major_locator().set_params(integer=True)  # there is no half epoch
    if title:
        figure.suptitle(title, color=INK, fontsize=10)
    return one_font(figure)


def write_curves(folder: Path, history: list[dict[str, float]], title: str = "") -> None:
    """Write curves.png into a run folder, atomically.

    Args:
        folder: the run folder.
        history, title: as for `curves_figure`.
    """
    with atomic(folder / "curves.png") as temporary:
        curves_figure(history, title).savefig(temporary)


def check_tensorboard() -> None:
    """Check that TensorBoard's logs can be written.

    Raises:
        UsageError: the package tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            "the option tensorboard (--tensorboard) needs the package tensorboard; install it with pip install tensorboard"
        )


def write_tensorboard(
    folder: Path, history: list[dict[str, float]], matrix: np.ndarray | None = None, labels: Sequence[str] = ()
) -> None:
    """Write the history as TensorBoard's scalars into `tensorboard/`, and the last epoch's confusion matrix as a picture.

    All scalars are written anew each time, and the picture of each epoch has a file of its own below `tensorboard/confusion/`, so that
    a resumed run shows every epoch once.

    Args:
        folder: the run folder.
        history: one row for each epoch.
        matrix: (K, K) counts, the true class in rows; None for no picture.
        labels: K class names.
    """
    import tensorflow as tf

    logs = folder / "tensorboard"
    for old in logs.glob("events.*"):
        old.unlink()
    if matrix is not None:
        _write_confusion(logs / "confusion", int(history[-1]["epoch"]), matrix, labels)
    writer = tf.summary.create_file_writer(str(logs))
    with writer.as_default():
        for row in history:
            for key in ("learning_rate", "loss", "val_loss", "val_accuracy"):
                tf.summary.scalar(key, row[key], step=int(row["epoch"]))
    writer.close()


def _write_confusion(folder: Path, epoch: int, matrix: np.ndarray, labels: Sequence[str]) -> None:
    import tensorflow as tf
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ferviz.evaluation.class_axes import confusion_axes
    from ferviz.rendering.shown_figure import ShownFigure

    suffix = f".epoch{epoch}"
    for old in folder.glob("events.*" if epoch == 1 else f"events.*{suffix}"):
        old.unlink()
    figure = ShownFigure(figsize=(6, 5.4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    confusion_axes(figure.subplots(), matrix, labels, 9, 6)
    one_font(one_size(figure, 9))
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3]
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=suffix)
    with writer.as_default():
        tf.summary.image("validation confusion", picture[None], step=epoch)
    writer.close()
