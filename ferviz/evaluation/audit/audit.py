"""`audit`: would the accuracy of a network be believed?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.data.read import as_dataset
from ferviz.data.splits import AUTO, choose_split, random_split, sample
from ferviz.errors import UsageError
from ferviz.evaluation.audit.audit_result import AuditResult
from ferviz.evaluation.audit.questions import Measured, ask
from ferviz.evaluation.audit.run_record import read_run_record
from ferviz.evaluation.evaluate import evaluate
from ferviz.evaluation.evaluation import Evaluation
from ferviz.files import PathLike
from ferviz.models.model import Model

TRAINING = ("training", "train")
RANDOM = "random"


def audit(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    *,
    split: str = AUTO,
    claim: float | None = None,
    faces: int = 4000,
    seed: int = 0,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> AuditResult:
    """Ask of a network's accuracy what a careful reader would ask: which faces, how many, seen before, chosen on them, with what help.

    Args:
        model: a Model, the path of one, or None for the bundled one. Of a network that `ferviz.train` made, the manifest in its run
            folder is read.
        data: a Dataset, or what `read_data` takes, with its training split where there is one.
        split: the split whose accuracy is in question; "auto" is "PublicTest" of data with several splits, and everything of data with
            one; "random" draws a tenth.
        claim: the accuracy that somebody gives for this network, 0 to 1; None = the one that is measured.
        faces: how many training faces are measured, at most; 1 or more.
        seed: seed of what is drawn at random.
        batch_size: faces in one pass.
        progress: a function that is called with a line of text at each stage.

    Returns:
        The AuditResult.

    Raises:
        DataError: the classes of data and network do not match.
        UnknownNameError: an unknown split.
        UsageError: a claim outside 0 to 1, or no faces to measure.
        ModelError: the network answers with NaN or infinity for a face.
    """
    if claim is not None and not 0 <= claim <= 1:
        raise UsageError(f"the claimed accuracy must be a number from 0 to 1, not {claim!r}")
    if not isinstance(model, Model):
        from ferviz.models.load import load_model

        model = load_model(model)
    data = as_dataset(data)
    report = progress or (lambda _: None)
    if split == RANDOM:
        data = random_split(data, seed=seed)
    part = choose_split(data, "PublicTest" if split == RANDOM else split)
    if not len(part):
        raise UsageError("the split has no faces, so there is no accuracy to audit")

    def measure(chosen: Dataset, name: str) -> Evaluation:
        report(f"{name}, {len(chosen):,} faces")
        result = evaluate(model, chosen, split=None, batch_size=batch_size, seed=seed, without_duplicates=False)
        return replace(result, split=name)

    report(f"{part.splits[0] or 'all faces'}, with test-time augmentation")
    test = evaluate(model, data, split=split, tta="flip,ten-crop", batch_size=batch_size, seed=seed)
    training_names = [name for name in data.splits if name.lower() in TRAINING]
    held_out = [name for name in data.splits if name not in (*training_names, *part.splits)]
    training = data.part(*training_names) if training_names and not set(training_names) & set(part.splits) else None
    measured = Measured(
        test=test,
        training=None if training is None else measure(_sampled(training, faces, seed), "Training"),
        others={name: measure(data.part(name), name) for name in held_out},
        split_sizes={name: int((data.split == name).sum()) for name in data.splits},
        mirrored=None if training is None else _count_mirrored(part, training),
        twins=_contradicting_groups(part),
        random_split=split == RANDOM,
        run=read_run_record(model),
        assumed=model.cautions,
        claim=claim,
    )
    return AuditResult(measured, ask(measured))


def _sampled(data: Dataset, faces: int, seed: int) -> Dataset:
    return data if len(data) <= faces else sample(data, faces / len(data), seed)


def _count_mirrored(part: Dataset, training: Dataset) -> int:
    """-> faces of `part` whose mirror image, and not they themselves, is a training face."""
    mirrored = replace(part, images=np.ascontiguousarray(part.images[:, :, ::-1]))
    return int((also_in(mirrored, training) & ~also_in(part, training)).sum())


def _contradicting_groups(part: Dataset) -> int:
    groups = duplicate_groups(part.images)
    labels: dict[int, set[int]] = {}
    for group, label in zip(groups.tolist(), part.labels.tolist(), strict=True):
        labels.setdefault(group, set()).add(label)
    return sum(len(names) > 1 for names in labels.values())
