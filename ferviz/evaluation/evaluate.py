"""Measuring a network on labelled faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.data.read import read_data
from ferviz.data.splits import random_split, sample
from ferviz.errors import UsageError
from ferviz.evaluation import tta as views
from ferviz.evaluation.evaluation import Evaluation
from ferviz.evaluation.label_matching import match
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.numerics import sigmoid, softmax

OCCLUSIONS = ("regions",)


def evaluate(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    *,
    split: str | None = "PublicTest",
    tta: str | Sequence[str] | None = None,
    occlude: str | None = None,
    without_duplicates: bool = True,
    fraction: float = 1.0,
    seed: int = 0,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Measure a network on labelled faces.

    model: a Model, a path to one, or None for the bundled one. data: a Dataset or a path that `read_data` takes. Its classes and the
    network's are brought together by name; see `matching.match`.
    split: what is measured; data without splits is measured whole, None measures everything. "random" measures the tenth that
    `random_split` holds out (so does `train` on a random split with the same seed), with a warning.
    tta: test-time augmentations to measure besides: "flip", "ten-crop", or both; the views' probabilities are averaged.
    occlude: "regions" measures again with the brows, eyes, nose and mouth hidden, one at a time.
    without_duplicates: where `data` has a training split that is not measured itself, say how the network does on faces that are
    pixel-identical to a training face, and without them. fraction: measure only this share of the faces, drawn from
    each class alike. seed: of what is drawn at random. batch_size: faces in one pass. progress: is told what is being done.
    -> the Evaluation. Raises DataError for classes that do not match, UnknownNameError for an unknown split or augmentation.
    """
    if not isinstance(model, Model):
        from ferviz.models.load import load_model

        model = load_model(model)
    if not isinstance(data, Dataset):
        data = read_data(data)
    if occlude is not None and occlude not in OCCLUSIONS:
        raise UsageError(f"occlude {occlude!r} is not known; use {', '.join(OCCLUSIONS)}")
    wanted = [tta] if isinstance(tta, str) else list(tta or ())
    augmentations = {name: views.TTA[name] for name in wanted}
    tell = progress or (lambda _: None)

    if split == "random":
        data = random_split(data, seed=seed)
    part = data if split is None or data.splits == ("",) else data.part("PublicTest" if split == "random" else split)
    part, whole = sample(part, fraction, seed), part
    drawn = [] if part is whole else [f"measured on {fraction:g} of the faces, drawn with seed {seed}"]
    matched = match(part, model.labels)
    images = matched.data.images
    activate = sigmoid if model.head == "sigmoid" else softmax

    def ask(shown: np.ndarray) -> np.ndarray:
        return matched.group(activate(views.logits(model, shown, batch_size).astype(np.float64)))

    tell(f"{len(images):,} faces")
    plain = ask(images)
    augmented = {}
    for name, make in augmentations.items():
        tell(name)
        answers = [plain if view is images else ask(view) for view in make(images)]
        augmented[name] = np.mean(answers, axis=0)
    occlusion = {}
    if occlude:
        for region, shown in views.hidden(images):
            tell(f"{region} hidden")
            occlusion[region] = ask(shown)
    return Evaluation(
        model=model.name,
        sha256=model.sha256,
        split=_words(split, data, whole),
        labels=matched.labels,
        true=matched.true,
        probabilities=plain,
        images=images,
        rows=matched.data.rows,
        tta=augmented,
        occlusion=occlusion,
        in_training=_in_training(data, part, matched.data) if without_duplicates else None,
        notes=(*model.notes, *drawn, *matched.notes),
        settings={
            "data": data.source,
            "data_sha256": data.sha256,
            "scheme": data.scheme.name,
            "scaling": model.input.scaling,
            "engine": model.engine.name,
            "left_out": data.left_out,
            "fraction": fraction,
            "seed": seed,
        },
    )


def _words(split: str | None, data: Dataset, part: Dataset) -> str:
    if split == "random":
        return "a random tenth"
    return "all" if part is data and len(data.splits) > 1 else part.splits[0] or "all"


def _in_training(data: Dataset, part: Dataset, measured: Dataset) -> np.ndarray | None:
    training = [s for s in data.splits if s.lower() in ("training", "train")]
    if not training or set(training) & set(part.splits):
        return None
    return also_in(measured, data.part(*training))
