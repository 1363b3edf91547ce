"""`check`: find the preprocessing and the label order that a network was trained with, and what its present settings cost.

A convention is a preprocessing (value range, resizing, channel order, centre crop, histogram) and a label order. Preprocessings are
tried on growing numbers of faces, and those that are clearly behind are dropped on the way; what is left is tried with another crop and
histogram. Label orders cost nothing, because they only read the same answers differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.read import as_dataset
from ferviz.data.splits import AUTO, choose_split
from ferviz.emotions import canonical
from ferviz.errors import DataError, ModelError
from ferviz.evaluation.check import label_orders as orders
from ferviz.evaluation.check.candidates import Preprocessing, candidates, equivalent, has_colours, variants
from ferviz.evaluation.check.diagnostics import diagnose, majority_share
from ferviz.evaluation.check.result import CheckResult, Convention
from ferviz.evaluation.metrics import mcnemar
from ferviz.evaluation.tta import batched_logits
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.numerics import log_softmax

ROUNDS = (300, 1000)
"""Numbers of faces after which preprocessings that are clearly behind are dropped; the others go on to all faces."""

CLEAR_P = 0.001
"""An inferred label order replaces a known one only if McNemar's test is significant at this level and the gain is CLEAR_GAIN or more."""

CLEAR_GAIN = 0.02

SKILL_GAIN = 0.08
"""Where two orders have different classes, the one that is less likely beforehand replaces the other if its skill is better by this.

A network of the negative emotions predicts fear for more of the surprised faces than of the frightened ones; that alone proves nothing."""


@dataclass
class _Trial:
    """One preprocessing, and the network's logits (n, K) for the first faces of the sample."""

    preprocessing: Preprocessing
    logits: np.ndarray
    finite: bool = True


class _Sample:
    """The faces that everything is tried on, in one order."""

    def __init__(self, model: Model, data: Dataset, batch_size: int) -> None:
        self.model, self.data, self.batch_size = model, data, batch_size
        self.classes = tuple(canonical(n) for n in data.names)
        self.outputs = model.engine.classes
        self.orders = orders.known_orders(model.labels, self.classes)
        self.sets = orders.class_sets(tuple(canonical(n) for n in model.labels), self.classes)
        # Accuracies are comparable where every order counts every face; elsewhere only the skill is.
        self.comparable = self.outputs >= len(self.classes) and all(
            set(self.classes) <= set(o.labels) for o in self.orders
        )

    def extend(self, trial: _Trial, count: int) -> None:
        """Compute the logits of a trial for the first `count` faces, as far as they are missing."""
        start = len(trial.logits)
        images = self.data.images[start:count]
        if not len(images):
            return
        variant = replace(self.model, input=trial.preprocessing.spec)
        logits = batched_logits(variant, images, self.batch_size)
        trial.finite &= bool(np.isfinite(logits).all())
        trial.logits = np.concatenate([trial.logits, np.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9)])

    def trial(self, preprocessing: Preprocessing) -> _Trial:
        """Return a trial without any logits yet."""
        return _Trial(preprocessing, np.zeros((0, self.outputs), np.float32))

    def conventions(self, trial: _Trial) -> list[Convention]:
        """Return the trial's preprocessing with every label order, the best first."""
        labels, predicted = self.data.labels[: len(trial.logits)], trial.logits.argmax(axis=1)
        out = [self._measured(trial, predicted, order) for order in self.orders]
        seen = {o.labels for o in self.orders}
        for among in (*self.sets, ()):
            inferred = orders.assign(labels, predicted, self.classes, self.outputs, among)
            if len(labels) > 1 and inferred.labels not in seen:
                seen.add(inferred.labels)
                correct = orders.cross_fitted(labels, predicted, self.classes, self.outputs, among)
                out.append(self._measured(trial, predicted, inferred, correct))
        return sorted(out, key=self.merit, reverse=True)

    def merit(self, convention: Convention) -> float:
        """Return the figure by which conventions are ranked."""
        return convention.accuracy if self.comparable else convention.skill

    def merit_interval(self, convention: Convention) -> tuple[float, float]:
        """Return the 95 % interval of the merit."""
        return convention.interval if self.comparable else convention.skill_interval

    def _measured(
        self, trial: _Trial, predicted: np.ndarray, order: orders.LabelOrder, correct: np.ndarray | None = None
    ) -> Convention:
        true = orders.true_outputs(self.data.labels[: len(predicted)], self.classes, order)
        covered = true != -1
        correct = (true == predicted) if correct is None else correct & covered
        losses = -log_softmax(trial.logits)[np.arange(len(true)), np.maximum(true, 0)]
        losses = np.where(true >= 0, losses, 0.0)
        counted = [(true == k, predicted[covered] == k) for k in np.unique(true[covered])]
        recalls = tuple((int(own.sum()), int(correct[own].sum()), int(shown.sum())) for own, shown in counted)
        return Convention(trial.preprocessing, order, correct, covered, predicted, losses, trial.finite, recalls)

    def best(self, trial: _Trial) -> Convention:
        """Return the best of the trial's conventions; an inferred order only where it is clearly better than every known one."""
        ranked = self.conventions(trial)
        known = [c for c in ranked if c.order.name != orders.INFERRED]
        inferred = [c for c in ranked if c.order.name == orders.INFERRED]
        usual = [c for c in inferred if any(set(c.order.labels) == set(among) for among in self.sets)]
        chosen = (known or usual or inferred)[0]
        for rival in (*usual[:1], *inferred[:1]):
            if self._replaces(rival, chosen, known):
                chosen = rival
        return chosen

    def _replaces(self, rival: Convention, chosen: Convention, known: list[Convention]) -> bool:
        """Return whether an inferred order is so much better than the chosen one that it takes its place."""
        own, other = ({n for n in c.order.labels if n in self.classes} for c in (rival, chosen))
        if own != other and not self.comparable:
            return rival.skill - chosen.skill >= SKILL_GAIN
        if any(self._swaps_missing_class(rival.order.labels, c.order.labels) for c in known):
            return False
        return clearly_better(rival, chosen)

    def _swaps_missing_class(self, inferred: tuple[str, ...], known: tuple[str, ...]) -> bool:
        """Return whether an inferred order only swaps a class that the data does not have with another one.

        The network was never given such faces (contempt, mostly), so their output's answers to other faces are no proof of another order.
        """
        differ = [k for k, name in enumerate(known) if inferred[k] != name]
        return len(differ) <= 2 and any(known[k] not in self.classes for k in differ)


