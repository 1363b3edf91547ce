"""What a fuzz target is: one reader of files, its seeds, its mutations and what is done with what it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutate.raw import Mutator


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: as on the command line.
        reader: what is called, for the table.
        suffix: of a case's file.
        seeds: returns {name: bytes}: sound files, and hostile ones whose payload would touch a file.
        mutate: makes a case from a seed.
        run: reads a case's file and uses what was read; it may raise only `ferviz.errors.FervizError`. Its folder may be written.
        prepare: called once in a worker, before the watch begins: imports, companions.
        preload: modules that the library's sandbox imports for this reader, so that its children are forked (`fuzz.forks`).
        memory: bytes by which the worker's peak may grow in one case.
    """

    name: str
    reader: str
    suffix: str
    seeds: Callable[[], dict[str, bytes]]
    mutate: Mutator
    run: Callable[[Path], None]
    prepare: Callable[[], None] = lambda: None
    preload: tuple[str, ...] = ()
    memory: int = 1 << 30
