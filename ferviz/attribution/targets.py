"""Targets: what is explained. A class, the predicted class, a contrast of two, or any weighted sum of logits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ferviz.emotions import canonical
from ferviz.engines.base import Array
from ferviz.errors import UnknownNameError, UsageError
from ferviz.registry import split_names

PREDICTED = "predicted"
"""Stands for the class with the greatest logit, picture by picture."""

ALL = "all"
"""Stands for every class, one target each."""

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*\*\s*")


@dataclass(frozen=True)
class Target:
    """A weighted sum of logits.

    Attributes:
        name: as it is shown.
        terms: (class name or "predicted", weight), at least one.
    """

    name: str
    terms: tuple[tuple[str, float], ...]

    @property
    def contrast(self) -> bool:
        """Whether classes are contrasted: there are weights of both signs."""
        weights = [weight for _, weight in self.terms]
        return min(weights) < 0 < max(weights)


def parse_targets(target: str | Iterable[str] | Mapping[str, float], labels: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets that a text, a sequence of texts or a mapping stands for.

    Args:
        target: "predicted"; a class ("happy", synonyms as in ferviz.emotions); "all"; a contrast ("happy-sad": happy rather than
            sad); a weighting ("2*happy-sad-0.5*fear"); several of these with commas between, or in a sequence; or {class: weight}.
        labels: the network's classes.

    Raises:
        UnknownNameError: the network does not have such a class.
        UsageError: not a target.
    """
    labels = tuple(labels)
    if isinstance(target, Mapping):
        terms = [(_class(name, labels), float(weight)) for name, weight in target.items()]
        return (_target(_spell(terms), terms),)
    if isinstance(target, str):
        texts = split_names(target, labels)
    elif isinstance(target, Iterable):
        texts = list(target)
        if not all(isinstance(text, str) for text in texts):
            raise UsageError(f"targets are class names or sums of them such as 'happy-sad', not {texts!r:.60}")
        texts = split_names(texts, labels)
    else:
        raise UsageError(f"a target is a class name or a sum of them such as 'happy-sad', not {target!r:.60}")
    targets: list[Target] = []
    for text in texts:
        targets.extend(_parse(text.strip(), labels))
    if len({t.name for t in targets}) != len(targets):
        raise UsageError(f"a target is named twice in {target!r}; name each once")
    if not targets:
        raise UsageError("no target was named; use a class, 'predicted', 'all' or a contrast such as 'happy-sad'")
    return tuple(targets)


def target_weights(targets: Iterable[Target], labels: Iterable[str], n: int) -> Array:
    """Return the targets as rows of weights on the logits of n pictures.

    Args:
        targets: T targets.
        labels: the network's K classes.
        n: how many pictures.

    Returns:
        (n, T, K + 1) float32; the last column is the weight of the predicted class, whichever that is (see `resolve`).
    """
    columns = {label: i for i, label in enumerate((*labels, PREDICTED))}
    rows = []
    for target in targets:
        row = np.zeros(len(columns), np.float32)
        for name, weight in target.terms:
            row[columns[name]] += weight
        rows.append(row)
    return np.repeat(np.stack(rows)[None], n, axis=0)


def is_class(weights: np.ndarray) -> np.ndarray:
    """Return which targets are a class by itself, whose score is its log-odds against all others.

    Args:
        weights: (..., K), of the logits.

    Returns:
        (...) bool: a single weight of 1, and zeros.
    """
    result: np.ndarray = ((weights == 1).sum(-1) == 1) & ((weights != 0).sum(-1) == 1)
    return result


def resolve(weights: Array, logits: Array) -> Array:
    """Move the weight of the predicted class onto the class with the greatest logit.

    Args:
        weights: (N, T, K + 1), as `target_weights` returns them.
        logits: (N, K).

    Returns:
        (N, T, K).
    """
    resolved = weights[..., :-1].copy()
    resolved[np.arange(len(logits)), :, logits.argmax(1)] += weights[..., -1]
    return resolved


def _parse(text: str, labels: tuple[str, ...]) -> list[Target]:
    if text.lower() == ALL and _known(text, labels) is None:
        return [Target(label, ((label, 1.0),)) for label in labels]
    terms: list[tuple[str, float]] = []
    rest = text
    while rest or not terms:
        sign, rest = _sign(rest, text, first=not terms)
        number = _NUMBER.match(rest)
        weight = sign * float(number[1]) if number else sign
        name, rest = _name(rest[number.end() :] if number else rest, labels)
        terms.append((name, weight))
    return [_target(_spell(terms), terms)]


def _target(name: str, terms: list[tuple[str, float]]) -> Target:
    if not terms or not all(np.isfinite(w) for _, w in terms):
        raise UsageError("the weights of a target have to be finite numbers, one class at least")
    sums: dict[str, float] = {}
    for label, weight in terms:
        sums[label] = sums.get(label, 0.0) + weight
    if not any(sums.values()):
        raise UsageError(
            f"the target {name!r} weighs nothing; contrast two classes, or give one a weight that is not zero"
        )
    return Target(name, tuple(terms))


def _sign(rest: str, text: str, first: bool) -> tuple[float, str]:
    rest = rest.strip()
    if rest[:1] in ("+", "-"):
        return (1.0 if rest[0] == "+" else -1.0), rest[1:].strip()
    if not first:
        raise UsageError(f"the target {text!r} cannot be read at {rest!r}; write sums such as '2*happy-sad'")
    return 1.0, rest


def _name(rest: str, labels: tuple[str, ...]) -> tuple[str, str]:
    """Split the longest known name off the front; class names may themselves contain a hyphen."""
    for end in range(len(rest), 0, -1):
        if end == len(rest) or rest[end:].lstrip()[:1] in ("+", "-"):
            label = _known(rest[:end].strip(), labels)
            if label is not None:
                return label, rest[end:].strip()
    word = re.split(r"[+\-*]", rest)[0].strip() or rest
    raise _unknown(word, labels)


def _known(word: str, labels: tuple[str, ...]) -> str | None:
    if word in labels or word == PREDICTED:
        return word
    folded = {canonical(label): label for label in reversed(labels)}
    return folded.get(canonical(word), PREDICTED if word.lower() == PREDICTED else None) if word else None


def _class(name: object, labels: tuple[str, ...]) -> str:
    label = _known(str(name), labels)
    if label is None:
        raise _unknown(name, labels)
    return label


def _unknown(word: object, labels: tuple[str, ...]) -> UnknownNameError:
    return UnknownNameError("class", word, (*labels, PREDICTED, ALL), "this model")


def _spell(terms: list[tuple[str, float]]) -> str:
    text = ""
    for name, weight in terms:
        sign = "-" if weight < 0 else "+" if text else ""
        factor = "" if abs(weight) == 1 else f"{abs(weight):g}*"
        text += f"{sign}{factor}{name}"
    return text
