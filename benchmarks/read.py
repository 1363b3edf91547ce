"""Reading fer2013.csv: ferviz against pandas, time and peak memory, each in a process of its own.

    python benchmarks/read.py fer2013.csv [--repeats 3]

"pandas + fromstring" is the fastest way that people use (it lets 256 wrap round to 0 and checks nothing); "pandas + split" is the one
that most notebooks have. ferviz checks every value. "again" is ferviz from its cache. The best of the repeats counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

FERVIZ = "from ferviz.data.read import read_data; images = read_data({path!r}, cache={cache}).images"
WAYS = {
    "ferviz": FERVIZ.replace("{cache}", "False"),
    "ferviz again": FERVIZ.replace("{cache}", "True"),
    "pandas + fromstring": (
        "import numpy as np, pandas as pd, warnings; warnings.simplefilter('ignore'); frame = pd.read_csv({path!r}); "
        "images = np.stack([np.fromstring(p, dtype=np.uint8, sep=' ') for p in frame.iloc[:, frame.columns.str.strip().get_loc('pixels')]])"
    ),
    "pandas + split": (
        "import numpy as np, pandas as pd; frame = pd.read_csv({path!r}); "
        "images = np.stack([np.array(p.split(), dtype=np.uint8) for p in frame.iloc[:, frame.columns.str.strip().get_loc('pixels')]])"
    ),
}
CHILD = """
import resource, time, numpy
start = time.perf_counter()
{code}
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(images), int(images.sum(dtype="int64")))
"""


def measure(way: str, path: str, cache: str) -> tuple[float, float, int, int]:
    """Return (seconds, peak MiB, faces, sum of the pixels) of one way to read, in a fresh process.

    Args:
        way: a key of WAYS.
        path: the table.
        cache: the folder for the cache.
    """
    code = CHILD.replace("{code}", WAYS[way].replace("{path!r}", repr(path)))
    environment = {**os.environ, "FERVIZ_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    seconds, memory, faces, total = done.stdout.split()
    return float(seconds), float(memory), int(faces), int(total)


def main() -> None:
    """Measure every way and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        measure("ferviz again", arguments.path, cache)  # fills the cache
        runs_of = {way: [measure(way, arguments.path, cache) for _ in range(arguments.repeats)] for way in WAYS}
    if len({f[2:] for runs in runs_of.values() for f in runs}) != 1:
        raise SystemExit("the ways to read do not agree on the pixels")
    best, memory = min(f[0] for f in runs_of["ferviz"]), statistics.median(f[1] for f in runs_of["ferviz"])
    print(f"{runs_of['ferviz'][0][2]:,} faces, best of {arguments.repeats}")
    for way, runs in runs_of.items():
        seconds, peak = min(f[0] for f in runs), statistics.median(f[1] for f in runs)
        print(
            f"{way:<22} {seconds:6.2f} s  {peak:6.0f} MiB   time x {seconds / best:5.2f}   memory x {peak / memory:5.2f}"
        )


if __name__ == "__main__":
    main()
