"""The targets by name, in the order of the table."""

from __future__ import annotations

from fuzz.target import Target
from fuzz.targets import (
    compiled,
    detectors,
    foreign,
    networks,
    pictures,
    results,
    savedmodels,
    shards,
    tables,
    teaching,
    torch_files,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (
        networks,
        savedmodels,
        compiled,
        foreign,
        torch_files,
        detectors,
        pictures,
        tables,
        shards,
        results,
        teaching,
    )
    for target in module.TARGETS
}
