"""`ferviz check` on published networks: the best convention, what the assumed one costs, and how long it takes.

python benchmarks/conventions.py fer2013.csv NETWORK... [--faces 1000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ferviz.data.read import read_data
from ferviz.errors import FervizError
from ferviz.evaluation.check.check import check
from ferviz.evaluation.check.label_orders import INFERRED
from ferviz.models.load import load_model


def main() -> None:
    """Check every network and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("networks", nargs="+", type=Path)
    parser.add_argument("--faces", type=int, default=1000)
    arguments = parser.parse_args()
    data = read_data(arguments.data)
    print(
        "| network | as assumed | best convention | best, % (95 % interval) | lost, points | seconds (of processor time) |"
    )
    print("|---|---|---|---|---|---|")
    for path in arguments.networks:
        try:
            model = load_model(path)
            start, busy = time.perf_counter(), time.process_time()
            result = check(model, data, faces=arguments.faces)
        except FervizError as error:
            print(f"| {path.name} | - | {error} | - | - | - |", flush=True)
            continue
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        best, present = result.best, result.current
        low, high = (100 * v for v in best.interval)
        order = best.order.name if best.order.name != INFERRED else " ".join(n or "?" for n in best.order.labels)
        verdict = f"{best.preprocessing.name}, {order}" if result.usable else "none is better than one class for all"
        before = (
            "-"
            if present is None
            else f"{present.preprocessing.name}, {present.order.name}: {present.accuracy * 100:.1f} %"
        )
        lost = "-" if result.cost is None or not result.usable else f"{result.cost.difference * 100:.1f}"
        rate = f"{best.accuracy * 100:.1f} ({low:.1f} to {high:.1f})"
        print(f"| {path.name} | {before} | {verdict} | {rate} | {lost} | {seconds:.0f} ({busy:.0f}) |", flush=True)


if __name__ == "__main__":
    main()
