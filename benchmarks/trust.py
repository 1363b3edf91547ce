"""Which map to believe: every method at two layers, on faces that the networks have not seen, for one network or several.

    python benchmarks/trust.py fer2013.csv [MODEL ...] [--rounds 5] [--size 20] [--methods a,b] [--work FOLDER] [--print]

Without MODEL the bundled network; a MODEL may name its conventions, as everywhere (net.hdf5?scaling=-1..1), and `bundled` is the bundled
one. Faces of PublicTest that are pixel-identical to a Training row, or to each other, are left out; the rest is chosen so that every
predicted class has as many, as far as there are so many. Printed for each network, as Markdown: the areas under deletion and insertion in
12 steps under three fills; their difference; on how many faces the map is better than a centre blob under all fills; how the evidence in
eight regions agrees with their exact Shapley values; passes and processor time a face.

It takes hours, so it goes in rounds of `--size` faces, in each of which all networks have their turn. What a method answered is kept in
`--work`, and a run that was stopped goes on where it was. `--print` prints the tables of what is there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import ferviz
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.panel.bootstrap import cluster_interval
from ferviz.evaluation.panel.method_maps import CENTRE, control_maps, curve_areas, method_maps
from ferviz.evaluation.panel.panel import default_layers, usable_methods
from ferviz.evaluation.panel.panel_faces import stratified_faces
from ferviz.evaluation.panel.region_agreement import REFERENCE, RegionReference, region_agreement, region_reference
from ferviz.faces.crops import as_faces
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.models.model import Model
from ferviz.models.network_address import parse_network
from ferviz.trust.calibration import calibration_of
from ferviz.trust.deletion import FILLS, STEPS
from ferviz.trust.scores import MIN_GAP
from ferviz.trust.verdict import BETTER, OUTCOMES, outcome

Arrays = dict[str, np.ndarray]


def unseen(data: Dataset) -> Dataset:
    """Return PublicTest without the faces that are among the Training rows, and without repeated ones."""
    part, training = data.part("PublicTest"), data.part("Training")
    _, first = np.unique(duplicate_groups(part.images), return_index=True)
    return part.take(np.setdiff1d(first, np.flatnonzero(also_in(part, training))))


def kept(path: Path, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays of a file, which are computed where it is not there."""
    if not path.exists():
        arrays = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".part.npz"), **arrays)  # type: ignore[arg-type]
        path.with_suffix(".part.npz").rename(path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def jobs(model: Model, methods: Iterable[str] | None) -> list[tuple[str, str | None]]:
    """Return the methods with their layers, those that need few passes first."""
    layers: list[str | None] = [*default_layers(model)]
    names = list(methods or usable_methods(model))
    late = ("occlusion", "region-occlusion", "regions", "shapley", "rise", "scorecam", "ablationcam")
    names.sort(key=lambda name: late.index(name) if name in late else -1)
    return [(name, layer) for name in names for layer in (layers if METHODS[name].at == LAYER else [None])]


def run_round(model: Model, images: np.ndarray, folder: Path, methods: Iterable[str] | None, seed: int) -> None:
    """Answer for one round of faces whatever is not there yet."""
    predicted = model.logits(images).argmax(1)

    def areas(maps: np.ndarray) -> Arrays:
        deletion, insertion, gap = curve_areas(model, images, predicted, maps[:, None], STEPS, seed)
        return {"deletion": deletion[:, 0], "insertion": insertion[:, 0], "gap": gap}

    faces = locate_landmarks(as_faces(images))

    def reference() -> Arrays:
        answer = region_reference(method_maps(model, faces, REFERENCE).explanation)
        return {"values": answer.values, "masks": answer.masks, "known": answer.known}

    def method(name: str, layer: str | None) -> Arrays:
        answer = method_maps(model, faces, name, layer, seed)
        cost = np.array([answer.passes, answer.seconds, answer.processor])
        return {"maps": answer.maps, "cost": cost, "cells": np.array(answer.cells), **areas(answer.maps)}

    kept(folder / "reference.npz", reference)
    first = None
    for name, layer in jobs(model, methods):
        answer = kept(folder / f"{name}@{layer or ''}.npz", lambda name=name, layer=layer: method(name, layer))  # type: ignore[misc]
        print(f"{folder}: {name} {layer or ''}", flush=True)
        first = answer["maps"] if first is None else first
        if len(list(folder.glob("control-*.npz"))) < 5:
            controls = control_maps(faces, model.input.size, predicted, first, np.arange(len(images)), seed)
            for control, maps in controls.items():
                file = folder / f"control-{control}.npz"
                kept(file, lambda maps=maps: {"maps": maps, "cost": np.zeros(3), "cells": np.zeros(2), **areas(maps)})  # type: ignore[misc]


def gathered(rounds: list[Path], name: str) -> Arrays:
    """Return what a method answered in all rounds that have it; `round` says which."""
    parts = []
    for number, folder in enumerate(rounds):
        if (folder / f"{name}.npz").exists():
            part = kept(folder / f"{name}.npz", dict)
            n = len(part["maps"])
            reference = RegionReference(**kept(folder / "reference.npz", dict))  # type: ignore[arg-type]
            agreement = region_agreement(reference, part["maps"])
            own = {"rank": agreement.rank, "top": agreement.top, "cost": np.tile(part["cost"], (n, 1))}
            own |= {"face": number * 10**6 + np.arange(n), "cells": np.tile(part["cells"], (n, 1))}
            parts.append({key: value for key, value in (part | own).items() if key != "maps"})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def table(model: Model, folder: Path, seed: int) -> None:
    """Print what one network's methods answered."""
    rounds = sorted(folder.iterdir())
    names = sorted({file.stem for path in rounds for file in path.glob("*.npz")} - {"reference"})
    answers = {name: gathered(rounds, name) for name in names if not name.endswith(".part")}
    blob, delta = answers[f"control-{CENTRE}"], calibration_of(model).delta(STEPS)
    rows = []
    for name, answer in answers.items():
        at = np.searchsorted(blob["face"], answer["face"])
        keep = (answer["gap"] >= MIN_GAP).all(1)
        srg = answer["insertion"] - answer["deletion"]
        margin = (srg - (blob["insertion"] - blob["deletion"])[at])[keep]
        wins = outcome(margin, delta) == OUTCOMES.index(BETTER)
        low, high = wilson(float(wins.sum()), len(wins))
        worst = margin.mean(0).argmin()
        ends = cluster_interval(margin[:, worst], np.arange(len(margin)), seed=seed)
        ranks = cluster_interval(
            answer["rank"][np.isfinite(answer["rank"])], np.arange(np.isfinite(answer["rank"]).sum())
        )
        title = name.removeprefix("control-").removesuffix("@").replace("@", " at ")
        title = f"*{title}*" if name.startswith("control-") else title
        pairs = [
            f"{answer['deletion'][keep, f].mean():.3f} / {answer['insertion'][keep, f].mean():.3f}"
            for f in range(len(FILLS))
        ]
        areas = " / ".join(f"{value:+.3f}" for value in srg[keep].mean(0))
        cost = answer["cost"].mean(0)
        price = ["", ""] if name.startswith("control-") else [f"{cost[0]:.0f}", f"{1000 * cost[2]:.1f}"]
        share = f"{wins.mean():.0%} ({low:.0%} to {high:.0%})"
        agree = f"{np.nanmean(answer['rank']):+.2f} ({ranks[0]:+.2f} to {ranks[1]:+.2f})"
        margins = f"{margin[:, worst].mean():+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f})"
        cells = [str(keep.sum()), *price, *pairs, areas, margins, share, agree, f"{np.nanmean(answer['top']):.0%}"]
        rows.append((wins.mean(), f"| {title} | {' | '.join(cells)} |"))
    print(f"\n### {model.name}\n\nA map has to beat the blob by more than {delta:g}.\n")
    head = [
        "",
        "faces",
        "passes",
        "ms",
        *(f"{fill}: deletion / insertion" for fill in FILLS),
        "SRG, the same fills",
        "less the blob's, hardest fill",
    ]
    head += ["better than the blob", "rank with the regions' values", "same top region"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for _, row in sorted(rows, key=lambda pair: -pair[0]):
        print(row)


def main() -> None:
    """Answer, and print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="files of networks; none = the bundled one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=20, help="faces in a round")
    parser.add_argument("--methods", help="names with commas between; none = all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("trust-work"), help="a folder for what was answered")
    parser.add_argument("--print", action="store_true", dest="only_print", help="print the tables of what is there")
    options = parser.parse_args()
    models = []
    for name in options.models or ["bundled"]:
        file, conventions = parse_network(name)
        models.append(ferviz.load_model() if name == "bundled" else ferviz.load_model(file, **conventions))  # type: ignore[arg-type]
    methods = options.methods.split(",") if options.methods else None
    if not options.only_print:
        data = unseen(ferviz.read_data(options.data))
        chosen = {
            model.name: stratified_faces(model, data.images, options.rounds * options.size, options.seed, 64)[0]
            for model in models
        }
        for number in range(options.rounds):
            for model in models:
                order = np.random.default_rng(options.seed).permutation(len(chosen[model.name]))
                part = chosen[model.name][order[number * options.size : (number + 1) * options.size]]
                run_round(model, part, options.work / model.name / f"{number:02d}", methods, options.seed)
    for model in models:
        table(model, options.work / model.name, options.seed)


if __name__ == "__main__":
    main()
