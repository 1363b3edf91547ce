"""Measure the margin of the verdicts for the bundled network, and write it into the package.

    python tools/calibrate_bundled.py fer2013.csv --split PublicTest --faces 300

Faces that are pixel-identical to one of the Training rows are left out, and so are repeated ones: the network knows the former by heart.
"""

from __future__ import annotations

import argparse

import numpy as np

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.files import write_text
from ferviz.manifests import to_json
from ferviz.trust.calibration import FILE, calibrate


def unseen(data: Dataset, split: str) -> np.ndarray:
    """Return the faces of a split that are not among the Training rows, each once."""
    part, training = data.part(split), data.part("Training")
    _, first = np.unique(duplicate_groups(part.images), return_index=True)
    return part.images[np.setdiff1d(first, np.flatnonzero(also_in(part, training)))]


def main() -> None:
    """Calibrate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="FER2013, Training rows and the split")
    parser.add_argument("--split", default="PublicTest")
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    images = unseen(ferviz.read_data(options.data), options.split)
    chosen = np.random.default_rng(options.seed).permutation(len(images))[: options.faces]
    result = calibrate(ferviz.load_model(), images[np.sort(chosen)], seed=options.seed)
    record = result.to_dict() | {"data": f"FER2013 {options.split}, unseen faces"}
    write_text(FILE, to_json({"schema_version": 1, "networks": [record]}, indent=2) + "\n", force=True)
    print(to_json(record, indent=2))


if __name__ == "__main__":
    main()
