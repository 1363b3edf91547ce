"""The questions of an audit, each a pure function from what was measured to an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.evaluation.audit.run_record import RunRecord
from ferviz.evaluation.evaluation import Evaluation
from ferviz.evaluation.metrics import Z95, wilson
from ferviz.evaluation.plots import percent

FINE, DOUBTFUL, UNKNOWN = "fine", "doubtful", "unknown"

FER2013_SPLITS = {"Training": 28709, "PublicTest": 3589, "PrivateTest": 3589}
"""Faces of the official splits (Goodfellow et al. 2013)."""

HIGHEST_SINGLE = 0.77
"""No network whose training and test faces are known to be apart is above this on FER2013's labels: with ImageNet, 142 million weights
and test-time augmentation one reaches .741, seven such networks together .768 (Pham et al., ICPR 2020)."""

MEMORISED = 0.9
"""Accuracy on the training faces from which a network is said to know them by heart."""


@dataclass(frozen=True)
class Question:
    """One question and its answer.

    Attributes:
        name: a short name, the key in JSON.
        text: the question.
        status: "fine", "doubtful" (the figure may be too good for this reason) or "unknown" (nothing here answers it).
        answer: one or two sentences with the figures.
        figures: the numbers in the answer.
    """

    name: str
    text: str
    status: str
    answer: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What an audit measured.

    Attributes:
        test: the network on the split in question, with test-time augmentations.
        training: the network on training faces, None where the data has none.
        others: {split: Evaluation} of the other splits that are no training splits.
        split_sizes: {split: faces} of the data.
        mirrored: faces of the split that are mirror images of a training face, None where the data has no training faces.
        twins: groups of pixel-identical faces in the split whose labels differ.
        random_split: whether the split was drawn at random for this audit.
        run: what the training run wrote, or None.
        assumed: what was assumed about labels and input, a sentence each.
        claim: the accuracy that somebody claims, 0 to 1, or None.
    """

    test: Evaluation
    training: Evaluation | None = None
    others: dict[str, Evaluation] = field(default_factory=dict)
    split_sizes: dict[str, int] = field(default_factory=dict)
    mirrored: int | None = None
    twins: int = 0
    random_split: bool = False
    run: RunRecord | None = None
    assumed: tuple[str, ...] = ()
    claim: float | None = None

    @property
    def is_fer2013(self) -> bool:
        """Whether the data has FER2013's official training split and the measured split is an official one of its size."""
        sizes = self.split_sizes
        official = self.test.split in ("PublicTest", "PrivateTest")
        return official and all(sizes.get(name) == FER2013_SPLITS[name] for name in ("Training", self.test.split))


def ask(measured: Measured) -> tuple[Question, ...]:
    """Answer every question that the figures allow, in the order in which a reader asks them.

    Args:
        measured: the figures.
    """
    answers = (question(measured) for question in QUESTIONS)
    return tuple(answer for answer in answers if answer is not None)


def _split(m: Measured) -> Question:
    text, name = "Which faces was it measured on?", m.test.split
    figures = {"split": name, "n": len(m.test), "official": m.is_fer2013}
    if m.random_split:
        answer = (
            "a random tenth of the data, drawn for this audit: the same person may be on both sides, and no published figure compares "
            "with it"
        )
        return Question("split", text, DOUBTFUL, answer, figures)
    if len(m.split_sizes) < 2:
        answer = "the data has one split, so nothing here says which faces the network learned from"
        return Question("split", text, UNKNOWN, answer, figures)
    official = ", an official split of FER2013" if m.is_fer2013 else ""
    exam = "; published figures are those of PrivateTest" if m.is_fer2013 and name == "PublicTest" else ""
    return Question("split", text, FINE, f"{len(m.test):,} faces of {name}{official}{exam}", figures)


def _interval(m: Measured) -> Question:
    e = m.test
    low, high = e.interval
    difference = Z95 * float(np.sqrt(2 * e.accuracy * (1 - e.accuracy) / max(len(e), 1)))
    answer = (
        f"95 % interval {low * 100:.1f} to {high * 100:.1f} %; a network measured on other faces of this number differs by "
        f"chance by up to {difference * 100:.1f} points"
    )
    figures = {"accuracy": e.accuracy, "interval": [low, high], "difference": difference}
    return Question("interval", "How exact is the figure?", FINE if high - low < 0.06 else DOUBTFUL, answer, figures)


