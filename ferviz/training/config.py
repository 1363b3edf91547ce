"""The configuration of a training run: every choice that is not the data, the labels or the architecture."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Any

from ferviz.errors import UsageError

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "plateau", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
CLASS_WEIGHTS = ("none", "balanced")


@dataclass(frozen=True)
class Augmentation:
    """The random changes of a face before each training step, drawn anew every time.

    Attributes:
        flip: probability of a mirror image.
        shift: largest shift, in pixels of a 48-pixel face.
        rotate: largest angle, in degrees.
        zoom: largest change of scale; 0.1 means 0.9 to 1.1.
        brightness: largest change, as part of the full range.
        contrast: largest change of the factor.
        erase: probability of a rectangle filled with one grey (Zhong et al. 2020).
        noise: standard deviation of Gaussian noise, as part of the full range.
        mixup: alpha of the beta distribution that mixes two faces and their labels (Zhang et al. 2018); 0 turns it off.
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

    Attributes:
        epochs: passes over the training faces.
        batch_size: faces in one step.
        optimizer: "adamw", or "sgd" with Nesterov momentum 0.9.
        learning_rate: the peak learning rate; None means 0.002 for AdamW and 0.1 for SGD.
        weight_decay: decoupled weight decay, which spares biases and normalisation; None means 0.05 for AdamW and 0.0005 for SGD.
        schedule: "cosine" down to 0, "plateau" (halved after `patience` epochs without a better validation accuracy), or "constant".
        warmup: epochs over which the learning rate rises from 0.
        label_smoothing: part of each label that is spread over all classes (Szegedy et al. 2016).
        class_weights: "none", or "balanced" to weigh classes by 1 / frequency.
        ema: momentum of the averaged weights that are validated and saved; 0 turns the averaging off.
        patience: see `schedule`.
        early_stopping: epochs without a better validation accuracy after which the run ends; 0 means never.
        ferplus_weight: weight of the FERPlus votes as auxiliary target; 0 turns it off.
        additive_weight: weight of additive training (see `ferviz.training.losses.additive`), which ties what each cell of the last map
            gives to what is seen there; for fine-tuning, about 1. 0 turns it off.
        distillation: weight of the teachers' answers, 0 to 1, where there are teachers.
        temperature: softness of the teachers' answers (Hinton et al. 2015).
        freeze: how many layers from the front keep their weights, for fine-tuning.
        precision: number format of the arithmetic: "auto", "float32", "bfloat16" or "float16"; the weights stay float32. "auto" is
            bfloat16 where the machine computes it fast.
        augmentation: the random changes of the faces.
        teachers: paths of networks whose answers are learned too, each with its conventions where its file does not tell them:
            net.h5?scaling=-1..1&labels=7.
        teacher_flip: whether the teachers see every face as a mirror image half of the time, whichever way the student sees it; so the
            student learns the mean of their answers to both, which is the better answer, without a second pass.
        validation: name of the split that chooses the best epoch; None means PublicTest, or the only one beside Training and
            PrivateTest.
        fraction: share of the training faces that is used, drawn from each class alike; above 0, up to 1.
        drop_copies: whether training faces whose pixels are exactly those of a validation face are left out; with them, the validation
            accuracy is partly memory.
        seed: seed of the initial weights, the order of the faces, the augmentation and dropout.

    Raises:
        UsageError: a value is outside its range or not among the names above.
    """

    epochs: int = 60
    batch_size: int = 128
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup: float = 3.0
    label_smoothing: float = 0.1
    class_weights: str = "none"
    ema: float = 0.999
    patience: int = 5
    early_stopping: int = 0
    ferplus_weight: float = 0.0
    additive_weight: float = 0.0
    distillation: float = 0.7
    temperature: float = 3.0
    freeze: int = 0
    precision: str = "auto"
    augmentation: Augmentation = Augmentation()
    teachers: tuple[str, ...] = ()
    teacher_flip: bool = False
    validation: str | None = None
    fraction: float = 1.0
    drop_copies: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "teachers", tuple(str(teacher) for teacher in self.teachers))
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        for name, low, high in _RANGES:
            owner: Any = self if hasattr(self, name) else self.augmentation
            value = getattr(owner, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        if self.teacher_flip and not self.teachers:
            raise UsageError(
                "teacher_flip shows faces to teachers in a mirror, and there is none; name one (--teacher FILE)"
            )
        if self.additive_weight and self.ferplus_weight:
            raise UsageError("additive_weight and ferplus_weight are not learned together; give one of them")

    @property
    def peak_learning_rate(self) -> float:
        """The peak learning rate, with the optimizer's default where none is given."""
        return self.learning_rate if self.learning_rate is not None else {"adamw": 2e-3, "sgd": 0.1}[self.optimizer]

    @property
    def decoupled_weight_decay(self) -> float:
        """The weight decay, with the optimizer's default where none is given."""
        return self.weight_decay if self.weight_decay is not None else {"adamw": 0.05, "sgd": 5e-4}[self.optimizer]

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain data, for JSON."""
        return asdict(self) | {"teachers": list(self.teachers)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Return the configuration that `to_dict` wrote.

        Args:
            values: {field: value}; a field that is missing keeps its default.

        Raises:
            UsageError: a key is not a field of TrainConfig or Augmentation, or a value is of another type than its field.
        """
        values = dict(values)
        augmentation = values.pop("augmentation", {})
        if not isinstance(augmentation, dict):
            raise UsageError(f"augmentation must be a group of fields, not {reprlib.repr(augmentation)}")
        for kind, given in ((cls, values), (Augmentation, augmentation)):
            unknown = set(given) - {f.name for f in fields(kind)}  # type: ignore[arg-type]
            if unknown:
                raise UsageError(
                    f"{kind.__name__} has no field {', '.join(sorted(unknown))}; another version of ferviz wrote this configuration"
                )
            empty = [f.name for f in fields(kind) if f.default is not None and given.get(f.name, 0) is None]  # type: ignore[arg-type]
            if empty:
                raise UsageError(f"{kind.__name__} needs a value for {', '.join(empty)}")
            for name, value in given.items():
                _check_type(name, value)
        return cls(**values, augmentation=Augmentation(**augmentation))


