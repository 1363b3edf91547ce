"""The result of an audit: one page of questions and answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from ferviz.evaluation.audit.questions import DOUBTFUL, FINE, UNKNOWN, Measured, Question, wilson_of
from ferviz.evaluation.plots import percent
from ferviz.printable import sentence
from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Interval = tuple[float, float]
MARKS = {FINE: "ok", DOUBTFUL: "!!", UNKNOWN: "??"}


@dataclass(frozen=True)
class AuditResult(Result):
    """What there is to know before a network's accuracy is believed.

    Attributes:
        measured: the evaluations and counts behind the answers.
        questions: the questions with their answers.
    """

    command: ClassVar[str] = "audit"

    measured: Measured
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        return f"AuditResult({self.headline()})"

    def __getitem__(self, name: str) -> Question:
        """Return a question by its short name, for instance "copies"."""
        return next(question for question in self.questions if question.name == name)

    def headline(self) -> str:
        """Return the finding in one sentence."""
        test = self.measured.test
        count = sum(question.status == DOUBTFUL for question in self.questions)
        doubts = {0: "no doubts", 1: "1 doubt"}.get(count, f"{count} doubts")
        source = PurePath(str(test.settings.get("data") or "the data")).name
        return f"{test.model}: {percent(test.accuracy, test.interval)} on {test.split} of {source}, one pass; {doubts}"

    def rates(self) -> dict[str, tuple[float, Interval]]:
        """Return the accuracy of the network measured in each way, with its 95 % interval."""
        test = self.measured.test
        rates = {f"{test.split}, one pass": wilson_of(test.correct)}
        for name, probabilities in test.tta.items():
            rates[f"{test.split}, {name}"] = wilson_of(probabilities.argmax(axis=1) == test.true)
        if test.in_training is not None and test.in_training.any():
            rates["copies of training faces"] = wilson_of(test.correct[test.in_training])
            rates["without these copies"] = wilson_of(test.correct[~test.in_training])
        rates |= {name: wilson_of(e.correct) for name, e in self.measured.others.items()}
        if self.measured.training is not None:
            rates["training faces"] = wilson_of(self.measured.training.correct)
        return rates

    def to_dict(self) -> dict[str, Any]:
        """Return model, accuracy, rates and questions as plain data."""
        test = self.measured.test
        return {
            "model": test.model,
            "model_sha256": test.sha256,
            "data": test.settings.get("data"),
            "data_sha256": test.settings.get("data_sha256"),
            "split": test.split,
            "n": len(test),
            "accuracy": test.accuracy,
            "interval": list(test.interval),
            "claim": self.measured.claim,
            "rates": {name: {"accuracy": rate, "interval": list(ends)} for name, (rate, ends) in self.rates().items()},
            "questions": {
                q.name: {"question": q.text, "status": q.status, "answer": q.answer, **q.figures}
                for q in self.questions
            },
        }

    def table(self) -> Sequence[Sequence[Any]]:
        """Return one row for each question: its name, its status, the question and the answer."""
        rows: list[list[Any]] = [["name", "status", "question", "answer"]]
        return rows + [[q.name, q.status, q.text, q.answer] for q in self.questions]

    def text(self, width: int = 110) -> str:
        """Return the page for a terminal.

        Args:
            width: characters in a line.
        """
        lines = [*textwrap.wrap(self.headline(), width), ""]
        for question in self.questions:
            lines.append(f"[{MARKS[question.status]}] {question.text}")
            lines += textwrap.wrap(sentence(question.answer), width, initial_indent="     ", subsequent_indent="     ")
        lines += ["", "[ok] fine   [!!] the figure may be too good, or not comparable   [??] nothing here answers it"]
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Return one page as a matplotlib Figure: the questions with their answers, and the accuracy measured in each way."""
        from ferviz.evaluation.audit.audit_plot import audit_figure

        return audit_figure(self)
