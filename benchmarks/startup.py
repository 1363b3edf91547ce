"""How long until ferviz answers: `ferviz --help` and `import ferviz`, whole processes, beside `import tensorflow`."""

import argparse
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--repeats", type=int, default=7)
args = parser.parse_args()

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import ferviz": [sys.executable, "-c", "import ferviz"],
    "ferviz --help": [sys.executable, "-m", "ferviz", "--help"],
    "ferviz gradcam --help": [sys.executable, "-m", "ferviz", "gradcam", "--help"],
    "import tensorflow": [sys.executable, "-c", "import tensorflow"],
}

times: dict[str, list[float]] = {name: [] for name in COMMANDS}
for repeat in range(args.repeats + 1):
    for name, command in COMMANDS.items():
        if name == "import tensorflow" and repeat > 3:
            continue
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        if repeat:  # the first round fills the disk cache
            times[name].append(time.perf_counter() - start)

reference = statistics.median(times["import tensorflow"])
print(f"{'process':24s} {'median s':>9s} {'of import tensorflow':>22s}")
for name, seconds in times.items():
    median = statistics.median(seconds)
    print(f"{name:24s} {median:9.3f} {median / reference:22.3f}")
print(f"ferviz --help: {statistics.median(times['ferviz --help']):.3f} s (target <= 0.4 s)")
