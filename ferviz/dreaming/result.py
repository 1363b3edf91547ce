"""A Dream: the pictures, with everything that tells how they came about and how good they are; it draws and saves itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.dreaming.judging import Judgement, judge
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.terms import Logit
from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike, atomic, check_kind, check_output, manifest, to_json, write_npz, write_text
from ferviz.images import FORMATS, encode, write_image
from ferviz.models.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

ANIMATIONS = (".gif", ".webp")
"""Suffixes that `animate` writes."""


@dataclass(frozen=True, eq=False)
class Dream:
    """What `ferviz.dream` answers.

    images: (K, H, W) or (K, H, W, 3) uint8, the pictures exactly as they are saved. objective: (K,) names, as captions call them.
    targets: (K,) the class that each was dreamt of, "" where it was none. trace: (K, steps) float32, the objective before each step,
    averaged over the views. probability: (K,) what the network itself gives to the class on the saved 8-bit picture (NaN for no class);
    said: (K,) the class it names there. frames: (T, K, H, W[, 3]) uint8, the way, T = 0 unless asked for.
    settings: how it was made. judgement: what other networks say, once `judged`.
    """

    images: np.ndarray = field(repr=False)
    objective: tuple[str, ...]
    targets: tuple[str, ...]
    trace: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)
    said: tuple[str, ...]
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
        """Return the dream with the network's own verdict on the 8-bit pictures; arguments as the fields."""
        targets = tuple(_target(model, objective) for objective in objectives)
        answers = model.probabilities(images)
        labels = list(model.labels)
        own = [row[labels.index(t)] if t else np.nan for row, t in zip(answers, targets, strict=True)]
        said = tuple(labels[int(row.argmax())] for row in answers)
        names = tuple(objective.name for objective in objectives)
        return cls(images, names, targets, trace, np.array(own, np.float64), said, frames, settings)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        return f"Dream({len(self)} pictures of {height} x {width}: {', '.join(self.objective)})"

    def __getitem__(self, which: int | slice) -> Dream:
        """Return one of the dreams, or a slice of them, without the judgement."""
        if isinstance(which, int):
            position = range(len(self))[which]  # raises IndexError, and so ends iteration
            which = slice(position, position + 1)
        return replace(
            self, images=self.images[which], objective=self.objective[which], targets=self.targets[which],
            trace=self.trace[which], probability=self.probability[which], said=self.said[which],
            frames=self.frames[:, which], judgement=None,
        )  # fmt: skip

    @property
    def scores(self) -> np.ndarray:
        """(K,) the objective at the end of the ascent, averaged over the views of the last eight steps."""
        return np.asarray(self.trace[:, -8:].mean(1))

    def evaluate(
        self, judges: Model | Sequence[Model] | Mapping[str, Model], faces: Dataset | None = None, **options: Any
    ) -> Judgement:
        """Return what networks that took no part see in these dreams, and how near they are to real faces.

        judges, faces, options: as in `ferviz.dreaming.judging.judge`. Raises UsageError for dreams that are not of classes.
        """
        return judge(self.images, self.targets, judges, faces, **options)

    def judged(
        self, judges: Model | Sequence[Model] | Mapping[str, Model], faces: Dataset | None = None, **options: Any
    ) -> Dream:
        """Return the same dream with the judgement in its captions and files; arguments as for `evaluate`."""
        return replace(self, judgement=self.evaluate(judges, faces, **options))

    def captions(self) -> list[list[str]]:
        """Return the lines under each picture: the network's own verdict, then each judge's."""
        lines = []
        for k in range(len(self)):
            if self.targets[k]:
                lines.append([_verdict("itself", self.targets[k], self.said[k], self.probability[k])])
            else:
                lines.append([f"{_short(self.trace[k, 0])} to {_short(self.scores[k])}"])
            if self.judgement is not None:
                for j, name in enumerate(self.judgement.judges):
                    lines[-1].append(
                        _verdict(
                            name, self.judgement.targets[k], self.judgement.said[j][k], self.judgement.probability[j, k]
                        )
                    )
        return lines

    def picture(self, *, side: int | None = None, columns: int | None = None) -> Image.Image:
        """Return all dreams as one RGB picture with captions, enlarged with Lanczos.

        side: pixels of each dream's longer side; None = by their number and size. columns: None = by their number.
        """
        from ferviz.dreaming.plots import dream_sheet

        return dream_sheet(
            self.images, self.objective, self.captions(), self.trace, title=self._title(), notes=self._notes(), side=side, columns=columns
        )  # fmt: skip

    def plot(self) -> Figure:
        """Return the dreams and the objective over the steps as a matplotlib Figure (made without pyplot), for papers."""
        from ferviz.dreaming.plots import dream_figure

        return dream_figure(self.images, self.objective, self.captions(), self.trace, self._title())

    def animate(self, path: PathLike, *, side: int | None = None, seconds: float = 4.0, force: bool = False) -> None:
        """Write the way from start to dream as an animation.

        path: .gif or .webp. side: as in `picture`. seconds: of one round, before the last picture rests for two more.
        Raises UsageError for another suffix or where no frames were kept, OutputExistsError, OutputError.
        """
        from ferviz.dreaming.plots import animation

        check_animation(path)
        if not len(self.frames):
            raise UsageError("no frames were kept; dream with frames=32 to animate the way")
        data = animation(self.frames, self.objective, Path(path).suffix.lower(), seconds, side)
        with atomic(path, force) as temporary:
            temporary.write_bytes(data)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data: `dreams` in order, each with objective, probability, said, score and judges."""
        dreams: list[dict[str, Any]] = []
        for k in range(len(self)):
            judges = {}
            if self.judgement is not None:
                judges = {name: float(self.judgement.probability[j, k]) for j, name in enumerate(self.judgement.judges)}
            dreams.append(
                {
                    "objective": self.objective[k],
                    "probability": float(self.probability[k]) if self.targets[k] else None,
                    "said": self.said[k],
                    "score": float(self.scores[k]),
                    "judges": judges,
                }
            )
        return {"dreams": dreams}

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, targets, judgement, settings, versions, time."""
        judgement = None if self.judgement is None else self.judgement.to_dict()
        return manifest(
            command="dream", **self.to_dict(), targets=self.targets, judgement=judgement, settings=self.settings
        )

    def save(self, path: PathLike, force: bool = False, *, side: int | None = None) -> None:
        """Write the dream; the suffix says as what, and the manifest goes along.

        path: .png, .jpg, .webp ... = the sheet; .pdf, .svg = the figure; .npz = `images` with the exact pixels, `trace`, `probability`,
        `frames`, `manifest`; .json = `to_dict` and the settings. force: replace an existing file. side: as in `picture`.
        Raises UsageError for another suffix, OutputExistsError, OutputError; a file is there whole or not at all.
        """
        suffix = Path(path).suffix.lower()
        check_suffix(path)
        check_output(path, force)
        if suffix == ".npz":
            arrays = {
                "images": self.images,
                "trace": self.trace,
                "probability": self.probability,
                "frames": self.frames,
            }
            write_npz(path, arrays, self.manifest(), force)
        elif suffix == ".json":
            write_text(path, to_json(self.manifest(), indent=2) + "\n", force)
        elif suffix in (".pdf", ".svg"):
            with atomic(path, force) as temporary:
                self.plot().savefig(temporary, metadata={"CreationDate" if suffix == ".pdf" else "Date": None})
        else:
            write_image(path, self.picture(side=side), manifest=self.manifest(), force=force)

    @classmethod
    def load(cls, path: PathLike) -> Dream:
        """Return a dream that `save` wrote as .npz, without its judgement. Raises DataError for a file that is none."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("images", "trace", "probability", "frames")}
                made = json.loads(str(file["manifest"]))
            names = tuple(one["objective"] for one in made["dreams"])
            said = tuple(one["said"] for one in made["dreams"])
            return cls(
                arrays["images"], names, tuple(made["targets"]), arrays["trace"], arrays["probability"], said,
                arrays["frames"], made["settings"],
            )  # fmt: skip
        except FileNotFoundError:
            raise DataError(f"{path} is not there; check the path") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise DataError(f"{path} is not a dream that ferviz saved as .npz ({error})") from error

    def _repr_png_(self) -> bytes:
        return encode(self.picture(), ".png")

    def _title(self) -> str:
        name = str(self.settings.get("model", ""))
        return f"What {name} dreams of" if name and name != "bundled" else "What the bundled network dreams of"

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
        views = f"{s.get('samples')} view" + ("" if s.get("samples") == 1 else "s")
        digest = f" ({str(s.get('model_sha256'))[:8]})" if s.get("model_sha256") else ""
        return (
            f"{how}; {s.get('steps')} steps, {views} each, seed {s.get('seed')}; network {s.get('model')}{digest}.",
            "Under each picture: the objective over the steps. A dream shows what moves this network, not how people look.",
        )


def check_suffix(path: PathLike) -> None:
    """Raise UsageError, in one sentence, for a path whose suffix says nothing that is written."""
    check_kind(path, (*FORMATS, ".pdf", ".svg", ".npz", ".json"))


def check_animation(path: PathLike) -> None:
    """Raise UsageError, in one sentence, for an animation with another suffix than .gif or .webp."""
    suffix = Path(path).suffix
    if suffix.lower() not in ANIMATIONS:
        raise UsageError(
            f"{path} cannot be animated as {suffix or 'a file without a suffix'}; use {' or '.join(ANIMATIONS)}"
        )


def _target(model: Model, objective: Objective) -> str:
    """The class that an objective wants most, "" where it wants none."""
    wanted = [(weight, term.target) for weight, term in objective.terms if isinstance(term, Logit) and weight > 0]
    if not wanted:
        return ""
    target = max(wanted, key=lambda pair: pair[0])[1]
    index = target if isinstance(target, int) else [*map(_canonical, model.labels)].index(_canonical(target))
    return model.labels[index]


def _canonical(name: str) -> str:
    from ferviz.emotions import canonical

    return canonical(name)


def _verdict(who: str, target: str, said: str, probability: float) -> str:
    if np.isnan(probability):
        return f"{who}: {said} (does not know {target})"
    return f"{who}: {probability:.2f}" + ("" if said == target else f", says {said}")


def _short(value: float) -> str:
    return f"{value:.3g}"
