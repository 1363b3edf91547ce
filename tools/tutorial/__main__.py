"""`make tutorial`: types README, tutorial and every how-to in a fresh environment, and compares what is printed with what they show.

    python tools/tutorial                      # all pages; an hour, most of it dreams, training and teaching
    python tools/tutorial --quick              # dreams of two steps, one epoch, few faces
    python tools/tutorial README tutorial      # these pages
    python tools/tutorial --data FOLDER        # with files of one's own under the pages' names: fer2013.csv, mini_xception_48.hdf5 ...

README and tutorial are typed from their first line on: the last commit is cloned, `make demo` makes the environment. For the how-to pages
the package itself is installed into it, as `pip install` does for a project of one's own, and each page gets a folder of its own with
stand-ins for the reader's files. Output of a file that only has a stand-in here is not compared, and the summary says so.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import stand_ins
from page_blocks import Block, Command, read
from shown_output import difference
from terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
FIRST = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
LEFT_OUT = {"make test": "the suite has its own command"}
QUICK = {
    "dream": ("--steps", "2"),
    "report": ("--quick",),
    "study": ("--faces", "12"),
    "study channels": ("--faces", "12", "--dreams", "1", "--steps", "2"),
    "teach": ("--minutes", "0.5"),
    "train": ("--epochs", "1"),
    "trust": ("--faces", "3"),
    "trust calibrate": ("--faces", "60"),
    "report extract": (),
}
"""Options that `--quick` adds to a command."""
INSTALLS = "make demo"
FOREIGN = {".onnx", ".tflite", ".pth"}
"""Networks without a stand-in."""
FACES, FEW = 140, {"questions-over-a-data-set": 28, "report": 28}
"""How many faces the stand-in for a data set has; with `--quick` few where a page asks every face thousands of times."""
UNCOMPILED = {
    "README",
    "tutorial",
    "check-a-network",
    "compile-a-network",
    "dream",
    "report",
    "teach",
    "train",
    "use-your-network",
    "which-map-to-believe",
}
"""Pages whose networks have to be Keras networks; with `--quick` all others have compiled ones, which need no TensorFlow."""
KERAS = ("my.h5", "other.h5", "mini_xception_48.hdf5", "big_xception_64.hdf5")


class Report:
    """What happened, printed as it happens and counted."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.typed = self.compared = 0
        self.not_compared: list[str] = []
        self.unwritten: set[str] = set()

    def page(self, page: Path) -> None:
        """Begin a page."""
        self.unwritten.clear()
        print(f"\n{page.relative_to(ROOT)}", flush=True)

    def line(self, mark: str, line: str, text: str = "") -> None:
        """Print what became of one command."""
        print(f"  {mark:9}{line}{f'   [{text}]' if text else ''}", flush=True)

    def fail(self, page: Path, line: str, text: str, printed: str) -> None:
        """Note a failure, with the end of what was printed."""
        self.line("FAILED", line, text)
        print("".join(f"           {row}\n" for row in printed.splitlines()[-12:]), end="", flush=True)
        self.failures.append(f"{page.name}: {line}: {text}")


def type_page(page: Path, terminal: Terminal, own: set[str], quick: bool, report: Report) -> None:
    """Type one page from its first block to its last, then its Python.

    Args:
        page: the Markdown file.
        terminal: where.
        own: names of files that are what the page says, and no stand-ins.
        quick: shorten what takes minutes.
        report: gets what happens.
    """
    report.page(page)
    program, text = [], ""
    for block in read(page):
        if block.mark in ("not run", "not typed"):
            report.line("left out", block.code.strip().splitlines()[0], block.reason)
        elif INSTALLS in block.code and page == FIRST[1]:
            continue  # typed first of all
        elif block.kind == "python":
            program.append(block.code)
            text += block.text
        else:
            for command in block.commands:
                _type(page, block, command, terminal, own, quick, report)
    if program:
        (terminal.folder / "typed_page.py").write_text("\n".join(program), encoding="utf-8")
        python = Command("python typed_page.py", text)
        _type(page, Block("python", "", ""), python, terminal, own, quick, report)


def _type(
    page: Path, block: Block, command: Command, terminal: Terminal, own: set[str], quick: bool, report: Report
) -> None:
    line = " ".join(command.line.split("  #")[0].split(" # ")[0].split()).replace("<this repository>", str(ROOT))
    if line in LEFT_OUT:
        report.line("left out", line, LEFT_OUT[line])
        return
    missing = absent(command, terminal.folder, report)
    if missing:
        report.line("left out", line, f"there is no {missing}; --data FOLDER with one")
        return
    shorter = shortening(command) if quick else ()
    if shorter:
        line += " " + " ".join(shorter)
    start = time.monotonic()
    code, printed = terminal.type(line)
    report.typed += 1
    seconds = f"{time.monotonic() - start:.0f} s"
    if code:
        report.fail(page, line, f"exit code {code}", printed)
        return
    if not command.shown.strip():
        report.line("ok", line, seconds)
        return
    strange = [name for name in stand_in_names(command) if name not in own]
    if strange or shorter:
        report.not_compared.append(f"{page.name}: {line}")
        report.line("ok", line, f"{seconds}; its output is of {', '.join(strange) or 'a longer run'}: not compared")
        return
    report.compared += 1
    unlike = difference(command.shown, printed, any_number=block.mark == "may differ")
    if unlike:
        report.fail(page, line, unlike, printed)
    else:
        report.line("ok", line, f"{seconds}; prints what is shown")


