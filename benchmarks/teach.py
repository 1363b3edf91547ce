"""Does a taught explainer tell the truth about its network? The table of benchmarks/results.md.

    python benchmarks/teach.py fer2013.csv [TAUGHT.ferviz ...] [--faces 200] [--exact 50] [--seed 0]
    python benchmarks/teach.py --cartoons [--faces 800]

Without a file the bundled network. Faces of PublicTest that are pixel-identical to a Training row, or to each other, are left out. For the
predicted class of each face are printed, with 95 % intervals:

- better than a centre blob under all fills, by deletion and insertion, for fastshap, for adjusted-fastshap, for Grad-CAM, for the mean map
  of the class, and for the fastshap map of another face of the same class;
- on `--exact` of the faces, under the fill that the explainer never saw and under those that it was taught with: rank correlation of the
  regions' values with the exact ones, share of faces whose most important region is named, and the same with the borders of the regions a
  pixel higher and lower (values summed anew, truth unchanged);
- another window than was taught: the share of the variance of a score's change that the map explains when a disc is hidden;
- the correlation of expected and true errors, and with several files the explainer swap: the maps of one network against the exact values
  of another one.

With `--cartoons` a network that learned cartoon faces of which the mouth alone tells the class (see truth.py) is taught with new ones, and
the share of its maps is printed whose highest value, and whose evidence, lies in the mouth.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from trust import unseen

import ferviz
from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.maps.resize import cell_shares
from ferviz.attribution.methods.region_shapley import log_odds
from ferviz.attribution.request import LazyMasks
from ferviz.attribution.targets import PREDICTED
from ferviz.evaluation.metrics import wilson
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import FaceRegions, region_masks
from ferviz.models.model import Model
from ferviz.training.explainer.coalitions import CELLS, class_request
from ferviz.training.explainer.examination import RegionValues, exact_values, join_values
from ferviz.training.explainer.teach import TeachConfig
from ferviz.trust.verdict import judge


def share(hits: Iterable[bool]) -> str:
    """Return a share with its interval."""
    rows = list(hits)
    low, high = wilson(sum(rows), len(rows))
    return f"{np.mean(rows):.0%} ({low:.0%} to {high:.0%})"


def mean(values: Sequence[float]) -> str:
    """Return a mean with the interval of twice its standard error."""
    error = 2 * float(np.std(values)) / math.sqrt(max(len(values), 1))
    return f"{np.mean(values):.2f} ± {error:.2f}"


def others(predicted: np.ndarray, seed: int) -> np.ndarray:
    """Return for each face another one of the same class, or itself where there is none."""
    result = np.arange(len(predicted))
    for label in np.unique(predicted):
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(predicted == label))
        result[rows] = np.roll(rows, 1)
    return result


def better(model: Model, faces: list[Face], maps: np.ndarray, predicted: np.ndarray) -> list[bool]:
    """Return for each face whether a map beats the centre blob under all fills; faces that cannot be tested are left out."""
    weights = np.eye(len(model.labels), dtype=np.float32)[predicted][:, None]
    trust = judge(model, model.input.resized([face.pixels for face in faces]), maps[:, None], weights)
    outcomes = [row[0].outcome for row in trust.verdicts]
    return [outcome == "better" for outcome in outcomes if outcome != "not-assessable"]


def region_sums(grids: np.ndarray, faces: list[Face], border: float, size: tuple[int, int]) -> np.ndarray:
    """Return what each face's grid gives to each region, (N, R)."""
    points = FaceRegions.of(faces, size).points
    return np.einsum("nij,nrij->nr", grids, cell_shares(region_masks(points, size, border), CELLS), optimize=True)


