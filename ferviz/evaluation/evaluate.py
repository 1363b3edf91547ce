"""`evaluate`: measuring a network on labelled faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.data.read import as_dataset
from ferviz.data.splits import AUTO, choose_split, random_split, sample
from ferviz.errors import UsageError
from ferviz.evaluation.evaluation import Evaluation
from ferviz.evaluation.label_matching import Match, match_labels
from ferviz.evaluation.tta import TTA, batched_logits, hide_regions
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE, locate_landmarks
from ferviz.faces.regions import REGIONS
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.models.prediction import check_finite
from ferviz.numerics import sigmoid, softmax
from ferviz.registry import split_names

OCCLUSIONS = ("regions",)
_OCCLUDED = 256  # faces whose regions are hidden at once


def evaluate(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    *,
    split: str | None = AUTO,
    tta: str | Sequence[str] | None = None,
    occlude: str | None = None,
    without_duplicates: bool = True,
    fraction: float = 1.0,
    seed: int = 0,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Measure a network on labelled faces.

    The classes of the data and of the network are matched by name; see `ferviz.evaluation.label_matching.match_labels`.

    Args:
        model: a Model, the path of one, or None for the bundled one.
        data: a Dataset, or what `read_data` takes.
        split: the split that is measured; "auto" is "PublicTest" of data with several splits, and everything of data with one. Data
            without splits is measured entirely; None measures everything; "random" measures the tenth that `random_split` holds out (so
            does `train` on a random split with the same seed), with a warning.
        tta: test-time augmentations to measure besides: "flip", "ten-crop", or both ("flip,ten-crop"); the probabilities of their views are
            averaged.
        occlude: "regions" measures again with each region of the face hidden (see `ferviz.faces.regions`), one at a time.
        without_duplicates: where `data` has a training split that is not measured itself, measure separately the faces that are
            pixel-identical to a training face.
        fraction: share of the faces that is measured, drawn from each class alike; above 0, up to 1.
        seed: seed of what is drawn at random.
        batch_size: faces in one pass.
        progress: a function that is called with a line of text at each stage.

    Returns:
        The Evaluation.

    Raises:
        DataError: the classes of data and network do not match.
        UnknownNameError: an unknown split or augmentation.
        UsageError: an unknown `occlude`, or a fraction out of range.
        ModelError: the network answers with NaN or infinity for a face; nothing is measured then.
    """
    if not isinstance(model, Model):
        from ferviz.models.load import load_model

        model = load_model(model)
    data = as_dataset(data)
    if occlude is not None and occlude not in OCCLUSIONS:
        raise UsageError(f"occlude {occlude!r} is not known; use {', '.join(OCCLUSIONS)}")
    augmentations = {name: TTA[name] for name in split_names(tta or (), TTA)}
    report = progress or (lambda _: None)

    if split == "random":
        data = random_split(data, seed=seed)
    part = choose_split(data, "PublicTest" if split == "random" else split)
    measured = sample(part, fraction, seed)
    notes = [] if measured is part else [f"measured on {fraction:g} of the faces, drawn with seed {seed}"]
    match = match_labels(measured, model.labels)
    predict = _predictor(model, match, batch_size)
    images = match.data.images
    report(f"{len(images):,} faces")
    plain = _known(match, model) if match.data.answers else predict(images)
    if match.data.answers:
        notes.append("the answers are those of a sharded run; which of its faces are copies of others was not asked")
        if augmentations or occlude:
            images = np.asarray(images)  # they are looked at again
    augmented = {}
    for name, views in augmentations.items():
        report(name)
        augmented[name] = np.mean([plain if view is images else predict(view) for view in views(images)], axis=0)
    occlusion, without_landmarks = _occluded(images, predict, report) if occlude else ({}, 0)
    if without_landmarks:
        notes.append(
            f"{without_landmarks:,} of {len(images):,} faces show no landmarks: their regions lie where those of a typical face do"
        )
    return Evaluation(
        model=model.name,
        sha256=model.sha256,
        split=_split_name(split, data, part),
        labels=match.labels,
        true=match.true,
        probabilities=plain,
        images=images,
        rows=match.data.rows,
        tta=augmented,
        occlusion=occlusion,
        in_training=_in_training(data, measured, match.data) if without_duplicates and not match.data.answers else None,
        notes=(*dict.fromkeys((*model.cautions, *model.notes)), *notes, *match.notes),
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


def _occluded(
    images: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], report: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], int]:
    """-> {region: (N, K) probabilities without it}; how many faces show no landmarks. In parts, which bounds the memory."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in REGIONS}
    without_landmarks = 0
    for start in range(0, len(images), _OCCLUDED):
        faces = locate_landmarks(as_faces(images[start : start + _OCCLUDED]))
        without_landmarks += sum(face.landmark_source == TEMPLATE_SOURCE for face in faces)
        report(f"regions hidden, {start + len(faces):,} faces")
        for name, hidden in hide_regions(faces).items():
            parts[name].append(predict(hidden))
    return {name: np.concatenate(values) for name, values in parts.items()}, without_landmarks


def _predictor(model: Model, match: Match, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from faces to the probabilities of the labels that are compared."""
    activate = sigmoid if model.head == "sigmoid" else softmax

    def predict(faces: np.ndarray) -> np.ndarray:
        logits = batched_logits(model, faces, batch_size)
        check_finite(logits, model.name)  # NaN would compare as neither right nor wrong
        return match.group(activate(logits.astype(np.float64)))

    return predict


def _known(match: Match, model: Model) -> np.ndarray:
    """-> the probabilities of the labels that are compared, as the network gave them before."""
    answers = match.data.answers
    assert answers is not None
    answers.check(model.labels, model.sha256, match.data.source)
    return match.group(answers.probabilities.astype(np.float64))


def _split_name(split: str | None, data: Dataset, part: Dataset) -> str:
    if split == "random":
        return "a random tenth"
    return "all" if part is data and len(data.splits) > 1 else part.splits[0] or "all"


def _in_training(data: Dataset, part: Dataset, matched: Dataset) -> np.ndarray | None:
    training = [s for s in data.splits if s.lower() in ("training", "train")]
    if not training or set(training) & set(part.splits):
        return None
    return also_in(matched, data.part(*training))
