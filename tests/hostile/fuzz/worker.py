"""A worker: a process that makes and runs one case after another, and says which before it does.

It writes lines of JSON: {"case": n} before a case, {"done": n, "outcome": ...} after it. When it dies, its parent knows in which case.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzz.forks import use_forks
from fuzz.guard import Guard
from fuzz.target import Target

MEMORY = 6 * 1024**3
"""Bytes of address space beyond what a worker has when it begins."""

SOUND = ("read", "refused")
"""How a case may end."""

LONGEST = 3000
"""Characters in a message."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        kind: "read", "refused" (a sentence), or what may not be: "executed", "written", "traceback", "memory", "sentence" (a message
            that is no single line).
        detail: for a finding, what happened and where.
    """

    kind: str
    detail: str = ""


def make_case(target: Target, seeds: dict[str, bytes], seed: int, number: int) -> bytes:
    """Return the bytes of a case; the same arguments give the same bytes. The first cases are the seeds themselves.

    Args:
        target: the target.
        seeds: its seeds.
        seed: of the campaign.
        number: of the case.
    """
    names = sorted(seeds)
    if number < len(names):
        return seeds[names[number]]
    rng = Random(f"{target.name}/{seed}/{number}")
    return target.mutate(seeds[rng.choice(names)], rng, list(seeds.values()))


def run_case(target: Target, path: Path, guard: Guard) -> Outcome:
    """Run one case.

    Args:
        target: the target.
        path: the case's file.
        guard: the watch.
    """
    before = _peak()
    with guard:
        outcome = _run(target, path)
    if guard.events:
        kind, detail = sorted(guard.events)[0]
        return Outcome(kind, detail)
    if _peak() - before > target.memory:
        return Outcome("memory", f"{(_peak() - before) >> 20} MiB")
    return outcome


def _run(target: Target, path: Path) -> Outcome:
    from ferviz.errors import FervizError

    try:
        target.run(path)
    except FervizError as error:
        text = str(error)
        if "\n" in text.strip() or len(text) > LONGEST or not text:
            return Outcome("sentence", f"{_place(error)} {text[:300]!r}")
        return Outcome("refused", text)
    except Exception as error:
        return Outcome("traceback", f"{type(error).__name__} {_place(error)}: {str(error)[:200]!r}")
    return Outcome("read")


def _place(error: BaseException) -> str:
    """-> where an error came from: the last line of ferviz in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f"{os.sep}ferviz{os.sep}" in f.filename] or frames
    return f"{own[-1].filename.rpartition('ferviz' + os.sep)[2]}:{own[-1].name}" if own else "?"


def _peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def deep_document(number: int) -> bytes:
    """Return a document that is nested deeply.

    Args:
        number: of the case.
    """
    return b'{"config": ' * (1000 + number % 100_000) + b"1"


def limit_memory(most: int = MEMORY) -> None:
    """Bound this process' address space, where the system can.

    Args:
        most: bytes beyond what it has now.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def work(target: Target, folder: Path, seed: int, start: int, stop: int) -> None:
    """Run cases until told to stop.

    Args:
        target: the target.
        folder: holds seeds/, case/, home/, work/, tmp/ and cache/; the environment names them already.
        seed: of the campaign.
        start: number of the first case.
        stop: number of the last case + 1.
    """
    if target.preload:
        use_forks(target.preload)
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what native code prints goes to the log

    def tell(**message: Any) -> None:
        channel.write(json.dumps(message) + "\n")

    seeds = {path.name: path.read_bytes() for path in sorted((folder / "seeds").iterdir())}
    target.prepare()
    limit_memory()
    case = folder / "case" / f"case{target.suffix}"
    guard = Guard((folder / "case", folder / "tmp", folder / "cache"), (folder / "work", folder / "home"))
    guard.clear()  # Keras writes its settings when it is imported
    for number in range(start, stop):
        try:
            data = make_case(target, seeds, seed, number)
        except RecursionError:  # a mutation that is nested too deeply to be written down
            data = deep_document(number)
        case.write_bytes(data)
        tell(case=number)
        outcome = run_case(target, case, guard)
        if outcome.kind not in SOUND:  # its parent reads it when the next case has this one's place
            (folder / f"bad-{number}{target.suffix}").write_bytes(data)
        tell(done=number, kind=outcome.kind, detail=outcome.detail)