def clearly_better(first: Convention, second: Convention) -> bool:
    """Return whether the first of two conventions is better by more than chance, on the faces that count for both.

    Args:
        first, second: the conventions.
    """
    both = first.covered & second.covered
    test = mcnemar(first.correct[both], second.correct[both])
    return test.difference >= CLEAR_GAIN and test.p < CLEAR_P


def check(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    *,
    split: str | None = AUTO,
    faces: int = 3000,
    seed: int = 0,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> CheckResult:
    """Find the preprocessing and the meaning of the outputs that a network was trained with, from labelled faces.

    Args:
        model: a Model with its present settings, the path of one, or None for the bundled one.
        data: a Dataset, or what `read_data` takes. Its training faces, where it has any, give the statistics of z-scores and show
            whether the network memorised them.
        split: the split that is tried, on which the network should not have been trained; "auto" is "PublicTest" of data with several
            splits, and everything of data with one; None, or data without splits, means all faces.
        faces: how many faces are tried, at most.
        seed: seed of the draw of faces.
        batch_size: faces in one pass.
        progress: a function that is called with a line of text at each stage.

    Returns:
        The best convention, the present one, all candidates in order, and warnings.

    Raises:
        DataError: there are fewer than 20 faces.
        ModelError: the network's logits are not numbers under any convention.
    """
    if not isinstance(model, Model):
        from ferviz.models.load import load_model

        model = load_model(model)
    data = as_dataset(data)
    report = progress or (lambda _: None)
    part = choose_split(data, split)
    rng = np.random.default_rng(seed)
    part = part.take(rng.permutation(len(part))[:faces])
    if len(part) < 20:
        raise DataError(f"{len(part)} labelled faces are too few to compare conventions; give a few hundred or more")
    if part.answers is not None:  # pictures that wait in the source of a sharded run
        part = replace(part, images=np.asarray(part.images))
    splits = data.splits if part.answers is None else ()
    others = [s for s in splits if s.lower() in ("training", "train") and s not in part.splits]
    training = data.part(*others) if others else None
    sample = _Sample(model, part, batch_size)
    source = part.images if training is None else training.images
    trials = [sample.trial(p) for p in candidates(model.input, source, part.images)]
    current = trials[0]
    alive = _run_rounds(sample, trials, report)
    if not any(t.finite for t in trials):
        raise ModelError(
            f"{model.name} gives logits that are not numbers with every preprocessing; its weights may be damaged"
        )
    winner = _winner(sample, alive, current)
    free = not (model.input.height and model.input.width)
    besides = variants(winner.preprocessing, part.images, free)
    more = [sample.trial(p) for p in besides if not any(equivalent(p.spec, t.preprocessing.spec) for t in trials)]
    for trial in more:
        report(f"{trial.preprocessing.title}, resized as {trial.preprocessing.spec.resize}")
        sample.extend(trial, len(part))
    winner = _winner(sample, [_trial_of(alive, winner), *more], current)
    ranked = [c for trial in (*trials, *more) for c in sample.conventions(trial)]
    ranked.sort(key=lambda c: (len(c.covered) < len(part) // 2, -sample.merit(c)))
    present = _present(sample, current)
    rivals = (sample.best(t) for t in (*alive, *more))
    tied = [c for c in rivals if c.preprocessing is not winner.preprocessing and not _differ(winner, c)]
    warnings = diagnose(model, winner, present, tied, part, training, batch_size)
    if not has_colours(part.images) and model.input.channels == 3:
        warnings.append("the faces are grey, so they do not show the order of the channels (RGB or BGR)")
    return CheckResult(
        model,
        winner,
        present,
        tuple(ranked),
        tuple(warnings),
        len(part),
        part.names,
        majority_share(winner, part),
        data.source,
    )


def _run_rounds(sample: _Sample, trials: list[_Trial], report: Callable[[str], None]) -> list[_Trial]:
    """Extend the trials to all faces, dropping those that are clearly behind on the way; return the others. The first is the present."""
    alive = trials
    faces = len(sample.data)
    for count in [*(n for n in ROUNDS if n < faces), faces]:
        report(f"{len(alive)} preprocessing{'s' if len(alive) > 1 else ''}, {count:,} faces")
        for trial in alive:
            sample.extend(trial, count)
        alive = _survivors(sample, alive, trials[0])
    return alive


def _survivors(sample: _Sample, trials: list[_Trial], current: _Trial) -> list[_Trial]:
    """Return the trials whose best convention may still be the best; the present one stays, so that its cost is known."""
    best = {id(t): sample.merit_interval(sample.conventions(t)[0]) for t in trials if t.finite}
    bar = max((low for low, _ in best.values()), default=0.0)
    return [t for t in trials if t is current or (id(t) in best and best[id(t)][1] >= bar)]


def _winner(sample: _Sample, trials: list[_Trial], current: _Trial) -> Convention:
    """Return the best convention.

    That is the most accurate one; where others are tied with it by McNemar's test, the one with the lowest mean negative
    log-likelihood (the finer measure, but it favours cautious answers, so it only breaks ties); and where these are tied too, the present
    one.
    """
    best = [sample.best(t) for t in trials if t.finite] or [sample.best(current)]
    first = max(best, key=sample.merit)
    tied = [c for c in best if c.order.labels == first.order.labels and not _differ(first, c)] or [first]
    likeliest = min(tied, key=lambda c: float(c.losses.mean()))
    own = next((c for c in tied if c.preprocessing is current.preprocessing), None)
    return own if own is not None and _tied(likeliest, own) else likeliest


def _differ(first: Convention, second: Convention) -> bool:
    """Return whether two conventions differ in accuracy by more than chance, on the faces that count for both."""
    n = min(len(first.covered), len(second.covered))
    both = first.covered[:n] & second.covered[:n]
    return mcnemar(first.correct[:n][both], second.correct[:n][both]).p < 0.05


def _tied(first: Convention, second: Convention) -> bool:
    """Return whether two conventions differ neither in accuracy nor in likelihood by more than chance."""
    if _differ(first, second):
        return False
    n = min(len(first.covered), len(second.covered))
    more = (second.losses[:n] - first.losses[:n])[first.covered[:n] & second.covered[:n]]
    return abs(float(more.mean())) < 1.96 * float(more.std()) / max(len(more), 1) ** 0.5 + 1e-9


def _trial_of(trials: list[_Trial], convention: Convention) -> _Trial:
    return next(t for t in trials if t.preprocessing is convention.preprocessing)


def _present(sample: _Sample, current: _Trial) -> Convention | None:
    """Return the present convention, or None where the outputs have no names that are known."""
    own = tuple(canonical(n) for n in sample.model.labels)
    return next((c for c in sample.conventions(current) if c.order.labels == own), None)
