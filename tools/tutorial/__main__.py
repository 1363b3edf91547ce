"""`make tutorial`: types README, tutorial and every how-to in a fresh environment, and compares what is printed with what they show.

    python tools/tutorial                      # all pages; an hour, most of it dreams, training and teaching
    python tools/tutorial --quick              # dreams of two steps, one epoch, few faces
    python tools/tutorial README tutorial      # these pages
    python tools/tutorial --data FOLDER        # with files of one's own under the pages' names: fer2013.csv, mini_xception_48.hdf5 ...
    python tools/tutorial --packages FOLDER    # PyTorch lies in this site-packages folder, so its page is typed too

README and tutorial are typed from their first line on: the last commit is cloned, `make demo` makes the environment. For the how-to pages
the package itself is installed into it, as `pip install` does for a project of one's own, and each page gets a folder of its own with
stand-ins for the reader's files. Output of a file that only has a stand-in here has other numbers than the page: only its words are
compared, most of which have to be printed, and the summary says which outputs these were. What is left out is printed with its reason.
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
from shown_output import absent_words, difference
from tally import Tally
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
QUICK_PYTHON = {
    "minutes=30": "minutes=0.5",
    "epochs=45": "epochs=1",
    "ferviz.dream(": "__import__('functools').partial(ferviz.dream, steps=2)(",
}
"""What `--quick` replaces in a page's Python."""
INSTALLS = "make demo"
FOREIGN_NETWORKS = Path(__file__).resolve().parent / "foreign_networks.py"
FOREIGN = {".onnx", ".tflite", ".pth"}
"""Networks whose stand-ins are written by the packages that a page installs."""
UNLIKE = 0.4
"""The share of the words of a shown output that a stand-in's output may lack."""
FACES, FEW = 140, {"questions-over-a-data-set": 28, "report": 28}
"""How many faces the stand-in for a data set has; with `--quick` few where a page asks every face thousands of times."""
SPLIT_FOLDERS = "read-data"
"""The page that names splits of the class folders."""
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


def type_page(page: Path, terminal: Terminal, own: set[str], quick: bool, report: Tally) -> None:
    """Type one page from its first block to its last, then its Python.

    Args:
        page: the Markdown file.
        terminal: where.
        own: names of files that are what the page says, and no stand-ins.
        quick: shorten what takes minutes.
        report: gets what happens.
    """
    report.page(page)
    program, text = [stand_ins.OBJECTS.get(page.stem, "")], ""
    for block in read(page):
        if block.mark == "not run":
            report.leave_out(block.code.strip().splitlines()[0], block.reason)
        elif INSTALLS in block.code and page == FIRST[1]:
            continue  # typed first of all
        elif block.kind == "python" and (lacking := uninstalled(block, terminal)):
            report.leave_out(block.code.strip().splitlines()[0], f"it takes {lacking}, which is not installed")
        elif block.kind == "python":
            program.append(shorter_python(block.code) if quick else block.code)
            text += block.text or "...\n"
        else:
            for command in block.commands:
                _type(page, block, command, terminal, own, quick, report)
    text = text if text.replace("...\n", "") else ""
    if len(program) > 1:
        (terminal.folder / "typed_page.py").write_text("\n".join(program), encoding="utf-8")
        python = Command("python typed_page.py", text)
        _type(page, Block("python", "", ""), python, terminal, own, quick, report)


def _type(
    page: Path, block: Block, command: Command, terminal: Terminal, own: set[str], quick: bool, report: Tally
) -> None:
    line = " ".join(command.line.split("  #")[0].split(" # ")[0].split()).replace("<this repository>", str(ROOT))
    reason = LEFT_OUT.get(line) or absent(command, terminal, report)
    if reason:
        report.leave_out(line, reason)
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
        report.compared_by_words.append(f"{page.name}: {line}")
        words, share = absent_words(command.shown, printed)
        unlike = f"not printed of what is shown: {', '.join(words)}" if words else ""
        if share > UNLIKE and block.mark != "may differ":
            report.fail(page, line, unlike, printed)
        else:
            text = f"{seconds}; its output is of {', '.join(strange) or 'a shorter run'}: compared by its words"
            report.line("ok", line, "; ".join(filter(None, (text, unlike))))
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


