"""Is this network fed what it was trained on? Tries how else it could be fed and read, and says what today's settings cost.

A convention is a feed (value range, resizing, channel order) and a label order. Feeds are tried on growing numbers of faces, and those
that are clearly behind are dropped on the way; label orders cost nothing, they only read the same answers differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.read import read_data
from ferviz.emotions import canonical
from ferviz.errors import DataError, ModelError
from ferviz.evaluation import tta as views
from ferviz.evaluation.check import diagnostics as warnings
from ferviz.evaluation.check import label_orders as ordering
from ferviz.evaluation.check.candidates import Preprocessing, all_feeds, coloured, variants
from ferviz.evaluation.check.result import CheckResult, Convention
from ferviz.evaluation.metrics import mcnemar
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.numerics import log_softmax

ROUNDS = (300, 1000)
"""Faces after which feeds that are clearly behind are dropped; the others go on to all faces."""

CLEARLY = 0.001
"""A found label order replaces a known one only if McNemar's test says so at this level, and by CLEAR_GAIN at least."""

CLEAR_GAIN = 0.02

FAR = 0.08
"""Where two orders stand for different classes, the one that is less likely beforehand replaces the other if its skill is better by this.

A network of the negative emotions says fear to more of the surprised faces than of the frightened ones; that alone proves nothing."""


@dataclass
class _Trial:
    """One feed and what the network answered to the first faces of the sample: logits (n, K)."""

    feed: Preprocessing
    logits: np.ndarray
    finite: bool = True


class _Sample:
    """The faces that everything is tried on, in one order."""

    def __init__(self, model: Model, data: Dataset, batch_size: int) -> None:
        self.model, self.data, self.batch_size = model, data, batch_size
        self.classes = tuple(canonical(n) for n in data.names)
        self.outputs = model.engine.classes
        self.orders = ordering.orders(model.labels, self.classes)
        self.sets = ordering.sets(tuple(canonical(n) for n in model.labels), self.classes)
        # Accuracies compare where every order counts every face; elsewhere what is above chance does.
        self.comparable = self.outputs >= len(self.classes) and all(
            set(self.classes) <= set(o.labels) for o in self.orders
        )

    def ask(self, trial: _Trial, upto: int) -> None:
        """Let the network answer the faces up to number `upto` that it has not answered yet."""
        start = len(trial.logits)
        images = self.data.images[start:upto]
        if not len(images):
            return
        fed = replace(self.model, input=trial.feed.spec)
        logits = views.logits(fed, images, self.batch_size)
        trial.finite &= bool(np.isfinite(logits).all())
        trial.logits = np.concatenate([trial.logits, np.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9)])

    def trial(self, feed: Preprocessing) -> _Trial:
        """Return a trial of a feed that nothing has been asked yet."""
        return _Trial(feed, np.zeros((0, self.outputs), np.float32))

    def conventions(self, trial: _Trial) -> list[Convention]:
        """Return the trial's feed with every label order, the best first."""
        labels, said = self.data.labels[: len(trial.logits)], trial.logits.argmax(axis=1)
        out = [self._measured(trial, said, order) for order in self.orders]
        seen = {o.labels for o in self.orders}
        for among in (*self.sets, ()):
            found = ordering.assign(labels, said, self.classes, self.outputs, among)
            if len(labels) > 1 and found.labels not in seen:
                seen.add(found.labels)
                right = ordering.cross_fitted(labels, said, self.classes, self.outputs, among)
                out.append(self._measured(trial, said, found, right))
        return sorted(out, key=self.merit, reverse=True)

    def merit(self, convention: Convention) -> float:
        """Return what conventions are ranked by."""
        return convention.accuracy if self.comparable else convention.skill

    def range(self, convention: Convention) -> tuple[float, float]:
        """Return the 95 % interval of the merit."""
        return convention.interval if self.comparable else convention.skill_interval

    def _measured(
        self, trial: _Trial, said: np.ndarray, order: ordering.LabelOrder, right: np.ndarray | None = None
    ) -> Convention:
        true = ordering.truth(self.data.labels[: len(said)], self.classes, order)
        covered = true != -1
        right = (true == said) if right is None else right & covered
        surprise = -log_softmax(trial.logits)[np.arange(len(true)), np.maximum(true, 0)]
        surprise = np.where(true >= 0, surprise, 0.0)
        counted = [(true == k, said[covered] == k) for k in np.unique(true[covered])]
        recalls = tuple((int(asked.sum()), int(right[asked].sum()), int(told.sum())) for asked, told in counted)
        return Convention(trial.feed, order, right, covered, said, surprise, trial.finite, recalls)

    def best(self, trial: _Trial) -> Convention:
        """Return the best of the trial's conventions; a found order only where it is clearly better than every known one."""
        ranked = self.conventions(trial)
        known = [c for c in ranked if c.order.name != ordering.FOUND]
        found = [c for c in ranked if c.order.name == ordering.FOUND]
        usual = [c for c in found if any(set(c.order.labels) == set(among) for among in self.sets)]
        chosen = (known or usual or found)[0]
        for rival in (*usual[:1], *found[:1]):
            if self._replaces(rival, chosen, known):
                chosen = rival
        return chosen

    def _replaces(self, rival: Convention, chosen: Convention, known: list[Convention]) -> bool:
        """Return whether a found order is so much better than the one chosen before it that it takes its place."""
        told, other = ({n for n in c.order.labels if n in self.classes} for c in (rival, chosen))
        if told != other and not self.comparable:
            return rival.skill - chosen.skill >= FAR
        if any(self._untold(rival.order.labels, c.order.labels) for c in known):
            return False
        return clearly_better(rival, chosen)

    def _untold(self, found: tuple[str, ...], known: tuple[str, ...]) -> bool:
        """Return whether a found order only swaps a class that the data does not have with another one.

        Such faces (contempt, mostly) were never shown, so that their output answers to others is no proof of another order.
        """
        differ = [k for k, name in enumerate(known) if found[k] != name]
        return len(differ) <= 2 and any(known[k] not in self.classes for k in differ)


