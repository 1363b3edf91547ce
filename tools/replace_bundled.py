"""Make a run's network the bundled one, with all that follows from it: `python tools/replace_bundled.py RUN DATA VOTES WORK`.

Trades the network, teaches its explainer, calibrates the verdicts, draws every picture of the documentation anew, and prints the
figures of the model card and of benchmarks/results.md into the folder WORK, one file a step; the sentences around the figures are
edited by hand. It takes hours: a step that ended well is not repeated by the next call. `--only STEP` takes some, `--list` tells them.

Needs Chromium, poppler, playwright and anywidget. The networks of `--judge` caption the dreams.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ferviz.files import sha256, write_text
from ferviz.training.run_folder import HISTORY

ROOT = Path(__file__).resolve().parents[1]
ASSETS, IMAGES = ROOT / "ferviz" / "assets", ROOT / "docs" / "images"
PANEL = "gradcam,layercam,hirescam,saliency,occlusion,rise,fastshap,regions"
"""The methods of docs/images/trust-panel.png."""


@dataclass(frozen=True)
class Step:
    """One command of the way from a run to a release.

    Attributes:
        name: its name, under which its output is kept.
        chapter: network, explainer, pictures or figures; a step is repeated where the file of the network that its
            chapter works on has changed.
        words: the arguments of Python.
    """

    name: str
    chapter: str
    words: tuple[str, ...]


def steps(run: Path, data: Path, votes: Path, work: Path, judges: Sequence[str]) -> list[Step]:
    """Return all steps in their order.

    Args:
        run: the run folder.
        data: fer2013.csv.
        votes: fer2013new.csv, FERPlus' votes about the same faces.
        work: the folder of the outputs.
        judges: networks that caption the dreams.
    """

    def tool(name: str, chapter: str, *words: object) -> Step:
        return Step(name, chapter, (str(ROOT / "tools" / f"{name}.py"), *map(str, words)))

    def benchmark(name: str, script: str, *words: object) -> Step:
        return Step(name, "figures", (str(ROOT / "benchmarks" / f"{script}.py"), *map(str, words)))

    def ferviz(name: str, chapter: str, *words: object) -> Step:
        return Step(name, chapter, ("-m", "ferviz", *map(str, words)))

    captions = [word for judge in judges for word in ("--judge", judge)]
    trust = ("trust", data, "--rounds", 10, "--size", 10, "--work", work / "trust")
    return [
        tool("bundle_network", "network", run, data),
        tool("teach_bundled", "explainer", data, "--minutes", 600, "--resume", "--out", work / "bundled.ferviz"),
        tool("calibrate_bundled", "pictures", data, "--split", "PublicTest", "--faces", 300),
        tool("draw_docs_pictures", "pictures"),
        tool("draw_docs_methods", "pictures", "--out", IMAGES / "gallery_methods.png"),
        tool("draw_docs_columns", "pictures", "--data", data),
        tool("draw_docs_dreams", "pictures", "--faces", data, *captions),
        tool("draw_docs_faces", "pictures"),
        tool("draw_studio", "pictures", IMAGES),
        tool("draw_canvas", "pictures", IMAGES / "notebook-canvas.webp"),
        ferviz("trust_panel", "pictures", "trust", data, "--faces", 30, "--method", PANEL, "--layer", "relu8,relu4",
               "--out", IMAGES / "trust-panel.png", "--force"),
        ferviz("report", "figures", "report", data, "--quick", "--no-faces", "--out", work / "report-bundled.html", "--force"),
        ferviz("evaluate", "figures", "evaluate", data, "--tta", "flip", "--occlude", "regions", "--out", work / "evaluate.png", "--force"),
        benchmark("teach", "teach", data, "--faces", 1000, "--exact", 100),
        benchmark("label_noise", "label_noise", data, votes),
        benchmark("dream", "dream", "--skip-peer", "--skip-speed", *captions),
        benchmark("trust_of_the_taught", *trust, "--methods", "fastshap,adjusted-fastshap"),
        benchmark("trust", *trust, "--first", 3),
        benchmark("weights_drawn_anew", *trust, "--cascade"),
    ]  # fmt: skip


def mark_of(step: Step, run: Path) -> str:
    """Return what a step's result depends on: the hash of the network that it works on.

    Args:
        step: the step.
        run: the run folder.
    """
    file = {
        "network": run / "best.keras",
        "explainer": ASSETS / "bundled.keras",
    }.get(step.chapter, ASSETS / "bundled.ferviz")
    return sha256(file)


def take(step: Step, run: Path, work: Path) -> bool:
    """Take a step, unless it was taken before; return whether it ended well.

    Args:
        step: the step.
        run: the run folder.
        work: the folder of the outputs.
    """
    done, output = work / f"{step.name}.done", work / f"{step.name}.txt"
    mark, began = mark_of(step, run), time.monotonic()
    if done.is_file() and done.read_text(encoding="utf-8") == mark:
        click.echo(f"{step.name}: done before")
        return True
    click.echo(f"{step.name}: {' '.join(step.words)}")
    with output.open("w", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, *step.words], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False
        ).returncode
    click.echo(
        f"{step.name}: {'ended well' if code == 0 else f'failed ({code})'} after {time.monotonic() - began:.0f} s, in {output}"
    )
    if code == 0:
        write_text(done, mark)
    return code == 0


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("votes", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--judge", "judges", multiple=True, help="A network that captions the dreams, FILE?scaling=-1..1; several: repeat."
)
@click.option("--only", multiple=True, help="A step's name; several: repeat.")
@click.option("--list", "listed", is_flag=True, help="Print the steps and do nothing.")
def main(
    run: Path, data: Path, votes: Path, work: Path, judges: tuple[str, ...], only: tuple[str, ...], listed: bool
) -> None:
    """Make RUN's network the bundled one, with DATA (fer2013.csv) and VOTES (fer2013new.csv); WORK keeps what the steps print."""
    run, data, votes, work = (path.resolve() for path in (run, data, votes, work))
    ways = steps(run, data, votes, work, judges)
    unknown = set(only) - {step.name for step in ways}
    if unknown:
        raise click.UsageError(
            f"there is no step {', '.join(sorted(unknown))}; the steps are {', '.join(s.name for s in ways)}"
        )
    if listed:
        for step in ways:
            click.echo(f"{step.chapter:>9}  {step.name}")
        return
    work.mkdir(parents=True, exist_ok=True)
    failed = []
    for step in ways:
        if only and step.name not in only:
            continue
        if not take(step, run, work):
            failed.append(step.name)
            if step.chapter in ("network", "explainer"):
                break  # what follows would show another network
        elif step.name == "bundle_network":
            shutil.copyfile(run / HISTORY, ROOT / "benchmarks" / "training-history.csv")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
