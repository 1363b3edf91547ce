"""Architectures by name: each a function `build(classes, ...) -> keras.Model`, one file each, listed in ARCHITECTURES.

All of them take raw pixels (0..255): the normalisation is a layer of the network, so that a wrong range of values is impossible.
A builder's keyword arguments are its options; `options()` lists them with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ferviz.errors import UsageError
from ferviz.registry import Registry

ARCHITECTURES: Registry[Callable[..., Any]] = Registry("architecture", "ferviz.architectures")
_HERE = "ferviz.models.architectures"
for _name, _summary in (
    ("residual", "small residual network of 3x3 convolutions, GAP head (the bundled one)"),
    ("plain", "convolutions and poolings in two or three stages, dense layers"),
    ("vgg", "VGG-like, LeakyReLU, batch normalisation, dense layers"),
    ("mini_xception", "mini_XCEPTION of Arriaga et al. 2017, 58 thousand parameters"),
    ("transfer", "any backbone of keras.applications with a new head"),
):
    ARCHITECTURES.add(_name, _summary, f"{_HERE}.{_name}:build")

_TRAINER_ARGUMENTS = ("classes", "seed", "logits")
"""The arguments that training sets; they are no options of the user."""


def architectures() -> dict[str, str]:
    """Return {name: one line about it} for every architecture that `train` can build."""
    return ARCHITECTURES.summaries()


def options(name: str) -> dict[str, Any]:
    """Return {option: default} of an architecture.

    Args:
        name: the architecture.

    Raises:
        UnknownNameError: there is no such architecture.
    """
    parameters = inspect.signature(ARCHITECTURES[name]).parameters
    return {key: p.default for key, p in parameters.items() if key not in _TRAINER_ARGUMENTS}


def build(name: str, classes: int, *, seed: int = 0, logits: bool = False, **chosen: Any) -> Any:
    """Build an architecture.

    Args:
        name: the architecture.
        classes: number of outputs.
        seed: of the initial weights.
        logits: leave the softmax out (as in training).
        **chosen: options of that architecture.

    Returns:
        A keras.Model that takes (N, h, w, c) raw pixels.

    Raises:
        UnknownNameError: there is no such architecture.
        UsageError: there is no such option, or the builder refuses its value.
    """
    builder = ARCHITECTURES[name]
    known = options(name)
    for key in chosen:
        if key not in known:
            raise UsageError(f"architecture {name!r} has no option {key!r}; it has {', '.join(known)}")
    try:
        return builder(classes, seed=seed, logits=logits, **chosen)
    except (ValueError, TypeError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UsageError(
            f"architecture {name!r} cannot be built with these options, its maps may become too small ({why})"
        ) from error