def clearly_better(first: Convention, second: Convention) -> bool:
    """Return whether the first of two conventions is better by more than chance, on the faces that both take part in."""
    both = first.covered & second.covered
    test = mcnemar(first.right[both], second.right[both])
    return test.difference >= CLEAR_GAIN and test.p < CLEARLY


def check(
    model: Model | PathLike | None,
    data: Dataset | PathLike,
    *,
    split: str | None = "PublicTest",
    faces: int = 3000,
    seed: int = 0,
    batch_size: int = 256,
    progress: Callable[[str], None] | None = None,
) -> CheckResult:
    """Find out how a network wants to be fed and what its outputs mean, from labelled faces.

    model: a Model (fed and labelled as it is used today), a path to one, or None for the bundled one. data: a Dataset or a path that
    `read_data` takes. split: the faces that are tried, which the network should not have been trained on; data without splits is taken
    whole. Training faces, where `data` has any, give the statistics of z-scores and tell whether the network knows them by heart.
    faces: how many at most, drawn at random with `seed`. batch_size: faces in one pass. progress: is told what is being done.
    -> the CheckResult: the best convention, today's, all candidates in order, and warnings.
    Raises DataError where faces and network share no class or there are fewer than 20 faces, ModelError for a network whose answers
    are not numbers under any convention.
    """
    if not isinstance(model, Model):
        from ferviz.models.load import load_model

        model = load_model(model)
    if not isinstance(data, Dataset):
        data = read_data(data)
    tell = progress or (lambda _: None)
    part = data if split is None or data.splits == ("",) else data.part(split)
    rng = np.random.default_rng(seed)
    part = part.take(rng.permutation(len(part))[:faces])
    if len(part) < 20:
        raise DataError(f"{len(part)} labelled faces are too few to tell conventions apart; give a few hundred or more")
    seen = [s for s in data.splits if s.lower() in ("training", "train") and s not in part.splits]
    training = data.part(*seen) if seen else None
    sample = _Sample(model, part, batch_size)
    source = part.images if training is None else training.images
    trials = [sample.trial(feed) for feed in all_feeds(model.input, source, part.images)]
    current = trials[0]
    alive = trials
    for upto in [*(n for n in ROUNDS if n < len(part)), len(part)]:
        tell(f"{len(alive)} way{'s' if len(alive) > 1 else ''} to feed it, {upto:,} faces")
        for trial in alive:
            sample.ask(trial, upto)
        alive = _survivors(sample, alive, current)
    if not any(t.finite for t in trials):
        raise ModelError(
            f"{model.name} answers with values that are not numbers, however it is fed; its weights may be damaged"
        )
    winner = _winner(sample, alive, current)
    more = [sample.trial(feed) for feed in variants(winner.feed, part.images)]
    for trial in more:
        tell(f"resized as {trial.feed.spec.resize}")
        sample.ask(trial, len(part))
    winner = _winner(sample, [_trial_of(alive, winner), *more], current)
    ranked = [c for trial in (*trials, *more) for c in sample.conventions(trial)]
    ranked.sort(key=lambda c: (len(c.covered) < len(part) // 2, -sample.merit(c)))
    today = _today(sample, current)
    alike = [
        c for c in (sample.best(t) for t in (*alive, *more)) if c.feed is not winner.feed and not _apart(winner, c)
    ]
    told = warnings.about(model, winner, today, alike, part, training, batch_size)
    if not coloured(part.images) and model.input.channels == 3:
        told.append("the faces are grey, so the order of the channels (RGB or BGR) cannot be told from them")
    return CheckResult(
        model,
        winner,
        today,
        tuple(ranked),
        tuple(told),
        len(part),
        part.names,
        warnings.frequent(winner, part),
        data.source,
    )


def _survivors(sample: _Sample, trials: list[_Trial], current: _Trial) -> list[_Trial]:
    """Return the trials whose best convention may still be the best; today's stays, to say what it costs."""
    best = {id(t): sample.range(sample.conventions(t)[0]) for t in trials if t.finite}
    bar = max((low for low, _ in best.values()), default=0.0)
    return [t for t in trials if t is current or (id(t) in best and best[id(t)][1] >= bar)]


def _winner(sample: _Sample, trials: list[_Trial], current: _Trial) -> Convention:
    """Return the best convention.

    The most accurate one; where McNemar's test cannot tell others from it, the one that finds the labels least surprising (the mean
    negative log-likelihood is the finer measure, but favours timid answers, so it only breaks ties); and of those that even that cannot
    tell apart, today's.
    """
    best = [sample.best(t) for t in trials if t.finite] or [sample.best(current)]
    first = max(best, key=sample.merit)
    tied = [c for c in best if c.order.labels == first.order.labels and not _apart(first, c)] or [first]
    calm = min(tied, key=lambda c: float(c.surprise.mean()))
    own = next((c for c in tied if c.feed is current.feed), None)
    return own if own is not None and _alike(calm, own) else calm


def _apart(first: Convention, second: Convention) -> bool:
    """Return whether two conventions differ in accuracy by more than chance, on the faces that both take part in."""
    n = min(len(first.covered), len(second.covered))
    both = first.covered[:n] & second.covered[:n]
    return mcnemar(first.right[:n][both], second.right[:n][both]).p < 0.05


def _alike(first: Convention, second: Convention) -> bool:
    """Return whether neither accuracy nor likelihood tells two conventions apart."""
    if _apart(first, second):
        return False
    n = min(len(first.covered), len(second.covered))
    more = (second.surprise[:n] - first.surprise[:n])[first.covered[:n] & second.covered[:n]]
    return abs(float(more.mean())) < 1.96 * float(more.std()) / max(len(more), 1) ** 0.5 + 1e-9


def _trial_of(trials: list[_Trial], convention: Convention) -> _Trial:
    return next(t for t in trials if t.feed is convention.feed)


def _today(sample: _Sample, current: _Trial) -> Convention | None:
    """Return today's convention, or None where nothing is known of what the outputs are called."""
    own = tuple(canonical(n) for n in sample.model.labels)
    return next((c for c in sample.conventions(current) if c.order.labels == own), None)
