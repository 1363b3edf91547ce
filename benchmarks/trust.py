"""Which map to believe: every method at two layers, on faces that the networks have not seen, for one network or several.

    python benchmarks/trust.py fer2013.csv [MODEL ...] [--rounds 5] [--first 3] [--size 20] [--methods a,b] [--work FOLDER] [--print]

Without MODEL the bundled network; a MODEL may name its conventions, as everywhere (net.hdf5?scaling=-1..1), and `bundled` is the bundled
one. Faces of PublicTest that are pixel-identical to a Training row, or to each other, are left out; the rest is chosen so that every
predicted class has as many, as far as there are so many. Printed for each network, as Markdown: the areas under deletion and insertion in
12 steps under three fills; their difference; on how many faces the map is better than a centre blob under all fills; how the evidence in
eight regions agrees with their exact Shapley values; passes and processor time a face. Grad-CAM is drawn a second time with its cells
where they look (`place="measured"`); what that changes on the same faces stands below the table.

It takes hours, so it goes in rounds of `--size` faces, in each of which all networks have their turn. What a method answered is kept in
`--work`, and a run that was stopped goes on where it was; what another network of the same name answered, or one that was taught anew
since then, or about other faces (which depend on `--rounds` and `--size`), is asked again. `--methods` in one run, all with `--first 3`
in the next, gives the cheap ones more faces than the dear ones: the table says for each how many it had. `--print` prints the tables of
what is there.

`--cascade` prints something else: how the maps of the methods change on 64 faces when the weights are drawn anew, from the last layer to
all, in three draws (the parameter randomisation test of `ferviz trust`).
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

import ferviz
from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.maps.receptive_fields import Placement
from ferviz.attribution.methods.method import LAYER
from ferviz.attribution.methods.registry import METHODS
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.evaluation.metrics import wilson
from ferviz.evaluation.panel.bootstrap import cluster_interval
from ferviz.evaluation.panel.method_maps import CENTRE, MethodMaps, control_maps, curve_areas, method_maps
from ferviz.evaluation.panel.panel import default_layers, usable_methods
from ferviz.evaluation.panel.panel_faces import stratified_faces
from ferviz.evaluation.panel.randomisation import Key, randomisation, share_title
from ferviz.evaluation.panel.region_agreement import REFERENCE, RegionReference, region_agreement, region_reference
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.models.compiled.explainer import find_explainer
from ferviz.models.model import Model
from ferviz.models.network_address import parse_network
from ferviz.trust.calibration import calibration_of
from ferviz.trust.deletion import FILLS, STEPS
from ferviz.trust.scores import MIN_GAP
from ferviz.trust.verdict import BETTER, OUTCOMES, outcome

Arrays = dict[str, np.ndarray]
Places = dict[tuple[str, str], tuple[Placement, ...]]
"""(a network's hash, a layer's name) -> where the layer's cells look."""

NETWORK = "network"
"""The name under which a file holds what its answers are bound to."""

CASCADE_FACES = 64
"""Faces whose maps are compared with those of networks with weights drawn anew."""

PLACED = "gradcam"
"""The method whose maps are drawn where their cells look, too."""


def unseen(data: Dataset) -> Dataset:
    """Return PublicTest without the faces that are among the Training rows, and without repeated ones."""
    part, training = data.part("PublicTest"), data.part("Training")
    _, first = np.unique(duplicate_groups(part.images), return_index=True)
    return part.take(np.setdiff1d(first, np.flatnonzero(also_in(part, training))))


def read(path: Path) -> Arrays:
    """Return the arrays of a file."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def kept(path: Path, network: str, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays of a file, which are computed where it is not there, or where another network wrote it."""
    if not path.exists() or str(read(path).get(NETWORK)) != network:
        arrays = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".part.npz"), **arrays, **{NETWORK: np.array(network)})  # type: ignore[arg-type]
        path.with_suffix(".part.npz").rename(path)
    return read(path)


def identity(model: Model, faces: str, method: str = "") -> str:
    """Return what a kept answer is bound to: the network's hash, its explainer's where the method asks that, and the faces' digest."""
    if not method or not METHODS[method].needs_explainer:
        return f"{model.sha256} {faces}"
    return f"{model.sha256}+{hashlib.sha256(find_explainer(model).compiled.compiled.content).hexdigest()} {faces}"


def jobs(model: Model, methods: Iterable[str] | None) -> list[tuple[str, str | None]]:
    """Return the methods that a network can run with their layers, those that need few passes first."""
    layers: list[str | None] = [*default_layers(model)]
    usable = usable_methods(model)
    names = [name for name in methods or usable if name in usable]
    late = ("occlusion", "region-occlusion", "regions", "shapley", "rise", "scorecam", "ablationcam")
    names.sort(key=lambda name: late.index(name) if name in late else -1)
    return [(name, layer) for name in names for layer in (layers if METHODS[name].at == LAYER else [None])]