def shortening(command: Command) -> tuple[str, ...]:
    """Return the options that make a command short."""
    two = f"{command.words[1]} calibrate" if "--calibrate" in command.words else " ".join(command.words[1:3])
    return QUICK.get(two, QUICK.get(two.partition(" ")[0], ()))


def absent(command: Command, folder: Path, report: Report) -> str:
    """Return the network that a command reads and nobody has here, "" where there is none.

    Args:
        command: what would be typed.
        folder: where.
        report: remembers what commands that are left out would have written.
    """
    words = [word.partition("?")[0] for word in command.words]
    for word in words:
        gone = Path(word).suffix in FOREIGN or word in report.unwritten
        if gone and not (folder / word).exists():
            report.unwritten.update(outputs(words))
            return word
    return ""


def outputs(words: list[str]) -> list[str]:
    """Return the files that a command's --out names."""
    return [name for flag, name in pairwise(words) if flag == "--out"]


def stand_in_names(command: Command) -> list[str]:
    """Return the names of files in a command that a stand-in may stand for."""
    names = {"fer2013.csv", "fer2013new.csv", "clip.mp4", "face.png", "group.jpg", "photos/", *KERAS}
    return [word for word in command.words if word in names]


def files(page: Path, folder: Path, data: Path | None, quick: bool) -> set[str]:
    """Fill a folder with the files that pages name, but for those that the page's commands write; those of `data` come first.

    Args:
        page: the Markdown file.
        folder: an empty folder.
        data: a folder with a reader's own files, or None.
        quick: few faces where many take minutes, and compiled networks where a page needs no other.

    Returns:
        The names that came from `data`.
    """
    stand_ins.pictures(folder)
    stand_ins.data_set(folder, FEW.get(page.stem, FACES) if quick else FACES, wrong=True)
    compiled = quick and page.stem not in UNCOMPILED
    stand_ins.networks(folder, "bundled.ferviz" if compiled else "bundled.keras", KERAS)
    stand_ins.networks(folder, "bundled.ferviz", ("my.ferviz",))
    stand_ins.clip(folder / "clip.mp4")
    stand_ins.class_folders(folder / "faces")
    for block in read(page):
        for command in block.commands:
            for name in outputs(command.words):
                (folder / name).unlink(missing_ok=True)
    own = set()
    for path in sorted(data.iterdir()) if data else ():
        shutil.copy(path, folder)
        own.add(path.name)
    return own


def install(work: Path, report: Report) -> None:
    """Clone the last commit and type the tutorial's first section.

    Args:
        work: an empty folder.
        report: gets what happens.
    """
    report.page(FIRST[1])
    (block,) = [block for block in read(FIRST[1]) if INSTALLS in block.code]
    terminal = Terminal(work, work / "notes" / "install")
    for command in block.commands:
        _type(FIRST[1], block, command, terminal, set(), False, report)


def prepare(page: Path, work: Path, data: Path | None, quick: bool, report: Report) -> tuple[Terminal, set[str]]:
    """Open a terminal for a page, with the environment active.

    Args:
        page: README and tutorial are typed in the clone, a how-to in a folder of its own.
        work: the folder with the clone.
        data, quick: as in `files`.
        report: gets what happens.

    Returns:
        The terminal, and the names of the files that are no stand-ins.
    """
    clone, folder = work / "ferviz", work / "pages" / page.stem
    if page in FIRST:
        subprocess.run(["git", "clean", "-fdq"], cwd=clone, check=True)  # what the page before has written
        folder = clone
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stand_ins.examples(folder)
    own = files(page, folder, data, quick)
    terminal = Terminal(folder, work / "notes" / page.stem)
    terminal.type(f"source {clone}/.venv/bin/activate")
    installed = work / "notes" / "installed"
    if page not in FIRST and not installed.exists():
        code, printed = terminal.type(f"pip install --quiet {clone}")
        if code:
            report.fail(page, "pip install", f"exit code {code}", printed)
        installed.touch()
    return terminal, own


def main() -> int:
    """Type the pages; return 1 if one does not do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="names without .md (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorten dreams, training and teaching")
    parser.add_argument("--data", type=Path, help="a folder with files under the names that the pages use")
    parser.add_argument("--work", type=Path, help="work in this folder and keep it; its environment is used again")
    args = parser.parse_args()
    report, work = Report(), (args.work or Path(tempfile.mkdtemp(prefix="tutorial-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        if not (work / "ferviz").exists():
            install(work, report)
        for page in [*FIRST, *HOW_TO]:
            if read(page) and (not args.pages or page.stem in args.pages):
                terminal, own = prepare(page, work, args.data, args.quick, report)
                type_page(page, terminal, own, args.quick, report)
    finally:
        if args.work is None:
            shutil.rmtree(work, ignore_errors=True)
    print(f"\n{report.typed} commands typed, {report.compared} outputs compared, {len(report.failures)} failures")
    for line in report.not_compared:
        print(f"not compared: {line}")
    for line in report.failures:
        print(f"FAILED: {line}")
    return bool(report.failures)


if __name__ == "__main__":
    sys.exit(main())
