"""Dreams: pictures that a network wants to see. `ferviz.dream` makes them, `ferviz.objectives` says of what."""

from ferviz.dreaming import objectives as objectives