def run_round(
    model: Model, images: np.ndarray, folder: Path, methods: Iterable[str] | None, seed: int, places: Places
) -> None:
    """Answer for one round of faces whatever is not there yet; `places` keeps where a network's layers look."""
    predicted = model.logits(images).argmax(1)
    same = partial(identity, model, hashlib.sha256(images.tobytes()).hexdigest())

    def areas(maps: np.ndarray) -> Arrays:
        deletion, insertion, gap = curve_areas(model, images, predicted, maps[:, None], STEPS, seed)
        return {"deletion": deletion[:, 0], "insertion": insertion[:, 0], "gap": gap}

    faces = locate_landmarks(as_faces(images))

    @cache
    def answered(name: str, layer: str | None) -> MethodMaps:
        return method_maps(model, faces, name, layer, seed)

    def reference() -> Arrays:
        answer = region_reference(answered(REFERENCE, None).explanation)
        return {"values": answer.values, "masks": answer.masks, "known": answer.known}

    def method(name: str, layer: str | None) -> Arrays:
        answer = answered(name, layer)
        cost = np.array([answer.passes, answer.seconds, answer.processor])
        return {"maps": answer.maps, "cost": cost, "cells": np.array(answer.cells), **areas(answer.maps)}

    def placed(layer: str) -> Arrays:
        job = AttributionJob.prepare(model, PLACED, "predicted", layer, seed=seed).with_templates()
        # Measured once a run: it takes many passes, and is a property of the network.
        key = model.sha256, layer
        places[key] = places.get(key) or job.at_measured_places(faces).places
        maps = replace(job, places=places[key]).explain(faces).heatmaps[:, 0]
        return {"maps": maps, **areas(maps)}

    kept(folder / "reference.npz", same(), reference)
    for number, (name, layer) in enumerate(jobs(model, methods)):
        file, network = folder / f"{name}@{layer or ''}.npz", same(name)
        answer = kept(file, network, lambda name=name, layer=layer: method(name, layer))  # type: ignore[misc]
        print(f"{folder}: {name} {layer or ''}", flush=True)
        if number == 0:
            run_controls(model, faces, folder, predicted, answer["maps"], areas, same(), seed)
        if name == PLACED and layer:
            file, cost = folder / f"{name}@{layer}@measured.npz", {key: answer[key] for key in ("cost", "cells")}
            kept(file, network, lambda layer=layer, cost=cost: cost | placed(layer))  # type: ignore[misc]


def run_controls(
    model: Model,
    faces: list[Face],
    folder: Path,
    predicted: np.ndarray,
    first: np.ndarray,
    areas: Callable[[np.ndarray], Arrays],
    network: str,
    seed: int,
) -> None:
    """Test the maps that know nothing about the network; `first` are a method's, of which each face gets another one's."""
    if len(list(folder.glob("control-*.npz"))) == 5 and all(
        str(read(file).get(NETWORK)) == network for file in folder.glob("control-*.npz")
    ):
        return
    controls = control_maps(faces, model.input.size, predicted, first, np.arange(len(faces)), seed)
    for control, maps in controls.items():
        free = {"maps": maps, "cost": np.zeros(3), "cells": np.zeros(2)}
        kept(folder / f"control-{control}.npz", network, lambda maps=maps, free=free: free | areas(maps))  # type: ignore[misc]


def gathered(model: Model, rounds: list[Path], name: str) -> Arrays | None:
    """Return what a method answered in all rounds in which this very network was asked; None where it was in none."""
    parts = []
    for number, folder in enumerate(rounds):
        file, known = folder / f"{name}.npz", read(folder / "reference.npz")
        part = read(file) if file.exists() else {}
        faces = str(known[NETWORK]).split()[-1]
        if str(part.get(NETWORK)) == identity(model, faces, name.split("@")[0] if "@" in name else ""):
            n = len(part["maps"])
            reference = RegionReference(known["values"], known["masks"], known["known"])
            agreement = region_agreement(reference, part["maps"])
            own = {"rank": agreement.rank, "top": agreement.top, "cost": np.tile(part["cost"], (n, 1))}
            own |= {"face": number * 10**6 + np.arange(n), "cells": np.tile(part["cells"], (n, 1))}
            parts.append({key: value for key, value in (part | own).items() if key not in ("maps", NETWORK)})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else None


def table(model: Model, folder: Path, seed: int) -> None:
    """Print what one network's methods answered."""
    rounds = sorted(folder.iterdir())
    names = sorted({file.stem for path in rounds for file in path.glob("*.npz")} - {"reference"})
    every = {name: gathered(model, rounds, name) for name in names if not name.endswith(".part")}
    answers = {name: answer for name, answer in every.items() if answer is not None}
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
        title = (
            name.removeprefix("control-")
            .removesuffix("@")
            .replace("@measured", ", measured places")
            .replace("@", " at ")
        )
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
    for name in sorted(answers):
        if name.endswith("@measured"):
            print(
                f"\n{name.removesuffix('@measured').replace('@', ' at ')}, "
                f"{place_gain(answers[name.removesuffix('@measured')], answers[name], blob, delta)}"
            )


