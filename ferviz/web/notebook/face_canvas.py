"""A face of which parts can be hidden: what the network answers then, and the map of what is left. Nothing here knows a notebook."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ferviz import fills
from ferviz.attribution.explain import AttributionJob
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.titles import title
from ferviz.errors import UnknownNameError, UsageError
from ferviz.faces.crops import as_faces, center_crop
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE, locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import Prediction


def canvas(
    model: Model, face: Any, method: str = "auto", target: str = "predicted", layer: str | None = None,
    *, fill: str | float = "harmonic", seed: int = 0, **settings: Any,
) -> FaceCanvas:  # fmt: skip
    """Show a face in a notebook, to paint over it or to hide parts of it while the network answers.

    Args:
        model: a network.
        face: a Face, or one uint8 crop (H, W) or (H, W, 3).
        method: one of `ferviz.methods()`; "auto" for the best one that answers in one pass.
        target: "predicted" (the class that the whole face gets), a class, or a contrast such as "happy-sad".
        layer: the layer whose map is shown; None = the last one.
        fill: what stands where the face is hidden: "harmonic", "blur", "mean", "black" or a grey level.
        seed: of the noise on a harmonic fill, and for methods that draw random numbers.
        **settings: of the method.

    Returns:
        The canvas: it shows itself at the end of a cell, and holds what was painted, what the network answers, and the explanation.

    Raises:
        UsageError: not one face, an unknown fill, or the package anywidget is missing.
        UnknownNameError: an unknown method, setting, layer or class.
        ModelError: the network or its engine cannot do what the method needs.
    """
    if importlib.util.find_spec("anywidget") is None:
        raise UsageError("a canvas needs the package anywidget; install it with: pip install 'ferviz[notebook]'")
    return FaceCanvas(model, face, method, target, layer, fill=fill, seed=seed, **settings)


class FaceCanvas:
    """What `ferviz.canvas` returns: a face, what of it is hidden, and what the network says about the rest.

    The picture that is painted on has the network's size; what is explained is an ordinary picture with whole grey levels.

    Attributes:
        model: the network.
        original: the face in its own pixels, as much of it as the network sees.
        picture: (h, w, c) uint8, the same as the network takes it, before its own scaling.
        masks: (R, h, w) float32, how much of each pixel belongs to each of `ferviz.faces.regions.REGIONS`.
        fill: what stands where the face is hidden.
        seed: of the noise on a harmonic fill.
        original_prediction: what the network answers to the whole face.
    """

    def __init__(
        self, model: Model, face: Any, method: str = "auto", target: str = "predicted", layer: str | None = None,
        *, fill: str | float = "harmonic", seed: int = 0, **settings: Any,
    ) -> None:  # fmt: skip
        faces = as_faces(face)
        if len(faces) != 1:
            raise UsageError(f"a canvas shows one face, not {len(faces)}; choose one, for instance faces[0]")
        fills.check_fill(fill)
        self.model, self.fill, self.seed = as_model(model), fill, seed
        spec = self.model.input
        (located,) = locate_landmarks(faces)
        self.original = center_crop(located, spec.crop_pct) if spec.crop_pct < 1 else located
        places = FaceRegions.of([self.original], spec.size)
        self._points, self.masks = places.points[0], places.masks[0]
        self.picture = spec.resized([located.pixels])[0].round().clip(0, 255).astype(np.uint8)
        # The network for pictures that were cut and equalised already.
        self._network = replace(self.model, input=replace(spec, crop_pct=1.0, equalize=False))
        self.original_prediction = self._network.predict([self._face(self.picture)])[0]
        # What is asked stays the same while the answer changes.
        asked = self.original_prediction.label if target == "predicted" else target
        self._job = _one_target(
            AttributionJob.prepare(self._network, method, asked, layer, settings, seed=seed, passes=1)
        )
        self._settings = settings
        self._painted, self._regions = np.zeros(spec.size, np.float32), frozenset[str]()
        self._explanation: Explanation | None = None
        self._vmax: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        hidden = f"{self.hidden.mean():.0%} hidden" if self.hidden.any() else "nothing hidden"
        return f"FaceCanvas({self.model.name!r}, {self._job.name!r} for {self.target!r}, {hidden})"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return self.widget._repr_mimebundle_()

    @cached_property
    def widget(self) -> Any:
        """The widget, for layouts of several; a canvas at the end of a cell shows it by itself."""
        from ferviz.web.notebook.canvas_widget import CanvasWidget

        return CanvasWidget(self)

    @property
    def target(self) -> str:
        """What is explained, as it is typed: "happy" or "happy-sad"."""
        return self._job.targets[0].name

    @target.setter
    def target(self, target: str) -> None:
        self.change(target=target)

    @property
    def painted(self) -> np.ndarray:
        """(h, w) float32 in 0..1, the share of each pixel that was painted over; set it to paint."""
        return self._painted.copy()

    @painted.setter
    def painted(self, shares: Any) -> None:
        self.change(painted=shares)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that are hidden, in the order of REGIONS; set them to hide these and no others."""
        return tuple(name for name in REGIONS if name in self._regions)

    @regions.setter
    def regions(self, names: Any) -> None:
        self.change(regions=[names] if isinstance(names, str) else names)

    @property
    def hidden(self) -> np.ndarray:
        """(h, w) float32 in 0..1, the share of each pixel that is hidden, by the brush or with a region."""
        by_region = self.masks[[REGIONS.index(name) for name in self.regions]].sum(0)
        return np.maximum(self._painted, np.minimum(by_region, 1)).astype(np.float32)

    def change(self, painted: Any = None, regions: Iterable[str] | None = None, target: str | None = None) -> None:
        """Hide something else, or ask about another target; nothing changes where one of them is wrong.

        Args:
            painted: (h, w), the share of each pixel that is painted over, 0..1.
            regions: the regions that are hidden, and no others.
            target: what is explained.

        Raises:
            UsageError: shares of another shape or outside 0..1, or several targets.
            UnknownNameError: an unknown region or class.
        """
        shares = self._painted if painted is None else np.array(painted, np.float32)
        if shares.shape != self._painted.shape or not ((shares >= 0) & (shares <= 1)).all():
            height, width = self._painted.shape
            raise UsageError(f"what is painted is one share from 0 to 1 for each of {height} x {width} pixels")
        chosen = self._regions if regions is None else frozenset(regions)
        for name in chosen:
            if name not in REGIONS:
                raise UnknownNameError("region", name, REGIONS)
        if target not in (None, self.target):
            self._job = self._about(self.original_prediction.label if target == "predicted" else str(target))
        self._painted, self._regions, self._explanation = shares, chosen, None
        for listener in self._listeners:
            listener()

    def hide(self, *regions: str) -> FaceCanvas:
        """Hide more regions of the face.

        Args:
            *regions: their names.

        Returns:
            The canvas itself.

        Raises:
            UnknownNameError: there is no such region.
        """
        self.change(regions=[*self.regions, *regions])
        return self

    def show_all(self) -> FaceCanvas:
        """Show the whole face again.

        Returns:
            The canvas itself.
        """
        self.change(np.zeros_like(self._painted), ())
        return self

    @property
    def face(self) -> Face:
        """The face as it is now, with what is hidden filled, at the network's size."""
        return self._face(self.filled)

    @property
    def filled(self) -> np.ndarray:
        """(h, w, c) uint8, the picture with what is hidden filled."""
        hidden = self.hidden
        if not hidden.any():
            return self.picture
        pictures = fills.fill(self.picture[None].astype(np.float32), hidden[None], self.fill, self.seed)
        filled: np.ndarray = pictures[0].round().clip(0, 255).astype(np.uint8)
        return filled

    @property
    def prediction(self) -> Prediction:
        """What the network answers to the face as it is now."""
        return self.explanation.predictions[0]

    @property
    def explanation(self) -> Explanation:
        """The map of the face as it is now, for the target; it saves and draws itself as any other."""
        if self._explanation is None:
            self._explanation = self._job([self.face])
        return self._explanation

    @property
    def vmax(self) -> float:
        """The value at the end of the colour scale: the largest of the whole face's map, so that maps of one canvas compare."""
        if self.target not in self._vmax:
            unhidden = self._job([self._face(self.picture)]) if self.hidden.any() else self.explanation
            self._vmax[self.target] = float(np.abs(unhidden.raw).max()) or 1.0
        return self._vmax[self.target]

    @property
    def caption(self) -> str:
        """What the map shows, in words: "Grad-CAM for happy at relu8"."""
        layers = f" at {' and '.join(self._job.layers)}" if self._job.method.at == LAYER else ""
        return f"{title(self._job.name)} for {self.target}{layers}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the map and the regions: what was assumed about the network, whose landmarks they are."""
        typical = self.original.landmark_source == TEMPLATE_SOURCE
        return (*self.explanation.cautions(), *(["the regions are a typical face's"] if typical else []))

    def watch(self, listener: Callable[[], None]) -> None:
        """Call a function whenever something else is hidden, or another target is explained.

        Args:
            listener: takes nothing.
        """
        self._listeners.append(listener)

    def _about(self, target: str) -> AttributionJob:
        job = self._job
        layers = list(job.layers) if job.method.at == LAYER else None
        return _one_target(AttributionJob.prepare(job.model, job.name, target, layers, self._settings, seed=job.seed))

    def _face(self, picture: np.ndarray) -> Face:
        pixels = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
        known = self.original
        return Face(
            pixels, known.source, None, self._points.astype(np.float32), known.score,
            landmark_source=known.landmark_source, landmark_score=known.landmark_score,
        )  # fmt: skip


def _one_target(job: AttributionJob) -> AttributionJob:
    if len(job.targets) != 1:
        raise UsageError(
            f"a canvas shows the map of one target, not {len(job.targets)}; name one class or one contrast"
        )
    return job
