"""Conditions on faces, as text: `true=fear predicted=sad confidence>0.6`.

Each condition is a column, an operator and a value; all of them have to hold. There are no brackets and no functions, so nothing that is
typed is ever run.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferviz.emotions import canonical
from ferviz.errors import UnknownNameError, UsageError
from ferviz.printable import printable

MAX_LENGTH = 2000
"""The most characters of a condition."""

EXAMPLE = "true=fear predicted=sad confidence>0.6"

OPERATORS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

YES, NO = ("yes", "true", "1"), ("no", "false", "0")

_CONDITION = re.compile(
    r"""\s*(?:and\s+)?(?:"(?P<quoted>[^"]+)"|(?P<name>[^\s=!<>,"']+))\s*
    (?P<operator>==|!=|<=|>=|=|<|>)\s*
    (?P<value>(?:"[^"]*"|'[^']*'|[^\s"'=!<>]+))(?=\s|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_CLASS = ("true", "predicted", "second")


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: the column.
        operator: one of OPERATORS.
        values: what it is compared with: several for "is one of" (or, with !=, "is none of").
    """

    name: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{','.join(self.values)}"

    def mask(self, column: np.ndarray, classes: Sequence[str] = ()) -> np.ndarray:
        """Return for which faces it holds, (N,) bool.

        Args:
            column: (N,) numbers, texts or bool.
            classes: the classes that a column of classes may name; () = any.

        Raises:
            UsageError: the value is no number, or texts are compared by size.
            UnknownNameError: the value is none of the classes.
        """
        if column.dtype == bool:
            return self._is_one_of(column, [self._bool(value) for value in self.values])
        if column.dtype.kind in "iuf":
            numbers = [self._number(value) for value in self.values]
            if self.operator in ("=", "!="):
                return self._is_one_of(column, numbers)
            if len(numbers) > 1:
                raise UsageError(f"{self} compares with {len(numbers)} numbers; name one")
            return np.asarray(OPERATORS[self.operator](column, numbers[0]))
        if self.operator not in ("=", "!="):
            raise UsageError(f"{self} compares names by size; use {self.name}= or {self.name}!=")
        known = {canonical(name) for name in classes}
        for value in self.values:
            if known and canonical(value) not in known:
                raise UnknownNameError("class", value, classes)
        return self._is_one_of(np.array([canonical(str(v)) for v in column]), [canonical(v) for v in self.values])

    def _is_one_of(self, column: np.ndarray, values: Sequence[object]) -> np.ndarray:
        inside = np.isin(column, np.array(list(values)))
        return inside if self.operator == "=" else ~inside

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise UsageError(f"{self} compares {self.name}, which is a number, with {text!r}; write {self.name}>0.5")
        return number

    def _bool(self, text: str) -> bool:
        if self.operator not in ("=", "!=") or text.lower() not in (*YES, *NO):
            raise UsageError(f"{self} is not understood; write {self.name}=yes or {self.name}=no")
        return text.lower() in YES


def parse_where(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a text.

    Args:
        text: `NAME OPERATOR VALUE`, several with spaces between. A name or value with spaces stands in quotes; values with commas
            between mean any of them: `true=fear,sad`.

    Raises:
        UsageError: the text is none of this.
    """
    if not isinstance(text, str):
        raise UsageError(f"a condition is text such as {EXAMPLE!r}, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"a condition has at most {MAX_LENGTH:,} characters, not {len(text):,}")
    conditions, at = [], 0
    while text[at:].strip():
        match = _CONDITION.match(text, at)
        if match is None:
            rest = printable(text[at:].strip(), 60)
            raise UsageError(f"{rest!r} is no condition; write a name, one of = != < <= > >= and a value: {EXAMPLE}")
        sign = "=" if match["operator"] == "==" else match["operator"]
        value = match["value"]
        values = [value[1:-1]] if value[0] in "\"'" else [part for part in value.split(",") if part]
        if not values or not all(values):
            raise UsageError(f"{match[0].strip()!r} has no value; write {EXAMPLE}")
        name = match["quoted"] or match["name"].lower()
        conditions.append(Condition(name, sign, tuple(values)))
        at = match.end()
    if not conditions:
        raise UsageError(f"the condition is empty; write {EXAMPLE}")
    return tuple(conditions)


def mask_of(
    conditions: Sequence[Condition], columns: Mapping[str, np.ndarray], classes: Sequence[str] = ()
) -> np.ndarray:
    """Return for which faces all conditions hold, (N,) bool.

    Args:
        conditions: what `parse_where` returned.
        columns: {name: (N,) values}.
        classes: the classes that `true`, `predicted` and `second` may name.

    Raises:
        UnknownNameError: there is no such column or class.
        UsageError: a column cannot be compared so.
    """
    count = len(next(iter(columns.values())))
    mask = np.ones(count, bool)
    for condition in conditions:
        if condition.name not in columns:
            raise UnknownNameError("column", condition.name, columns)
        known = classes if condition.name in _CLASS else ()
        mask &= condition.mask(columns[condition.name], known)
    return mask


def prediction_columns(
    probabilities: np.ndarray, labels: Sequence[str], true: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the columns that a network's answers give.

    Args:
        probabilities: (N, K).
        labels: its K classes.
        true: the N labels of the faces; None = not known.

    Returns:
        {"predicted", "second", "confidence", "p_<class>"} and, where the labels are known, "correct", "p_true".
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    names, rows = np.array([str(label) for label in labels]), np.arange(len(probabilities))
    columns = {
        "predicted": names[order[:, 0]],
        "second": names[order[:, min(1, len(names) - 1)]],
        "confidence": probabilities[rows, order[:, 0]],
        **{f"p_{canonical(name)}": probabilities[:, k] for k, name in enumerate(names)},
    }
    if true is not None:
        plain = [canonical(name) for name in names]
        at = np.array([plain.index(canonical(t)) if canonical(t) in plain else -1 for t in true], np.int64)
        columns["correct"] = order[:, 0] == at
        columns["p_true"] = np.where(at >= 0, probabilities[rows, np.maximum(at, 0)], 0.0)
    return columns
