"""Fuzz the readers of files.

    python tests/hostile/fuzz                            every target for twenty seconds, and the table
    python tests/hostile/fuzz --target csv --seconds 300 --seed 7
    python tests/hostile/fuzz --cases 10000              every target for ten thousand cases
    python tests/hostile/fuzz --replay FILE --target csv     one case, with its traceback

Findings go to build/fuzz/<target>/findings; a finding that is understood goes to tests/hostile/corpus/<target>, which the tests replay.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from fuzz.campaign import BUILD, FINDINGS, Tally, run_campaign  # noqa: E402
from fuzz.targets import TARGETS  # noqa: E402


def main() -> int:
    """Run what the command line asks for; exit 1 where there is a finding."""
    if sys.argv[1:2] == ["work"]:
        return _work(*sys.argv[2:])
    if sys.argv[1:2] == ["seeds"]:
        return _seeds(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="one target, or several; every one unless given"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each target, without its start (20)")
    parser.add_argument("--cases", type=int, default=0, help="of each target; then there is no limit on the time")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (0)")
    parser.add_argument(
        "--folder", type=Path, default=BUILD, help="for seeds, findings and figures (build/fuzz); a RAM disk is fastest"
    )
    parser.add_argument("--replay", type=Path, help="run one file through --target in this process")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    if options.replay:
        for name in names:
            TARGETS[name].prepare()
            TARGETS[name].run(options.replay)
        return 0
    tallies = {}
    print(_row("target", {}), flush=True)
    for name in names:
        seconds, cases = (10**9, options.cases) if options.cases else (options.seconds, 10**9)
        tallies[name] = run_campaign(TARGETS[name], seconds, cases, options.seed, options.folder)
        print(_row(name, tallies[name]), flush=True)
        _keep(name, tallies[name], options)
    for name, tally in tallies.items():
        for (kind, what), count in tally.signatures.most_common():
            print(f"{name}: {kind} {count} times: {what}")
    return int(any(tally.signatures for tally in tallies.values()))


def _row(name: str, tally: Tally | dict) -> str:
    heads = ("cases", "read", "refused", *FINDINGS)
    if not isinstance(tally, Tally):
        return f"{name:14}" + "".join(f"{head:>11}" for head in heads)
    return f"{name:14}{tally.cases:11,}" + "".join(f"{tally.kinds[head]:11,}" for head in heads[1:])


def _keep(name: str, tally: Tally, options: argparse.Namespace) -> None:
    path = options.folder / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    figures[name] = {"seed": options.seed, "cases": tally.cases, **tally.kinds}
    path.write_text(json.dumps(figures, indent=1, sort_keys=True))


def _work(name: str, folder: str, seed: str, start: str, stop: str) -> int:
    from fuzz.worker import work

    work(TARGETS[name], Path(folder), int(seed), int(start), int(stop))
    return 0


def _seeds(name: str, folder: str) -> int:
    for seed, content in TARGETS[name].seeds().items():
        (Path(folder) / seed).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
