"""Architectures by name: each a function `build(classes, ...) -> keras.Model`, one file each, listed in ARCHITECTURES.

All of them take raw pixels (0..255): the normalisation is a layer of the network, so that nobody can feed it the wrong range.
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
ARCHITECTURES.add(
    "residual", "small residual network, 3x3 convolutions, GAP head (the bundled one)", f"{_HERE}.residual:build"
)

_GIVEN = ("classes", "seed", "logits")
"""What the trainer decides, not the user's options."""


def options(name: str) -> dict[str, Any]:
    """Return {option: default} of the architecture `name`. Raises UnknownNameError for an unknown one."""
    parameters = inspect.signature(ARCHITECTURES[name]).parameters
    return {key: p.default for key, p in parameters.items() if key not in _GIVEN}


def build(name: str, classes: int, *, seed: int = 0, logits: bool = False, **chosen: Any) -> Any:
    """Build the architecture `name` with `classes` outputs.

    seed: of the initial weights. logits: leave the softmax out (training does). chosen: options of that architecture.
    Returns a keras.Model that takes (N, h, w, c) raw pixels. Raises UnknownNameError for an unknown architecture,
    UsageError for an unknown option or a value that its builder refuses.
    """
    builder = ARCHITECTURES[name]
    known = options(name)
    for key in chosen:
        if key not in known:
            raise UsageError(f"architecture {name!r} has no option {key!r}; it has {', '.join(known)}")
    return builder(classes, seed=seed, logits=logits, **chosen)
