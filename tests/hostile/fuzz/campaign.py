"""A campaign: workers for a target, watched from outside; what they die of is put down to the case that they named last."""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.target import Target
from fuzz.worker import SOUND

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "fuzz"
PROCESSOR = 30.0
"""Seconds of processor time that a case may take."""
WALL = 240.0
"""Seconds that a case may wait, its children's time included."""
STARTING = 300.0
FINDINGS = ("executed", "written", "crashed", "hung", "memory", "traceback", "sentence")
KEPT = 3
"""Findings of one signature that are kept as files."""


@dataclass
class Tally:
    """What a campaign counted.

    Attributes:
        cases: how many were run.
        kinds: {outcome: how many}; "read" and "refused" are as they should be.
        signatures: {(outcome, what): how many}.
    """

    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    signatures: Counter[tuple[str, str]] = field(default_factory=Counter)


def make_seeds(target: Target, folder: Path) -> None:
    """Write a target's seeds into a folder, in a process of its own, unless they are there.

    Args:
        target: the target.
        folder: the target's folder.
    """
    seeds = folder / "seeds"
    if seeds.is_dir() and any(seeds.iterdir()):
        return
    temporary = folder / "seeds.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    subprocess.run(_command("seeds", target.name, str(temporary)), env=_environment(folder), cwd=ROOT, check=True)
    shutil.rmtree(seeds, ignore_errors=True)
    temporary.rename(seeds)


def run_campaign(target: Target, seconds: float, cases: int, seed: int, build: Path = BUILD) -> Tally:
    """Run cases of one target until the time or the number is up.

    Args:
        target: the target.
        seconds: of running, without the start.
        cases: the most cases.
        seed: of the cases.
        build: the folder below which everything is written.
    """
    folder = build.resolve() / target.name
    folder.mkdir(parents=True, exist_ok=True)
    make_seeds(target, folder)
    tally, number, left = Tally(), 0, seconds
    while number < cases and left > 0:
        for name in ("case", "work", "home", "tmp"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        number, used = _run_worker(target, folder, seed, number, cases, left, tally)
        left -= used
    return tally


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-X", "faulthandler", str(Path(__file__).parent), *arguments]


def _environment(folder: Path) -> dict[str, str]:
    keep = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    own = {
        "HOME": "home",
        "TMPDIR": "tmp",
        "TEMP": "tmp",
        "FERVIZ_CACHE": "cache",
        "XDG_CACHE_HOME": "cache",
        "MPLCONFIGDIR": "cache",
    }
    return {
        **keep, **{name: str(folder / place) for name, place in own.items()}, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip


def _run_worker(
    target: Target, folder: Path, seed: int, start: int, stop: int, seconds: float, tally: Tally
) -> tuple[int, float]:
    """-> the number of the next case, and the seconds that were used."""
    command = _command("work", target.name, str(folder), str(seed), str(start), str(stop))
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=_environment(folder),
            cwd=folder / "work",
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    assert process.stdout is not None
    lines = _Lines(process)
    current, following = -1, start
    began = None
    try:
        while True:
            line = lines.next(process, STARTING if began is None else WALL)
            if line is None or "hung" in line:
                break
            if "case" in line:
                current, began = line["case"], began or time.monotonic()
            else:
                following, current = line["done"] + 1, -1
                _count(target, folder, line["done"], seed, line["kind"], line["detail"], tally)
                if time.monotonic() - began > seconds:
                    break
    finally:
        process.kill()
        status = process.wait()
        process.stdout.close()
    if current >= 0:
        hung = line is not None
        detail = line["hung"] if hung else f"exit {status}: {_last_words(folder)}"
        _count(target, folder, current, seed, "hung" if hung else "crashed", detail, tally)
        following = current + 1
    elif began is None or (line is None and following < stop):
        raise RuntimeError(f"the worker of {target.name} failed by itself (exit {status}); see {folder / 'log.txt'}")
    return following, time.monotonic() - (began or time.monotonic())


class _Lines:
    """Reads messages with a limit on the time between two of them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        os.set_blocking(self._stream.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stream, selectors.EVENT_READ)
        self._waiting = b""

    def next(self, process: subprocess.Popen[bytes], wall: float) -> dict | None:
        """-> the next message, None where the worker is dead, {"hung": ...} where it takes too long."""
        limit, used = time.monotonic() + wall, _processor(process.pid)
        while b"\n" not in self._waiting:
            if self._selector.select(1.0):
                part = self._stream.read()
                if not part:
                    return None
                self._waiting += part
            elif time.monotonic() > limit:
                return {"hung": f"{wall:.0f} s"}
            elif wall == WALL and _processor(process.pid) - used > PROCESSOR:
                return {"hung": f"{PROCESSOR:.0f} s of processor time"}
        line, _, self._waiting = self._waiting.partition(b"\n")
        return json.loads(line)


def _processor(pid: int) -> float:
    """-> seconds of processor time that a process has used, 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _last_words(folder: Path) -> str:
    """-> where a worker was when it died, by the end of its log."""
    with (folder / "log.txt").open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - 6000))
        text = log.read().decode("utf-8", "replace")
    fatal = text.rpartition("Fatal Python error")[2].splitlines()
    frames = [line.strip() for line in fatal if "ferviz" in line or "File" in line]
    return (frames[0] if frames else text[-200:])[:300]


def _count(target: Target, folder: Path, number: int, seed: int, kind: str, detail: str, tally: Tally) -> None:
    tally.cases += 1
    tally.kinds[kind] += 1
    if kind in SOUND:
        return
    kept = folder / f"bad-{number}{target.suffix}"
    data = (
        kept if kept.exists() else folder / "case" / f"case{target.suffix}"
    ).read_bytes()  # of a crash, its own file
    kept.unlink(missing_ok=True)
    signature = (kind, detail.split(":")[0] if kind == "crashed" else " ".join(detail.split(" ")[:2]))
    tally.signatures[signature] += 1
    if tally.signatures[signature] > KEPT:
        return
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    name = f"{kind}-{hashlib.sha256(data).hexdigest()[:10]}"
    (findings / f"{name}{target.suffix}").write_bytes(data)
    (findings / f"{name}.txt").write_text(f"{target.name}, seed {seed}, case {number}\n{kind}: {detail}\n")