def shorter_python(code: str) -> str:
    """Return a page's Python with less work in it."""
    for long, short in QUICK_PYTHON.items():
        code = code.replace(long, short)
    return code


def uninstalled(block: Block, terminal: Terminal) -> str:
    """Return the module that a block needs and the environment does not have, "" where there is none."""
    for module in block.needs:
        code, _ = terminal.type(
            f"python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec(\"{module}\"))'"
        )
        if code:
            return module
    return ""


def absent(command: Command, terminal: Terminal, report: Tally) -> str:
    """Return why a command is not typed: it reads a network that nobody has here. "" where all are there, or have a stand-in now.

    Args:
        command: what would be typed.
        terminal: where; networks of other frameworks are written there when they are first named, by its Python.
        report: remembers what commands that are left out would have written.
    """
    words = [word.partition("?")[0] for word in command.words]
    for word in words:
        if (terminal.folder / word).exists():
            continue
        reason = "a command that was left out writes it" if word in report.unwritten else ""
        if Path(word).suffix in FOREIGN:
            code, printed = terminal.type(f"python {FOREIGN_NETWORKS} {word}")
            reason = printed.strip().splitlines()[-1] if code else ""
        if reason:
            report.unwritten.update(outputs(words))
            return f"there is no {word}: {reason}"
    return ""


def outputs(words: list[str]) -> list[str]:
    """Return the files that a command's --out names."""
    return [name for flag, name in pairwise(words) if flag == "--out"]


def stand_in_names(command: Command) -> list[str]:
    """Return the names of files in a command that a stand-in may stand for."""
    names = {"fer2013.csv", "fer2013new.csv", "face.png", "group.jpg", "group.png", "photos/", *KERAS}
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
    for split in ("train", "test") if page.stem == SPLIT_FOLDERS else ("",):
        stand_ins.class_folders(folder / "faces" / split)
    for block in read(page):
        for command in block.commands:
            for name in outputs(command.words):
                (folder / name).unlink(missing_ok=True)
    own = set()
    for path in sorted(data.iterdir()) if data else ():
        shutil.copy(path, folder)
        own.add(path.name)
    return own


def install(work: Path, report: Tally) -> None:
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


def prepare(page: Path, work: Path, data: Path | None, quick: bool, report: Tally) -> tuple[Terminal, set[str]]:
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


def show_packages(page: Path, work: Path, packages: Path | None) -> None:
    """Let the environment see a folder of packages behind its own, for the pages that need one of them; hide it from all others.

    Args:
        page: the Markdown file.
        work: the folder with the clone.
        packages: a site-packages folder, or None.
    """
    needs = {module for block in read(page) for module in block.needs}
    for site in (work / "ferviz" / ".venv" / "lib").glob("python*/site-packages"):
        link = site / "tutorial_packages.pth"
        link.unlink(missing_ok=True)
        if packages is not None and any((packages / module).is_dir() for module in needs):
            link.write_text(f"{packages.resolve()}\n", encoding="utf-8")


def main() -> int:
    """Type the pages; return 1 if one does not do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="names without .md (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorten dreams, training and teaching")
    parser.add_argument("--data", type=Path, help="a folder with files under the names that the pages use")
    parser.add_argument(
        "--packages", type=Path, help="a site-packages folder with packages that pages need and do not install"
    )
    parser.add_argument("--work", type=Path, help="work in this folder and keep it; its environment is used again")
    args = parser.parse_args()
    report, work = Tally(), (args.work or Path(tempfile.mkdtemp(prefix="tutorial-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        if not (work / "ferviz").exists():
            install(work, report)
        for page in [*FIRST, *HOW_TO]:
            if read(page) and (not args.pages or page.stem in args.pages):
                show_packages(page, work, args.packages)
                terminal, own = prepare(page, work, args.data, args.quick, report)
                type_page(page, terminal, own, args.quick, report)
    finally:
        if args.work is None:
            shutil.rmtree(work, ignore_errors=True)
    report.end()
    return bool(report.failures)


if __name__ == "__main__":
    sys.exit(main())
