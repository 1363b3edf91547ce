"""How long a report takes, and how much memory: `ferviz report` as a whole process, for so many faces.

    python benchmarks/report.py fer2013.csv [--faces 1000 10000] [--whole] [--model FILE] [--work FOLDER]

The faces are PublicTest's first ones, then Training's: what the network answers does not matter here, only how many there are. Printed
for each run: seconds, processor seconds, the largest resident memory, the size of the file, and the seconds of each section. The target
is 3 minutes for 1,000 faces with --quick, and 15 without (--whole), on two idle cores. A run that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_faces(source: Path, count: int, folder: Path) -> Path:
    """Write a table of so many faces, all in one split."""
    out = folder / f"faces{count}.csv"
    if out.exists():
        return out
    rows = source.read_text(encoding="utf-8").splitlines()
    head, faces = rows[0], rows[1:]
    faces.sort(key=lambda row: "PublicTest" not in row)  # stable: PublicTest first
    chosen = [row.replace("Training", "PublicTest") for row in faces[:count]]
    if len(chosen) < count:
        raise SystemExit(f"{source} has {len(chosen):,} faces; --faces {count} asks for more")
    out.write_text("\n".join([head, *chosen, ""]), encoding="utf-8")
    return out


def measure(data: Path, out: Path, quick: bool, model: str | None) -> None:
    """Run one report and print what it took."""
    words = [sys.executable, "-m", "ferviz", "report", str(data), "--out", str(out), "--no-faces", "--resume"]
    words += ["--quick"] if quick else []
    words += ["--model", model] if model else []
    parts = out.with_name(f"{out.name}.parts")
    resumed = parts.exists()
    begin = time.time()
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    times: dict[str, float] = {}
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # the folder goes when the report is written
            times |= {
                file.stem: file.stat().st_mtime
                for file in parts.iterdir()
                if file.suffix == ".json" and file.name[0] != "."
            }
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    seconds = time.time() - begin
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{data.stem} {'quick' if quick else 'whole'}{' (resumed)' if resumed else ''}: {seconds:.0f} s, "
        f"{spent.ru_utime + spent.ru_stime:.0f} s of processor in all runs so far, {spent.ru_maxrss / 1e3:.0f} MB, "
        f"file {out.stat().st_size / 1e6:.2f} MB"
    )
    last = begin
    for name, at in sorted(times.items(), key=lambda item: item[1]):
        if at >= begin:
            print(f"  {name:12s} {at - last:7.1f} s")
            last = at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="fer2013.csv")
    parser.add_argument("--faces", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--whole", action="store_true", help="whole reports, too")
    parser.add_argument("--model", help="a network; the bundled one without it")
    parser.add_argument("--work", type=Path, help="a folder for tables and reports, kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for count in args.faces:
            data = write_faces(args.data, count, folder)
            for quick in (True, False) if args.whole else (True,):
                out = folder / f"report{count}{'_quick' if quick else ''}.html"
                out.unlink(missing_ok=True)
                measure(data, out, quick, args.model)


if __name__ == "__main__":
    main()
