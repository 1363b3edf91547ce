"""A Dream: the pictures, with everything about how they were made and how networks classify them; it draws and saves itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.class_terms import class_index
from ferviz.dreaming.judging import Judgement, judge
from ferviz.dreaming.objectives import Objective
from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike, atomic, check_output, check_suffix
from ferviz.models.model import Model
from ferviz.results import Result, read_npz

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

ANIMATIONS = (".gif", ".webp")
"""Suffixes of the formats that `animate` writes."""

ARRAYS = ("images", "trace", "probability", "frames")
"""The arrays of a dream's .npz file."""


@dataclass(frozen=True, eq=False)
class Dream(Result):
    """K pictures that a network responds to most.

    Attributes:
        images: (K, H, W) or (K, H, W, 3) uint8, the pictures exactly as they are saved, without words or enlargement;
            `PIL.Image.fromarray(dream.images[0])` is the first as a picture.
        objective: (K,) names, as captions call them.
        targets: (K,) the class that each was dreamt of, "" for no class.
        trace: (K, steps) float32, the objective before each step, averaged over the views.
        probability: (K,) the network's own probability of the class on the saved 8-bit picture (NaN for no class).
        predicted: (K,) the class that the network predicts there.
        frames: (T, K, H, W[, 3]) uint8, pictures on the way, T = 0 unless asked for.
        settings: how it was made.
        judgement: how other networks classify the pictures, once `judged`.
    """

    command: ClassVar[str] = "dream"

    images: np.ndarray = field(repr=False)
    objective: tuple[str, ...]
    targets: tuple[str, ...]
    trace: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)
    predicted: tuple[str, ...]
    frames: np.ndarray = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    judgement: Judgement | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        objectives: Sequence[Objective],
        images: np.ndarray,
        trace: np.ndarray,
        frames: np.ndarray,
        settings: dict[str, Any],
    ) -> Dream:
        """Make the dream, with the network's own prediction for the 8-bit pictures.

        Args:
            model: the network that dreamt.
            objectives: (K,) what was raised.
            images, trace, frames, settings: as the attributes.

        Returns:
            The dream.
        """
        targets = tuple(_target(model, objective) for objective in objectives)
        probabilities = model.probabilities(images)
        labels = list(model.labels)
        own = [row[labels.index(t)] if t else np.nan for row, t in zip(probabilities, targets, strict=True)]
        predicted = tuple(labels[int(row.argmax())] for row in probabilities)
        names = tuple(objective.name for objective in objectives)
        return cls(images, names, targets, trace, np.array(own, np.float64), predicted, frames, settings)

    @classmethod
    def load(cls, path: PathLike) -> Dream:
        """Read a dream, without its judgement.

        Args:
            path: an .npz file that `save` wrote.

        Returns:
            The dream.

        Raises:
            DataError: for a file that is not there or is no dream.
        """
        arrays, document = read_npz(path, ARRAYS, "a dream")
        try:
            names, predicted = (tuple(each[key] for each in document["dreams"]) for key in ("objective", "predicted"))
            dream = cls(
                arrays["images"], names, tuple(document["targets"]), arrays["trace"], arrays["probability"], predicted,
                arrays["frames"], document["settings"],
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} is not a dream that ferviz saved as .npz ({error})") from error
        if problem := _problem(dream):
            raise DataError(f"{path} is not a dream that ferviz saved as .npz ({problem})")
        return dream

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        return f"Dream({len(self)} pictures of {height} x {width}: {', '.join(self.objective)})"

    def __getitem__(self, index: int | slice) -> Dream:
        if isinstance(index, int):
            position = range(len(self))[index]  # raises IndexError, and so ends iteration
            index = slice(position, position + 1)
        return replace(
            self, images=self.images[index], objective=self.objective[index], targets=self.targets[index],
            trace=self.trace[index], probability=self.probability[index], predicted=self.predicted[index],
            frames=self.frames[:, index], judgement=None,
        )  # fmt: skip

    @property
    def scores(self) -> np.ndarray:
        """(K,) the objective at the end of the ascent, averaged over the views of the last eight steps."""
        return np.asarray(self.trace[:, -8:].mean(1))

    def evaluate(
        self, judges: Model | Sequence[Model] | Mapping[str, Model], faces: Dataset | None = None, **options: Any
    ) -> Judgement:
        """Classify these dreams with networks that took no part, and measure how near they are to real faces.

        Args:
            judges, faces: as in `ferviz.dreaming.judging.judge`.
            **options: as there.

        Returns:
            The judgement.

        Raises:
            UsageError: for dreams that are not of classes.
        """
        return judge(self.images, self.targets, judges, faces, **options)

    def judged(
        self, judges: Model | Sequence[Model] | Mapping[str, Model], faces: Dataset | None = None, **options: Any
    ) -> Dream:
        """Add a judgement to the captions and files.

        Args:
            judges, faces: as in `ferviz.dreaming.judging.judge`.
            **options: as there.

        Returns:
            The same dream with its judgement.

        Raises:
            UsageError: for dreams that are not of classes.
        """
        return replace(self, judgement=self.evaluate(judges, faces, **options))

    def captions(self) -> list[list[str]]:
        """Describe each picture in a few lines: the network's own prediction, then each judge's.

        Returns:
            (K,) lists of lines.
        """
        captions = []
        for k in range(len(self)):
            if self.targets[k]:
                lines = [_verdict("itself", self.targets[k], self.predicted[k], self.probability[k])]
            else:
                lines = [f"{self.trace[k, 0]:.3g} to {self.scores[k]:.3g}"]
            if self.judgement is not None:
                j = self.judgement
                lines += [
                    _verdict(name, j.targets[k], predicted[k], probability[k])
                    for name, predicted, probability in zip(j.judges, j.predicted, j.probability, strict=True)
                ]
            captions.append(lines)
        return captions

    def picture(self, *, side: int | None = None, columns: int | None = None) -> Image.Image:
        """Draw all dreams as one sheet with captions, enlarged with Lanczos.

        Args:
            side: pixels of each dream's longer side; None = by their number and size.
            columns: dreams in a row; None = by their number.

        Returns:
            An RGB picture.
        """
        from ferviz.dreaming.plots import dream_sheet

        return dream_sheet(
            self.images, self.objective, self.captions(), self.trace, title=self._title(), notes=self._notes(), side=side, columns=columns
        )  # fmt: skip

    def plot(self, *, ax: Any = None, title: str | None = None) -> Figure:
        """Draw the dreams and the objective over the steps, for papers; or the dreams alone into axes of yours.

        Args:
            ax: matplotlib Axes that take the pictures and nothing else: one, or as many as there are dreams.
            title: above the figure, or above each dream in `ax`; None = what is shown, "" = none.

        Returns:
            A matplotlib Figure, made without pyplot, or the figure of `ax`.

        Raises:
            UsageError: there are not as many axes as dreams.
        """
        if ax is not None:
            from ferviz.rendering.sheets.bare import fill_axes

            return fill_axes(ax, list(self.images), self.objective, title)
        from ferviz.dreaming.plots import dream_figure

        return dream_figure(
            self.images, self.objective, self.captions(), self.trace, self._title() if title is None else title
        )

    def animate(self, path: PathLike, *, side: int | None = None, seconds: float = 4.0, force: bool = False) -> None:
        """Write the way from start to dream as an animation.

        Args:
            path: a .gif or .webp file.
            side: as in `picture`.
            seconds: of one round, before the last picture rests for two more.
            force: replace an existing file.

        Raises:
            UsageError: for another suffix, or where no frames were kept.
            OutputExistsError: the file is there and `force` is false.
            OutputError: the file cannot be written.
        """
        from ferviz.dreaming.plots import animation

        check_animation(path, force)
        if not len(self.frames):
            raise UsageError("no frames were kept; dream with DreamConfig(frames=32) to animate the way")
        data = animation(self.frames, self.objective, Path(path).suffix.lower(), seconds, side)
        with atomic(path, force) as temporary:
            temporary.write_bytes(data)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of an .npz file.

        Returns:
            `images` with the exact pixels, `trace`, `probability` and `frames`.
        """
        return {name: getattr(self, name) for name in ARRAYS}

    def to_dict(self) -> dict[str, Any]:
        """Describe the dreams as plain data.

        Returns:
            `dreams` in order, each with objective, probability, predicted, score and judges.
        """
        dreams: list[dict[str, Any]] = []
        for k in range(len(self)):
            judges = {}
            if self.judgement is not None:
                judges = {name: float(self.judgement.probability[j, k]) for j, name in enumerate(self.judgement.judges)}
            dreams.append(
                {
                    "objective": self.objective[k],
                    "probability": float(self.probability[k]) if self.targets[k] else None,
                    "predicted": self.predicted[k],
                    "score": float(self.scores[k]),
                    "judges": judges,
                }
            )
        return {"dreams": dreams}

    def manifest(self) -> dict[str, Any]:
        """Describe how the dreams were made, as it goes into every file.

        Returns:
            `to_dict`, targets, judgement, settings, versions, platform and time.
        """
        judgement = None if self.judgement is None else self.judgement.to_dict()
        return super().manifest() | {"targets": self.targets, "judgement": judgement, "settings": self.settings}

    def _title(self) -> str:
        name = str(self.settings.get("model", ""))
        return f"Dreams of {name}" if name and name != "bundled" else "Dreams of the bundled network"

    def _notes(self) -> tuple[str, ...]:
        s = self.settings
        if s.get("octaves"):
            largest = s["octaves"][-1]
            how = f"DeepDream of a picture, {len(s['octaves'])} octaves up to {largest[1]} x {largest[0]}"
        else:
            prior = s.get("prior")
            strength = "" if prior in (None, "none", "spectrum") else f" at strength {s.get('strength', 1):g}"
            begun = "from a picture, " if s.get("start") == "picture" else ""
            how = f"{begun}prior: {prior}{strength}"
        samples = f"{s.get('samples')} sample" + ("" if s.get("samples") == 1 else "s")
        digest = f" ({str(s.get('model_sha256'))[:8]})" if s.get("model_sha256") else ""
        return (
            f"{how}; {s.get('steps')} steps, {samples} each, seed {s.get('seed')}; network {s.get('model')}{digest}.",
            "Under each picture: the objective over the steps. A dream shows what moves this network, not how people look.",
        )


def check_animation(path: PathLike, force: bool = False) -> None:
    """Check that an animation may be written to a path; call it before the work.

    Args:
        path: the file.
        force: an existing file may be replaced.

    Raises:
        UsageError: for another suffix than .gif or .webp.
        OutputExistsError: the file is there and `force` is false.
        OutputError: the path's folder is not there, or the path is a folder.
    """
    check_suffix(path, ANIMATIONS)
    check_output(path, force)


def _problem(dream: Dream) -> str:
    """-> what in a dream's fields does not fit the rest, "" = nothing."""
    images, count = dream.images, len(dream.objective)
    shape = images.shape
    if len(shape) not in (3, 4) or shape[0] != count or 0 in shape or shape[3:] not in ((), (3,)):
        return f"{count} pictures cannot have the shape {shape}"
    if dream.frames.ndim != len(shape) + 1 or dream.frames.shape[1:] != shape:
        return f"frames of pictures {shape} cannot have the shape {dream.frames.shape}"
    if images.dtype != np.uint8 or dream.frames.dtype != np.uint8:
        return "its pictures are not uint8"
    if dream.trace.ndim != 2 or len(dream.trace) != count or not dream.trace.shape[1] or dream.trace.dtype.kind != "f":
        return "its trace is not a row of numbers for each picture"
    if dream.probability.shape != (count,) or dream.probability.dtype.kind != "f":
        return "its probabilities are not a number for each picture"
    if any(len(names) != count for names in (dream.targets, dream.predicted)):
        return "it has not a target and a prediction for each picture"
    if not all(isinstance(name, str) for name in (*dream.objective, *dream.targets, *dream.predicted)):
        return "its names are not texts"
    return "" if isinstance(dream.settings, dict) else "its settings are no object"


def _target(model: Model, objective: Objective) -> str:
    """-> the class that an objective raises most, "" where it raises none."""
    target = objective.target
    return "" if target == "" else model.labels[class_index(target, model.labels)]


def _verdict(judge: str, target: str, predicted: str, probability: float) -> str:
    if np.isnan(probability):
        return f"{judge}: {predicted} (does not know {target})"
    return f"{judge}: {probability:.2f}" + ("" if predicted == target else f", predicts {predicted}")
