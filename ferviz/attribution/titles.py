"""What a picture says in words about the method and the targets that it shows."""

from __future__ import annotations

from collections.abc import Sequence

from ferviz.attribution.methods.method import Method
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.targets import PREDICTED

SLOW_METHODS = ("rise", "occlusion")
"""Methods that hide parts of the face hundreds of times; their maps pass the test most often."""


def title(method: str) -> str:
    """Return a method's name as it is written above pictures.

    Args:
        method: its name in the registry; for one that is not registered here (a file of somebody else's), the name with a capital.
    """
    known = _known(method)
    return (known.title if known else "") or method[:1].upper() + method[1:].replace("-", " ")


def subtitle(method: str, targets: Sequence[str], labels: Sequence[str], signed: bool) -> str:
    """Return what the maps show, for instance "evidence for happy rather than sad".

    Args:
        method: the method's name in the registry.
        targets: the names of the targets.
        labels: the network's classes.
        signed: some values are negative.
    """
    pair = contrast(targets, labels)
    if pair:
        return f"evidence for {pair[0]} rather than {pair[1]}"
    return f"{_kind(method, signed)} {_targets(targets, labels)}"


def contrast(targets: Sequence[str], labels: Sequence[str]) -> tuple[str, str] | None:
    """Return (a, b) where the only target is "a-b" of two classes, else None.

    Args:
        targets: the names of the targets.
        labels: the network's classes; their names may themselves contain a hyphen.
    """
    if len(targets) != 1 or targets[0] in labels:
        return None
    known = (*labels, PREDICTED)
    pairs = ((a, targets[0][len(a) + 1 :]) for a in known if targets[0].startswith(f"{a}-"))
    return next(((a, b) for a, b in pairs if b in known), None)


def _known(method: str) -> Method | None:
    if method not in METHODS:  # a Registry has no `get`
        return None
    return METHODS[method]


def _kind(method: str, signed: bool) -> str:
    known = _known(method)
    if signed:
        return "evidence for and against"
    return "what matters for" if known and known.magnitude else "evidence for"


def _targets(targets: Sequence[str], labels: Sequence[str]) -> str:
    if len(targets) > 1:
        return f"each {'class' if set(targets) <= set(labels) else 'target'}"
    return "the predicted class" if targets[0] == PREDICTED else targets[0]
