"""Dreams: pictures that a network responds to most. `ferviz.dream` makes them, `ferviz.objectives` names what is raised."""

from ferviz.dreaming import objectives as objectives
