"""Which map to believe: every method at two layers, on faces that the networks have not seen, for one network or several.

    python benchmarks/trust.py fer2013.csv [MODEL ...] [--faces 30] [--methods a,b] [--steps 12] [--out FOLDER]

Without MODEL the bundled network. Faces of PublicTest that are pixel-identical to a Training row, or to each other, are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups


def unseen(data: Dataset) -> Dataset:
    """Return PublicTest without the faces that are among the Training rows, and without repeated ones."""
    part, training = data.part("PublicTest"), data.part("Training")
    _, first = np.unique(duplicate_groups(part.images), return_index=True)
    return part.take(np.setdiff1d(first, np.flatnonzero(also_in(part, training))))


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="files of networks; none = the bundled one")
    parser.add_argument("--faces", type=int, default=30)
    parser.add_argument("--methods", help="names with commas between; none = all")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for each network's .json and .png")
    options = parser.parse_args()
    data = unseen(ferviz.read_data(options.data))
    for name in options.models or [None]:
        model = ferviz.load_model(name)
        methods = options.methods.split(",") if options.methods else None
        report = ferviz.trust_report(
            model, data, methods=methods, faces=options.faces, steps=options.steps, seed=options.seed
        )
        print(f"{report.text()}\n")
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            for suffix in (".json", ".png"):
                report.save(options.out / f"{model.name}{suffix}", force=True)


if __name__ == "__main__":
    main()
