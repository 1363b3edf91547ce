"""The recipe: every choice of a training run that is not the data, the architecture or the seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ferviz.errors import UsageError

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "plateau", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
CLASS_WEIGHTS = ("none", "balanced")


@dataclass(frozen=True)
class Augmentation:
    """What is done to a face before each training step, drawn anew every time.

    flip: probability of a mirror image. shift: largest shift, in pixels of a 48-pixel face. rotate: largest angle, degrees.
    zoom: largest change of scale, .1 = 0.9 to 1.1. brightness: largest change, as part of the full range. contrast: largest change of the
    factor. erase: probability of a rectangle filled with one grey. noise: deviation of Gaussian noise, part of the full range.
    mixup: alpha of the beta distribution that mixes two faces and their labels (Zhang et al. 2018), 0 = off.
    """

    flip: float = 0.5
    shift: float = 3.0
    rotate: float = 10.0
    zoom: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.15
    erase: float = 0.25
    noise: float = 0.02
    mixup: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    epochs, batch: passes over the data; faces a step. optimizer: one of OPTIMIZERS (SGD with Nesterov momentum .9).
    rate: peak learning rate, None = 2e-3 for AdamW, .1 for SGD. decay: decoupled weight decay (not on biases and norms), None = .05 / 5e-4.
    schedule: "cosine" to 0, "plateau" (halved after `patience` epochs without a better validation accuracy) or "constant".
    warmup: epochs over which the rate rises from 0. smoothing: label smoothing. class_weights: "balanced" weighs classes by
    1 / frequency. ema: momentum of the averaged weights that are validated and saved, 0 = off. patience: see plateau.
    stop_after: epochs without a better validation accuracy after which the run ends, 0 = never.
    votes: weight of the FERPlus votes as auxiliary target, 0 = off. teach: weight of the teachers' answers, and temperature
    their softness.
    freeze: layers from the front that keep their weights (fine-tuning). precision: one of PRECISIONS; "auto" takes bfloat16
    where the machine computes it fast.
    """

    epochs: int = 60
    batch: int = 128
    optimizer: str = "adamw"
    rate: float | None = None
    decay: float | None = None
    schedule: str = "cosine"
    warmup: float = 3.0
    smoothing: float = 0.1
    class_weights: str = "none"
    ema: float = 0.999
    patience: int = 5
    stop_after: int = 0
    votes: float = 0.0
    teach: float = 0.7
    temperature: float = 3.0
    freeze: int = 0
    precision: str = "auto"
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("class_weights", self.class_weights, CLASS_WEIGHTS)
        for name, low, high in _RANGES:
            owner: Any = self if hasattr(self, name) else self.augmentation
            value = getattr(owner, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} takes a number from {low:g} to {high:g}, got {value!r}")

    @property
    def peak(self) -> float:
        """The peak learning rate."""
        return self.rate if self.rate is not None else {"adamw": 2e-3, "sgd": 0.1}[self.optimizer]

    @property
    def weight_decay(self) -> float:
        """The decoupled weight decay."""
        return self.decay if self.decay is not None else {"adamw": 0.05, "sgd": 5e-4}[self.optimizer]

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain numbers and texts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Return the recipe that `to_dict` wrote; keys that are not known any more are refused with UsageError."""
        values = dict(values)
        augmentation = values.pop("augmentation", {})
        for kind, given in ((cls, values), (Augmentation, augmentation)):
            unknown = set(given) - {f.name for f in fields(kind)}  # type: ignore[arg-type]
            if unknown:
                raise UsageError(
                    f"the recipe does not know {', '.join(sorted(unknown))}; it was written by another version"
                )
        return cls(**values, augmentation=Augmentation(**augmentation))


_RANGES = (
    ("epochs", 1, 100_000), ("batch", 2, 65_536), ("rate", 0, 100), ("decay", 0, 10), ("warmup", 0, 10_000),
    ("smoothing", 0, 0.9), ("ema", 0, 0.999999), ("patience", 1, 10_000), ("stop_after", 0, 10_000), ("votes", 0, 1),
    ("teach", 0, 1), ("temperature", 0.1, 100), ("freeze", 0, 10_000), ("flip", 0, 1), ("shift", 0, 24), ("rotate", 0, 180),
    ("zoom", 0, 0.9), ("brightness", 0, 1), ("contrast", 0, 1), ("erase", 0, 1), ("noise", 0, 1), ("mixup", 0, 10),
)  # fmt: skip


def _one_of(what: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what} {value!r} is not known; use one of {', '.join(known)}")
