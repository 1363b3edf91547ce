"""Label schemes: which emotions a network or a data set knows, and in which order.

The same seven outputs mean different emotions in Kaggle's order and in the alphabetical order that class folders give. A
`LabelScheme` is that order, and how FER2013's numbers map onto it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ferviz.errors import UnknownNameError, UsageError
from ferviz.printable import is_printable, printable

FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Kaggle's numbering of FER2013: label 0 is angry, ... 6 is neutral."""

FERPLUS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""FERPlus' eight classes in the order of its vote columns."""

SYNONYMS = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "afraid": "fear", "scared": "fear", "happiness": "happy",
    "joy": "happy", "sadness": "sad", "surprised": "surprise", "calm": "neutral", "neutrality": "neutral",
    "contemptuous": "contempt", "natural": "neutral",
}  # fmt: skip
"""Other words for the same emotions, as data sets and networks spell them."""

COLORS = {
    "angry": "#c8432f", "disgust": "#7a8f2a", "fear": "#6d4f9e", "happy": "#e3a51a", "sad": "#3b6ea8",
    "surprise": "#d9730d", "neutral": "#7d7d7d", "contempt": "#8a5a44", "positive": "#e3a51a", "negative": "#3b6ea8",
}  # fmt: skip
"""One colour an emotion, the same in every figure."""


MAX_NAME = 200
"""The most characters of a class name."""

RESERVED = {"predicted": "the predicted class", "all": "every class"}
"""Words that stand for classes in targets, so that no class can be called so."""

_WEIGHT = re.compile(r"[+*]|[\d.]+\s*\*")


@dataclass(frozen=True)
class LabelScheme:
    """An ordered set of classes and how FER2013's seven fall into it.

    Attributes:
        name: e.g. "6-merged".
        labels: the class names, in the order of the network's outputs.
        from_fer: for each of the seven FER2013 numbers the index in `labels`, or -1 where such faces are left out.
    """

    name: str
    labels: tuple[str, ...]
    from_fer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)


def _scheme(name: str, labels: Sequence[str], groups: dict[str, str] | None = None) -> LabelScheme:
    groups = groups or {}
    index = {label: i for i, label in enumerate(labels)}
    return LabelScheme(name, tuple(labels), tuple(index.get(groups.get(e, e), -1) for e in FER2013))


_SIX = tuple(e for e in FER2013 if e != "disgust")

SCHEMES: dict[str, LabelScheme] = {
    s.name: s
    for s in (
        _scheme("7", FER2013),
        _scheme("7-alphabetical", sorted(FER2013)),
        _scheme("6-merged", _SIX, {"disgust": "angry"}),
        _scheme("6-dropped", _SIX),
        _scheme("8-ferplus", FERPLUS),
        _scheme(
            "positive-negative",
            ("negative", "positive"),
            dict.fromkeys(("angry", "disgust", "fear", "sad"), "negative") | {"happy": "positive"},
        ),
    )
}
"""The named schemes; `label_scheme()` also makes any subset."""


def canonical(name: str) -> str:
    """Return the usual spelling of an emotion's name.

    Args:
        name: "Happiness", " Very_Angry ".

    Returns:
        The name in lower case, a synonym replaced by the usual word, words joined by hyphens: "happy", "very-angry".
    """
    word = name.strip().lower().replace("_", " ").replace("-", " ")
    return SYNONYMS.get(word, word.replace(" ", "-"))


def label_schemes() -> dict[str, tuple[str, ...]]:
    """Return the label schemes that have a name.

    Returns:
        {name: class names in the order of the network's outputs}.
    """
    return {name: scheme.labels for name, scheme in SCHEMES.items()}


def _class_name(label: str) -> str:
    """-> the usual spelling of a class name, if it can be shown and written in a target."""
    name = canonical(label)
    problem = ""
    if len(name) > MAX_NAME:
        problem = f"has {len(name):,} characters, and the most are {MAX_NAME}"
    elif not is_printable(name):
        problem = "holds characters that cannot be shown"
    elif name in RESERVED:
        problem = f"means {RESERVED[name]} wherever a target is named"
    elif "," in name or _WEIGHT.match(name) or name.strip("-") != name:
        problem = "cannot be told from a list or a weighting of classes"
    if problem:
        raise UsageError(f"the class name {printable(name, 60)!r} {problem}; give the class another name")
    return name


def label_scheme(labels: str | Iterable[str]) -> LabelScheme:
    """Return a label scheme by its name, or make one of class names.

    Args:
        labels: a scheme's name ("7", "6-merged", ...), class names as text ("happy,sad"), or a sequence of class names. Names of
            FER2013's emotions (or their synonyms) keep their meaning; other names become classes without FER2013 faces.

    Raises:
        UsageError: there are fewer than two classes, a class is repeated, or a name is one of RESERVED, holds a comma or control
            characters, begins or ends with a sign, begins with a weight ("2*"), or is longer than MAX_NAME.
        UnknownNameError: there is no scheme of this name.
    """
    if isinstance(labels, str):
        if labels in SCHEMES:
            return SCHEMES[labels]
        if "," not in labels:
            raise UnknownNameError("label scheme", labels, SCHEMES)
        labels = labels.split(",")
    names = tuple(_class_name(label) for label in labels)
    if len(names) < 2 or len(set(names)) != len(names) or "" in names:
        raise UsageError(f"labels need two or more different names, got {', '.join(names) or 'none'}")
    for scheme in SCHEMES.values():
        if scheme.labels == names and not scheme.name.startswith("6"):
            return scheme
    return _scheme(",".join(names), names)
