"""A Dream: the pictures, with everything about how they were made and how networks classify them; it draws and saves itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.judging import Judgement, judge
from ferviz.dreaming.sheets import dream_captions
from ferviz.errors import UsageError
from ferviz.files import PathLike, atomic
from ferviz.models.model import Model
from ferviz.rendering.printed_result import PrintedResult
from ferviz.rendering.printing import PrintSize, figure_size, screen_or_print
from ferviz.rendering.sheets.bare import fill_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from ferviz.dreaming.sheets.dream_sheet import DreamSheet


ARRAYS = ("images", "trace", "probability", "frames", "before", "probability_before")
"""The arrays of a dream's .npz file."""


@dataclass(frozen=True, eq=False)
class Dream(PrintedResult):
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
        before: (K, H, W[, 3]) uint8, the picture that each dream began with, where that was given; else (0, H, W[, 3]).
        probability_before: (K,) or (0,) the network's own probability of the class on it.
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
    before: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8), repr=False)
    probability_before: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)

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
        from ferviz.dreaming.dream_file import read_dream

        return read_dream(path)

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
            frames=self.frames[:, index], judgement=None, before=self.before[index],
            probability_before=self.probability_before[index], settings=self.settings | {"names": self.names[index]},
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

    @property
    def names(self) -> tuple[str, ...]:
        """(K,) what each dream is called on a picture."""
        names = self.settings.get("names")
        if not isinstance(names, list | tuple) or len(names) != len(self):
            return self.objective
        return tuple(map(str, names))

    def captions(self) -> list[list[str]]:
        """Describe each picture in a few lines: what the network that dreams says of it, then each judge.

        Returns:
            (K,) lists of lines.
        """
        return dream_captions.captions(self)

    def picture(
        self, *, side: int | None = None, columns: int | None = None, zoom: float = 1.0, title: str | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Draw all dreams as one sheet with captions, enlarged with Lanczos; where they begin with a picture, that comes first.

        Args:
            side: pixels of each dream's longer side; None = by their number and size.
            columns: dreams in a row; None = by their number.
            zoom: 1 for screens, 2 for fine print.
            title: None = what is shown, "" = none.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Returns:
            An RGB picture.

        Raises:
            UsageError: there is no such page.
        """
        sheet = self._sheet(title, columns, screen_or_print(width_mm, dpi, font_size), zoom, side)
        return sheet.draw(0, len(self))

    def plot(
        self, *, ax: Any = None, title: str | None = None, columns: int | None = None,
        figsize: tuple[float, float] | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page as a matplotlib Figure (made without pyplot), for papers; or draw into axes of yours.

        Args:
            ax: matplotlib Axes that take the pictures and nothing else: one, or as many as there are dreams.
            title: above the figure, or above each dream in `ax`; None = what is shown, "" = none.
            columns: dreams in a row; None = by their number.
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            width_mm: of the page, in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Returns:
            The figure, or that of `ax`.

        Raises:
            UsageError: there are not as many axes as dreams, or no such page.
        """
        if ax is not None:
            return fill_axes(ax, list(self.images), self.names, title)
        return self.first_page(
            title=title, columns=columns, figsize=figsize, width_mm=width_mm, dpi=dpi, font_size=font_size
        )

    def printed_pages(
        self, *, title: str | None = None, columns: int | None = None, figsize: tuple[float, float] | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> tuple[list[Image.Image], PrintSize]:  # fmt: skip
        """Return all dreams as printed pages, and their size.

        Args:
            title, columns, figsize, width_mm, dpi, font_size: as in `plot`.
        """
        size = figure_size(figsize, width_mm, dpi, font_size)
        return self._sheet(title, columns, size).pages(), size

    def _warnings(self) -> tuple[str, ...]:
        warnings = self.settings.get("warnings")
        return tuple(map(str, warnings)) if isinstance(warnings, list | tuple) else ()

    def _sheet(
        self,
        title: str | None,
        columns: int | None,
        printing: PrintSize | None,
        zoom: float = 1.0,
        side: int | None = None,
    ) -> DreamSheet:
        from ferviz.dreaming.sheets.dream_sheet import DreamSheet

        heading = self.settings.get("title")
        heading = heading if isinstance(heading, list | tuple) and len(heading) == 2 else ("Dreams", "")
        return DreamSheet(
            self.images, self.names, self.captions(), self.trace, self.before,
            title=str(heading[0]) if title is None else title, subtitle=str(heading[1]) if title is None else "",
            notes=dream_captions.notes(self),
            warnings=self._warnings(), side=side, columns=columns, zoom=zoom,
            printing=printing,
        )  # fmt: skip

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
        from ferviz.dreaming.sheets.animation import animation, check_animation

        check_animation(path, force)
        if not len(self.frames):
            raise UsageError("no frames were kept; dream with DreamConfig(frames=32) to animate the way")
        data = animation(self.frames, self.names, Path(path).suffix.lower(), seconds, side)
        with atomic(path, force) as temporary:
            temporary.write_bytes(data)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of an .npz file.

        Returns:
            `images` with the exact pixels, `trace`, `probability`, `frames`, `before` and `probability_before`.
        """
        return {name: getattr(self, name) for name in ARRAYS}

    def to_dict(self) -> dict[str, Any]:
        """Describe the dreams as plain data.

        Returns:
            `warnings`, what had to be assumed about the network, and `dreams` in order, each with objective, probability,
            `probability_before` (where it began with a picture), predicted, score and judges.
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
                    "probability_before": (
                        float(self.probability_before[k]) if len(self.before) and self.targets[k] else None
                    ),
                    "predicted": self.predicted[k],
                    "score": float(self.scores[k]),
                    "judges": judges,
                }
            )
        return {"warnings": list(self._warnings()), "dreams": dreams}

    def manifest(self) -> dict[str, Any]:
        """Describe how the dreams were made, as it goes into every file.

        Returns:
            `to_dict`, targets, judgement, settings, versions, platform and time.
        """
        judgement = None if self.judgement is None else self.judgement.to_dict()
        return super().manifest() | {"targets": self.targets, "judgement": judgement, "settings": self.settings}