def disc_fit(model: Model, faces: list[Face], grids: np.ndarray, predicted: np.ndarray, seed: int) -> float:
    """Return the share of the variance that grids explain of what hiding discs takes from the score, each face less its mean."""
    request = class_request(model, faces)
    height, width = request.batch.shape[1:3]
    rng, count = np.random.default_rng(seed), 12
    y, x = np.mgrid[:height, :width]
    centres = rng.uniform(0.15, 0.85, (len(faces), count, 2)) * [height, width]
    radius = 0.17 * min(height, width)
    hidden = np.hypot(y - centres[..., 0, None, None], x - centres[..., 1, None, None]) < radius
    used = np.ones((len(faces), count), bool)
    seen = LazyMasks(used, lambda face, disc: 1 - hidden[face, disc].astype(np.float32))
    logits = request.masked_logits(seen, "mean").astype(np.float64)
    weights = np.eye(len(model.labels))[predicted][:, None]
    drops = log_odds(request.logits[:, None].astype(np.float64), weights)[:, 0] - log_odds(logits, weights)[:, 0]
    shares = cell_shares(hidden.reshape(-1, height, width).astype(np.float32), CELLS).reshape(len(faces), count, -1)
    sums = np.einsum("ndc,nc->nd", shares, grids.reshape(len(faces), -1))
    a, b = (values - values.mean(1, keepdims=True) for values in (sums, drops))
    return float((a * b).sum() ** 2 / max((a**2).sum() * (b**2).sum(), 1e-12))


def report(model: Model, faces: list[Face], exact: int, seed: int) -> RegionValues:
    """Print the figures of one network -> the exact values of the first faces."""
    ours = explain(model, faces, "fastshap", PREDICTED, test=False)
    adjusted = explain(model, faces, "adjusted-fastshap", PREDICTED, test=False)
    gradcam = explain(model, faces, "gradcam", PREDICTED, test=False)
    predicted = np.array([model.labels.index(p.label) for p in ours.predictions])
    maps, grids = ours.heatmaps[:, 0], ours.grids["values"][:, 0]
    means = np.stack([maps[predicted == label].mean(0) for label in predicted])
    other = others(predicted, seed)
    print(f"\n{model.name}: {len(faces)} faces, taught with {model.explainer.lesson.faces:,}\n")
    print("| map | better than a centre blob under all fills | faces that can be tested |\n|---|---|---|")
    for name, candidate in (
        ("fastshap", maps), ("adjusted-fastshap", adjusted.heatmaps[:, 0]), ("gradcam", gradcam.heatmaps[:, 0]),
        ("mean fastshap map of the class", means),
        ("fastshap map of another face", maps[other]),
    ):  # fmt: skip
        hits = better(model, faces, candidate, predicted)
        print(f"| {name} | {share(hits)} | {len(hits)} |", flush=True)
    few, rows = locate_landmarks(faces[:exact]), np.arange(min(exact, len(faces)))
    lesson = model.explainer.lesson
    held_out, fills = lesson.held_out, (lesson.held_out, *lesson.fills)
    truths = {fill: join_values([exact_values(model, [face], fill) for face in few]) for fill in fills}
    size = model.input.size
    print("\n| exact values under | borders | rank correlation | of the class's mean | of another face | top region |")
    print("|---|---|---|---|---|---|")
    for fill, truth in truths.items():
        values = truth.values[rows, predicted[rows]]
        typical = np.stack([values[predicted[rows] == label].mean(0) for label in predicted[rows]])
        for border in (-1.0, 0.0, 1.0) if fill == held_out else (0.0,):
            sums = region_sums(grids[rows], few, border, size)
            rank = [rank_correlation(a, b) for a, b in zip(sums, values, strict=True)]
            by_mean = [rank_correlation(a, b) for a, b in zip(typical, values, strict=True)]
            strange = region_sums(grids[other[rows]], few, border, size)
            by_other = [rank_correlation(a, b) for a, b in zip(strange, values, strict=True)]
            top = share(list(sums.argmax(1) == values.argmax(1)))
            name = f"{fill} (never seen)" if fill == held_out else fill
            print(
                f"| {name} | {border:+.0f} px | {mean(rank)} | {mean(by_mean)} | {mean(by_other)} | {top} |", flush=True
            )
    print("\n| adjusted by 18 passes: exact values under | rank correlation | top region |\n|---|---|---|")
    for fill, truth in truths.items():
        values = truth.values[rows, predicted[rows]]
        sums = region_sums(adjusted.grids["values"][rows, 0], few, 0, size)
        rank = [rank_correlation(a, b) for a, b in zip(sums, values, strict=True)]
        print(f"| {fill} | {mean(rank)} | {share(list(sums.argmax(1) == values.argmax(1)))} |", flush=True)
    errors = np.sqrt(
        ((region_sums(grids[rows], few, 0, size) - truths[held_out].values[rows, predicted[rows]]) ** 2).mean(1)
    )
    expected = np.array(ours.settings["details"]["expected_error"])[rows, 0]
    agreement = rank_correlation(expected, errors)
    print(
        f"\nexpected and true errors: mean {expected.mean():.2f}, {errors.mean():.2f}; rank correlation {agreement:.2f}"
    )
    print(
        f"discs, which were never hidden before: {disc_fit(model, few, grids[rows], predicted[rows], seed):.0%} of the variance"
    )
    return truths[held_out]