def _copies(m: Measured) -> Question:
    text, inside = "Are test faces also in training?", m.test.in_training
    if inside is None:
        return Question("copies", text, UNKNOWN, "the data has no training split to compare with")
    count = int(inside.sum())
    rest = wilson_of(m.test.correct[~inside])
    figures = {"copies": count, "mirrored": m.mirrored, "accuracy_without": rest[0], "interval_without": rest[1]}
    mirrored = f", {m.mirrored:,} are mirror images of one" if m.mirrored else ""
    if not count:
        status = DOUBTFUL if m.mirrored else FINE
        return Question(
            "copies", text, status, f"no test face is pixel-identical to a training face{mirrored}", figures
        )
    seen = wilson_of(m.test.correct[inside])
    gain = m.test.accuracy - rest[0]
    figures |= {"accuracy_copies": seen[0], "interval_copies": seen[1], "gain": gain}
    answer = (
        f"{count:,} of {len(m.test):,} are pixel-identical to a training face{mirrored}; on these it has {percent(*seen)}, on the others "
        f"{percent(*rest)}: the copies are worth {gain * 100:+.1f} points"
    )
    return Question("copies", text, DOUBTFUL if gain > 0.005 else FINE, answer, figures)


def _memory(m: Measured) -> Question:
    text = "What would a leak give, and does it look like one?"
    if m.training is None:
        return Question(
            "memory",
            text,
            UNKNOWN,
            "the data has no training faces, so what the network knows by heart cannot be measured",
        )
    seen, unseen = m.training.accuracy, m.test.accuracy
    rank = membership(m.training, m.test)
    figures = {"training_accuracy": seen, "training_interval": list(m.training.interval), "membership_auroc": rank}
    answer = (
        f"on training faces it has {percent(seen, m.training.interval)}, so each percent of the test faces that leaked into training would "
        f"add up to {max(seen - unseen, 0):.2f} points; its certainty tells training from test faces with an AUROC of {rank:.2f} "
        "(.5 = not at all)"
    )
    if seen >= MEMORISED and rank < 0.55:
        answer += ": it knows the test faces as well as those it learned by heart"
        return Question("memory", text, DOUBTFUL, answer, figures)
    return Question("memory", text, FINE, answer, figures)


def _others(m: Measured) -> Question | None:
    """Another held-out split: a network that was chosen on one, or saw it, is better there."""
    if not m.others:
        return None
    text = "Does another held-out split say the same?"
    name, other = max(m.others.items(), key=lambda item: len(item[1]))
    gap = m.test.accuracy - other.accuracy
    error = float(np.sqrt(sum(e.accuracy * (1 - e.accuracy) / max(len(e), 1) for e in (m.test, other))))
    figures = {"split": name, "accuracy": other.accuracy, "interval": list(other.interval), "gap": gap}
    answer = f"on {name} it has {percent(other.accuracy, other.interval)}, {abs(gap) * 100:.1f} points {'less' if gap > 0 else 'more'}"
    if gap > Z95 * error and gap > 0.01:
        return Question(
            "other-split",
            text,
            DOUBTFUL,
            answer + ": more than chance gives, as of a network that was chosen on this split",
            figures,
        )
    return Question("other-split", text, FINE, answer, figures)


def _selection(m: Measured) -> Question:
    text = "Was the network chosen on the faces that it is measured on?"
    if m.run is None:
        answer = (
            "nothing beside the network says which faces chose its epoch and its settings; ask its author, or measure a split that "
            "nobody used"
        )
        return Question("selection", text, UNKNOWN, answer)
    figures = {
        "validation": m.run.validation,
        "epochs": len(m.run.accuracies),
        "gain": m.run.selection_gain,
        "seed": m.run.seed,
    }
    if m.run.validation.lower() == m.test.split.lower():
        answer = f"yes: the best of {len(m.run.accuracies)} epochs was chosen on {m.run.validation}"
        if m.run.accuracies:
            answer += f", where it is {m.run.selection_gain * 100:.1f} points above the median of the last ten"
        return Question("selection", text, DOUBTFUL, answer, figures)
    answer = f"its run chose the epoch on {m.run.validation}; whether its settings were chosen on {m.test.split}, no file can tell"
    return Question("selection", text, FINE, answer, figures)


def _supervision(m: Measured) -> Question | None:
    if m.run is None or not (m.run.teachers or m.run.ferplus):
        return None
    teachers = "another network" if m.run.teachers == 1 else f"{m.run.teachers} other networks"
    sources = [teachers] if m.run.teachers else []
    sources += ["the FERPlus votes"] if m.run.ferplus else []
    answer = f"it also learned from {' and '.join(sources)}, which belongs beside the figure: what these saw counts as its data"
    return Question(
        "supervision", "Did it learn from more than these faces?", DOUBTFUL if m.run.teachers else FINE, answer
    )