def place_gain(even: Arrays, measured: Arrays, blob: Arrays, delta: float) -> str:
    """Return what it changes on the same faces that a map's cells are drawn where they look, with 95 % intervals."""
    _, at, too = np.intersect1d(even["face"], measured["face"], return_indices=True)
    pair = [{key: values[rows] for key, values in part.items()} for part, rows in ((even, at), (measured, too))]
    keep = (pair[1]["gap"] >= MIN_GAP).all(1)
    srg = [(part["insertion"] - part["deletion"])[keep] for part in pair]
    control = (blob["insertion"] - blob["deletion"])[np.searchsorted(blob["face"], pair[1]["face"])][keep]
    wins = [(outcome(part - control, delta) == OUTCOMES.index(BETTER)).astype(float) for part in srg]
    rank = pair[1]["rank"] - pair[0]["rank"]
    areas = [f"{fill} {gain((srg[1] - srg[0])[:, f])}" for f, fill in enumerate(FILLS)]
    better = gain(wins[1] - wins[0], "{:+.0%}")
    return (
        f"{int(keep.sum())} faces, measured places less even ones: better than the blob {better}; SRG {', '.join(areas)}; "
        f"rank {gain(rank[np.isfinite(rank)])}"
    )


def gain(values: np.ndarray, form: str = "{:+.3f}") -> str:
    """Return a mean with its 95 % interval; values: (N,)."""
    return f"{form} ({form} to {form})".format(values.mean(), *cluster_interval(values, np.arange(len(values))))


def print_cascade(model: Model, data: Dataset, methods: Iterable[str] | None, seed: int) -> None:
    """Print how like their own maps the methods' maps of networks with weights drawn anew are."""
    images, predicted = stratified_faces(model, data.images, CASCADE_FACES, seed, 64)
    faces = locate_landmarks(as_faces(images))
    answers: dict[Key, MethodMaps] = {
        (name, layer): method_maps(model, faces, name, layer, seed) for name, layer in jobs(model, methods)
    }
    start = time.process_time()
    cascade, tests = randomisation(model, images, faces, predicted, answers, seed=seed)
    stages = [share_title(share) for share in cascade.shares]
    kept = ", ".join(f"{title} {share:.0%}" for title, share in zip(stages, cascade.same_class, strict=True))
    print(
        f"\n### {model.name}, weights drawn anew\n\n{cascade.draws} draws, {time.process_time() - start:.0f} s of processor time. "
        f"Faces that keep their class: {kept}.\n"
    )
    head = [
        "",
        "faces",
        *stages,
        *(f"{title}, without signs" for title in stages),
        "draws",
        "another face's",
        "edges",
        "",
    ]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for (name, layer), test in tests.items():
        numbers = [f"{value:+.2f}" for value in (*test.correlation, *test.absolute)]
        ends = f"{min(test.draws):+.2f} to {max(test.draws):+.2f}"
        title = f"{name} at {layer}" if layer else name
        others = f"{test.unrelated:+.2f}" if np.isfinite(test.unrelated) else "-"
        cells = [title, str(test.faces), *numbers, ends, others, f"{test.edges:+.2f}"]
        print(f"| {' | '.join([*cells, 'fails' if test.fails else ''])} |", flush=True)


def main() -> None:
    """Answer, and print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 with its Training rows")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="files of networks; none = the bundled one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--first", type=int, help="so many of the rounds; default: all")
    parser.add_argument("--size", type=int, default=20, help="faces in a round")
    parser.add_argument("--methods", help="names with commas between; none = all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("trust-work"), help="a folder for what was answered")
    parser.add_argument("--print", action="store_true", dest="only_print", help="print the tables of what is there")
    parser.add_argument("--cascade", action="store_true", help="print what becomes of maps when weights are drawn anew")
    options = parser.parse_args()
    models = []
    for name in options.models or ["bundled"]:
        file, conventions = parse_network(name)
        models.append(ferviz.load_model() if name == "bundled" else ferviz.load_model(file, **conventions))  # type: ignore[arg-type]
    methods = options.methods.split(",") if options.methods else None
    if options.cascade:
        data = unseen(ferviz.read_data(options.data))
        for model in models:
            print_cascade(model, data, methods, options.seed)
        return
    if not options.only_print:
        data = unseen(ferviz.read_data(options.data))
        chosen = {
            model.name: stratified_faces(model, data.images, options.rounds * options.size, options.seed, 64)[0]
            for model in models
        }
        places: Places = {}
        for number in range(min(options.rounds, options.first or options.rounds)):
            for model in models:
                order = np.random.default_rng(options.seed).permutation(len(chosen[model.name]))
                part = chosen[model.name][order[number * options.size : (number + 1) * options.size]]
                run_round(model, part, options.work / model.name / f"{number:02d}", methods, options.seed, places)
    for model in models:
        table(model, options.work / model.name, options.seed)


if __name__ == "__main__":
    main()
