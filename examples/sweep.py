"""
A grid of training runs
=======================

Every combination of the values given, a table by validation accuracy, and all curves in one picture.

.. code-block:: sh

    python examples/sweep.py fer2013.csv batch_size=64,128 learning_rate=.001,.002 epochs=30 --out sweep

Any field of ferviz.TrainConfig or of ferviz.Augmentation can be varied. Run it again with the same arguments to continue:
finished runs are not trained again. Without data it learns cartoon faces, in less than a minute.
"""

# sphinx_gallery_thumbnail_path = "images/training-curves.png"

import argparse
import csv
import itertools
import json
from dataclasses import fields, replace
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure

import ferviz
from ferviz.data.synthetic import cartoons
from ferviz.evaluation.metrics import wilson

AUGMENTATION = [f.name for f in fields(ferviz.Augmentation)]
FIELDS = [*(f.name for f in fields(ferviz.TrainConfig) if f.name not in ("augmentation", "teachers")), *AUGMENTATION]
CARTOONS = {
    "epochs": [12],
    "batch_size": [32],
    "learning_rate": [0.01, 0.02],
    "warmup": [1],
    "ema": [0],
    "erase": [0],
    "shift": [1],
}
SMALL = {"widths": [16, 32], "blocks": [1, 1], "stem": 16, "dropout": 0}


def parse_grid(words: list[str]) -> dict[str, list]:
    """Return {field: its values} of words like "batch_size=64,128"."""
    grid = {}
    for word in words:
        name, _, given = word.partition("=")
        name = name.replace("-", "_")
        if name not in FIELDS:
            raise ferviz.UnknownNameError("field", name, FIELDS, "TrainConfig")
        grid[name] = [parse_value(value) for value in given.split(",")]
    return grid


def parse_value(text: str):
    """Return a number where the text is one (also .001, which JSON does not know), else the text."""
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def train_point(point: dict, folder: Path, data: ferviz.Dataset, architecture: str, options: dict) -> dict:
    """Train one point of the grid, unless an earlier call did; return its history and its folder."""
    point = dict(point)
    augmentation = {name: point.pop(name) for name in AUGMENTATION if name in point}
    config = ferviz.TrainConfig(**point, augmentation=ferviz.Augmentation(**augmentation))
    if (folder / "config.json").exists():
        before = json.loads((folder / "config.json").read_text())
        config = replace(config, validation=config.validation or before["config"]["validation"])
        wanted = {"architecture": architecture, "options": options, "config": config.to_dict()}
        if any(before[key] != value for key, value in wanted.items()) or before["data"]["sha256"] != data.sha256:
            raise ferviz.OutputExistsError(
                f"{folder} holds a run with another configuration, architecture or data; name another --out"
            )
    if (folder / "manifest.json").exists():  # written last
        print(f"{folder.name}: trained already")
    else:
        resume = (folder / "config.json").exists()
        print(f"{folder.name}: {'going on' if resume else 'training'}", flush=True)
        ferviz.train(data, out=folder, architecture=architecture, options=options, config=config, resume=resume)
    with (folder / "history.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    best = max(rows, key=lambda row: row["val_accuracy"])
    saved = json.loads((folder / "config.json").read_text())
    return {"folder": folder, "rows": rows, "best": best, "validation": saved["config"]["validation"]}


def curves(runs: list[dict], title: str) -> Figure:
    """Return the validation accuracy of every run over its epochs, the best run on top of the list."""
    figure = Figure(figsize=(9, 4.6), dpi=130, layout="constrained")
    axes = figure.subplots()
    for place, run in reversed(list(enumerate(runs))):
        color = "#c8432f" if place == 0 else colormaps["viridis"](0.15 + 0.6 * place / max(len(runs) - 1, 1))
        epochs, values = zip(*((row["epoch"], 100 * row["val_accuracy"]) for row in run["rows"]), strict=True)
        label = f"{100 * run['best']['val_accuracy']:.1f} %  {run['folder'].name}"
        axes.plot(epochs, values, color=color, lw=2.2 if place == 0 else 1.3, label=label)
        axes.plot(run["best"]["epoch"], 100 * run["best"]["val_accuracy"], "o", color=color, ms=5)
    axes.set(xlabel="epoch", ylabel="validation accuracy, %")
    axes.set_title(title, loc="left", fontsize=11)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#ececec")
    lines, names = axes.get_legend_handles_labels()
    figure.legend(lines[::-1], names[::-1], loc="outside right upper", frameon=False, fontsize=8)
    return figure


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("words", nargs="*", metavar="[DATA] FIELD=VALUE,VALUE...")
parser.add_argument("--architecture", default="residual")
parser.add_argument("--out", type=Path, default=Path("sweep"))
args = parser.parse_args()

sources = [word for word in args.words if "=" not in word]
given = parse_grid([word for word in args.words if "=" in word])
if sources:
    data, options, grid = ferviz.read_data(sources[0]), {}, given
else:
    data, options = cartoons.make(900, task="mouth").dataset(0.3), SMALL
    grid = CARTOONS | given

runs = []
for values in itertools.product(*grid.values()):
    point = dict(zip(grid, values, strict=True))
    # A run is named by the values that were given, in one fixed order, so that a larger grid later finds it again.
    shown = sorted((f for f in point if f in given or len(grid[f]) > 1), key=FIELDS.index)
    name = "_".join(f"{field}-{point[field]}" for field in shown) or "defaults"
    runs.append(train_point(point, args.out / name, data, args.architecture, options))
runs.sort(key=lambda run: -run["best"]["val_accuracy"])

faces = len(data.part(runs[0]["validation"]))
print(f"\nvalidation accuracy on {faces:,} faces (95 % interval); the best epoch was chosen on the same faces")
for run in runs:
    best = run["best"]
    low, high = wilson(best["val_accuracy"] * faces, faces)
    seconds = sum(row["seconds"] for row in run["rows"])
    print(
        f"{100 * best['val_accuracy']:5.1f} % ({100 * low:.1f} to {100 * high:.1f})  epoch {best['epoch']:3.0f} of {len(run['rows']):3d}  "
        f"{seconds:7.0f} s  {run['folder'].name}"
    )

if len(runs) > 1:
    two = [
        ferviz.evaluate(ferviz.load_model(run["folder"] / "best.keras", engine="keras"), data, split=run["validation"])
        for run in runs[:2]
    ]
    pair = ferviz.compare_models(*two)
    first, second = (f"{100 * evaluation.accuracy:.1f}" for evaluation in two)
    print(
        f"\nmeasured again, the two best are right on {first} and {second} % (McNemar p = {pair.test.p:.2g}), "
        f"and give {len(pair.disagreements):,} of {faces:,} faces different labels ({100 * pair.disagreement:.1f} %)"
    )
    sheet = args.out / "disagreements.png"
    pair.save(sheet, force=True, view="disagreements")
    print(f"written: {sheet}")
picture = args.out / "curves.png"
curves(runs, f"{len(runs)} runs on {sources[0] if sources else 'cartoon faces'}").savefig(picture)
print(f"written: {picture}")