def _augmentation(m: Measured) -> Question:
    plain = m.test.accuracy
    rates = {
        name: float((p.argmax(axis=1) == m.test.true).mean()) if len(m.test) else 0.0 for name, p in m.test.tta.items()
    }
    shown = "; ".join(f"{name} {rate * 100:.1f} % ({(rate - plain) * 100:+.1f})" for name, rate in rates.items())
    answer = f"one pass gives {plain * 100:.1f} %; with test-time augmentation: {shown}. A figure says which it is"
    return Question("augmentation", "One pass, or an average over views?", FINE, answer, {"one-pass": plain, **rates})


def _labels(m: Measured) -> Question:
    text = "Are these the labels that others measure?"
    notes = [note for note in m.test.notes if "left out" in note or " = " in note or "no faces" in note]
    left_out = m.test.settings.get("left_out") or {}
    if left_out:
        notes.append("left out of the data: " + ", ".join(f"{name} {count:,}" for name, count in left_out.items()))
    figures = {"labels": list(m.test.labels), "scheme": m.test.settings.get("scheme", "")}
    if m.assumed:
        answer = f"{m.assumed[0]}: run `ferviz check` before you believe any figure"
        return Question("labels", text, DOUBTFUL, answer, figures)
    if notes:
        return Question(
            "labels", text, DOUBTFUL, "; ".join(notes) + ": figures for other sets of classes do not compare", figures
        )
    return Question("labels", text, FINE, f"all {len(m.test.labels)} classes of the data, matched by name", figures)


def _noise(m: Measured) -> Question | None:
    if not m.twins:
        return None
    groups = "1 group" if m.twins == 1 else f"{m.twins:,} groups"
    answer = f"{groups} of pixel-identical faces with different labels: no network can have all of them right"
    return Question("label-noise", "Can the labels be right?", FINE, answer, {"contradicting_groups": m.twins})


def _ceiling(m: Measured) -> Question | None:
    if not m.is_fer2013:
        return None
    text, accuracy = "Is it plausible beside what is known?", m.claim or m.test.accuracy
    known = (
        "people reach 65 ± 5 % on FER2013 (Goodfellow et al. 2013), clean networks 73 to 77 % at most, "
        "with pretraining, ensembles and test-time augmentation"
    )
    if accuracy > HIGHEST_SINGLE:
        return Question("ceiling", text, DOUBTFUL, f"no: {known}", {"known": HIGHEST_SINGLE})
    return Question("ceiling", text, FINE, known, {"known": HIGHEST_SINGLE})


def _claim(m: Measured) -> Question | None:
    if m.claim is None:
        return None
    text, (low, high) = f"Is {m.claim * 100:.1f} % what this file gives?", m.test.interval
    ways = {"one pass": m.test} | {f"on {name}": e for name, e in m.others.items()}
    fits = [name for name, e in ways.items() if e.interval[0] <= m.claim <= e.interval[1]]
    for name, probabilities in m.test.tta.items():
        _, interval = wilson_of(probabilities.argmax(axis=1) == m.test.true)
        fits += [f"with {name}"] if interval[0] <= m.claim <= interval[1] else []
    if m.training is not None and m.training.interval[0] <= m.claim <= m.training.interval[1]:
        fits.append("on faces that it was trained on")
    figures = {"claim": m.claim, "reproduced_by": fits}
    if low <= m.claim <= high:
        return Question("claim", text, FINE, f"yes, within the interval ({', '.join(fits)})", figures)
    if fits:
        return Question(
            "claim", text, DOUBTFUL, f"not in one pass on {m.test.split}; it is what it has {', '.join(fits)}", figures
        )
    return Question(
        "claim",
        text,
        DOUBTFUL,
        "no: neither in one pass, nor with test-time augmentation, nor on another split of this data",
        figures,
    )


QUESTIONS: Sequence[Callable[[Measured], Question | None]] = (
    _claim, _split, _interval, _copies, _memory, _others, _selection, _supervision, _augmentation, _labels, _noise, _ceiling,
)  # fmt: skip


def wilson_of(correct: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return a rate and its 95 % interval.

    Args:
        correct: (N,) bool.
    """
    hits, n = int(correct.sum()), len(correct)
    return hits / max(n, 1), wilson(hits, n)


def membership(training: Evaluation, test: Evaluation) -> float:
    """Return how well the probability of the true class tells training from test faces: the area under the ROC curve, .5 = not at all.

    Args:
        training: the network on faces that it learned from.
        test: the network on other faces.

    References:
        Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018.
    """
    from scipy.stats import rankdata

    # Rounded, for faces that are answered alike are tied whatever the arithmetic's last digit.
    parts = [np.round(e.probabilities[np.arange(len(e)), e.true], 6) for e in (training, test)]
    if not all(len(part) for part in parts):
        return 0.5
    ranks = rankdata(np.concatenate(parts))
    n, m = map(len, parts)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