def cartoons(faces: int) -> None:
    """Print whether the explainer of a network that looks at the mouth alone points there."""
    from truth import score, trained

    from ferviz.data.synthetic.cartoons import make

    model, accuracy = trained("mouth")
    with tempfile.TemporaryDirectory() as folder:
        config = TeachConfig(faces=faces, examined=16, epochs=16)
        pictures = make(faces + 20, 3, "mouth").images
        run = ferviz.teach(model, pictures, out=Path(folder) / "cartoons.ferviz", minutes=None, config=config)
        taught, test = ferviz.load_model(run.path), make(96, 7, "mouth")
        figures = {name: score(taught, name, test) for name in ("fastshap", "gradcam")}
    print(f"cartoons, accuracy {accuracy:.2f}, taught with {run.lesson.faces}\n")
    print("| method | highest value in the mouth | evidence there | x chance |\n|---|---|---|---|")
    for name, row in figures.items():
        print(f"| {name} | {row['pointing']:.0%} | {row['mass']:.0%} | {row['mass'] / row['chance']:.1f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="FER2013 with its Training rows")
    parser.add_argument(
        "models", nargs="*", metavar="TAUGHT", help="files that `ferviz teach` wrote; none = the bundled network"
    )
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--exact", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cartoons", action="store_true")
    options = parser.parse_args()
    if options.cartoons:
        cartoons(options.faces)
    elif options.data:
        compare(options)
    else:
        parser.error("name the data, or pass --cartoons")


def compare(options: argparse.Namespace) -> None:
    """Print the tables of real faces."""
    images = unseen(ferviz.read_data(options.data)).images
    faces = as_faces(images[np.random.default_rng(options.seed).permutation(len(images))[: options.faces]])
    models = [ferviz.load_model(name) for name in options.models or [None]]
    truths = [report(model, faces, options.exact, options.seed) for model in models]
    if len(models) < 2:
        return
    print("\n| the maps of | against the exact values of | rank correlation |\n|---|---|---|")
    few = locate_landmarks(faces[: options.exact])
    for theirs, truth in zip(models, truths, strict=True):
        for ours in models:
            if ours.labels != theirs.labels:
                continue
            rows = np.arange(len(few))
            values = explain(ours, few, "fastshap", "all", test=False).grids["values"][rows, truth.predicted]
            sums = region_sums(values, few, 0, ours.input.size)
            rank = [rank_correlation(a, b) for a, b in zip(sums, truth.values[rows, truth.predicted], strict=True)]
            print(f"| {ours.name} | {theirs.name} | {mean(rank)} |", flush=True)


if __name__ == "__main__":
    main()