_RANGES = (
    ("epochs", 1, 100_000), ("batch_size", 2, 65_536), ("learning_rate", 0, 100), ("weight_decay", 0, 10), ("warmup", 0, 10_000),
    ("label_smoothing", 0, 0.9), ("ema", 0, 0.999999), ("patience", 1, 10_000), ("early_stopping", 0, 10_000),
    ("ferplus_weight", 0, 1),
    ("additive_weight", 0, 1000), ("distillation", 0, 1), ("temperature", 0.1, 100), ("freeze", 0, 10_000), ("flip", 0, 1),
    ("shift", 0, 24), ("rotate", 0, 180), ("zoom", 0, 0.9), ("brightness", 0, 1), ("contrast", 0, 1), ("erase", 0, 1),
    ("noise", 0, 1), ("mixup", 0, 10),
)  # fmt: skip


_WHOLE = ("epochs", "batch_size", "patience", "early_stopping", "freeze", "seed")
_SWITCHES = ("teacher_flip", "drop_copies")
_TEXTS = ("optimizer", "schedule", "class_weights", "precision", "validation")


def _check_type(name: str, value: object) -> None:
    """Refuse what JSON can hold and the field cannot; None stands for a field's default."""
    if name == "teachers":
        is_fit = isinstance(value, list | tuple) and all(isinstance(teacher, str) for teacher in value)
    elif name in _SWITCHES:
        is_fit = isinstance(value, bool)
    elif name in _TEXTS:
        is_fit = value is None or isinstance(value, str)
    else:
        is_fit = value is None or (
            isinstance(value, int if name in _WHOLE else int | float) and not isinstance(value, bool)
        )
    if not is_fit:
        raise UsageError(f"{name} cannot be {reprlib.repr(value)}")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
