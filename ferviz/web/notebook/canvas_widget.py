"""The widget of a `FaceCanvas`: what goes between a notebook's page and Python. Needs the package anywidget."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from ferviz.errors import FervizError, UsageError
from ferviz.faces.regions import REGIONS
from ferviz.images import encode
from ferviz.rendering.colormaps import DIVERGING, table
from ferviz.rendering.tiles import fit_face
from ferviz.web.notebook.one_module import one_module

if TYPE_CHECKING:
    from ferviz.web.notebook.face_canvas import FaceCanvas

SIDE = 384
"""Pixels of the face's longer side in the notebook."""

_HERE = Path(__file__).parent


@cache
def _module() -> str:
    return one_module(_HERE / "canvas.js")


class CanvasWidget(anywidget.AnyWidget):
    """What a notebook shows of a canvas.

    The page asks by changing `painted`, `regions` or `target` together with `asked`, a number; Python replies with `answer`, which
    holds the same number. What Python itself changes has the last number again.

    Attributes:
        facts: what stays: labels, regions, height and width, colour maps.
        photo: the face as a PNG file.
        masks: (R, h, w) bytes, 255 times how much of a pixel belongs to each region.
        painted: (h, w) bytes, 255 times the share of each pixel that is painted over.
        regions: names of the hidden regions.
        target: what is explained.
        asked: number of the last question.
        answer: number, probabilities and those of the whole face (in the labels' order), picture ((h, w, c) bytes, filled), map
            (float32), its height, width and vmax, caption, notes; or number and error.
    """

    facts = traitlets.Dict().tag(sync=True)
    photo = traitlets.Bytes().tag(sync=True)
    masks = traitlets.Bytes().tag(sync=True)
    painted = traitlets.Bytes().tag(sync=True)
    regions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Int(0).tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, canvas: FaceCanvas) -> None:
        height, width, channels = canvas.picture.shape
        self._canvas = canvas
        self._esm, self._css = _module(), (_HERE / "canvas.css").read_text(encoding="utf-8")
        super().__init__(
            facts={
                "labels": list(canvas.model.labels), "regions": list(REGIONS), "height": height, "width": width, "channels": channels,
                "colormaps": {"amount": table("inferno").tolist(), "signed": table(DIVERGING).tolist()},
            },
            photo=encode(fit_face(canvas.original.pixels, SIDE)),
            masks=_bytes(canvas.masks),
        )  # fmt: skip
        canvas.watch(self._show)
        self._show()

    @traitlets.observe("asked")
    def _take(self, _: Any) -> None:
        """Do what the page asks; the canvas calls `_show` then. A question that cannot be answered gets its sentence."""
        shape = self._canvas.masks.shape[1:]
        try:
            if len(self.painted) != np.prod(shape):
                raise UsageError("what was painted did not arrive; paint again")
            shares = np.frombuffer(self.painted, np.uint8).reshape(shape) / 255
            self._canvas.change(shares, self.regions, self.target)
        except FervizError as error:
            self.answer = {"number": self.asked, "error": str(error)}

    def _show(self) -> None:
        canvas = self._canvas
        self.painted, self.regions, self.target = _bytes(canvas.painted), list(canvas.regions), canvas.target
        self.answer = {"number": self.asked, **_answer(canvas)}


def _answer(canvas: FaceCanvas) -> dict[str, Any]:
    (probabilities,), raw = canvas.explanation.predictions, canvas.explanation.raw[0, 0]
    labels = canvas.model.labels
    return {
        "probabilities": [probabilities.probabilities[label] for label in labels],
        "original": [canvas.original_prediction.probabilities[label] for label in labels],
        "picture": canvas.filled.tobytes(),
        "map": raw.astype("<f4").tobytes(), "height": raw.shape[0], "width": raw.shape[1], "vmax": canvas.vmax,
        "caption": canvas.caption, "notes": list(canvas.notes),
    }  # fmt: skip


def _bytes(shares: np.ndarray) -> bytes:
    return np.rint(shares * 255).astype(np.uint8).tobytes()
