"""An Evaluation, and a comparison with another network, as the files of a report and as text for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import OutputExistsError
from ferviz.evaluation.comparison import ModelComparison
from ferviz.evaluation.evaluation import Evaluation
from ferviz.evaluation.plots import percent
from ferviz.files import PathLike, atomic, check_output, make_folder
from ferviz.images import FORMATS
from ferviz.manifests import to_json
from ferviz.paths import exists, fit_name, is_folder
from ferviz.writers import FIGURES

if TYPE_CHECKING:
    from ferviz.results import Result

Item = tuple[str, "type[Result]", dict[str, str]]
"""A file's name, the result that is saved in it, and the drawing options."""

EVALUATION_FILES: tuple[Item, ...] = (
    ("report.json", Evaluation, {}),
    ("report.png", Evaluation, {}),
    ("mistakes.png", Evaluation, {"view": "mistakes"}),
    ("predictions.csv", Evaluation, {}),
)
COMPARISON_FILES: tuple[Item, ...] = (
    ("compare.png", ModelComparison, {}),
    ("disagreements.png", ModelComparison, {"view": "disagreements"}),
    ("disagreements.csv", ModelComparison, {}),
)
"""The files of a report that is a folder."""


def check_report(out: PathLike, compared: bool = False, force: bool = False) -> Path:
    """Return the path of a report if it may be written there; call it before the work.

    Args:
        out: a folder (a path without suffix), or a file that an Evaluation can be saved in.
        compared: whether the report has a comparison with another network.
        force: whether existing files may be replaced.

    Raises:
        UsageError: the suffix is none that an Evaluation can be saved in.
        OutputExistsError: one of the files is there and `force` is false.
        OutputError: the folder of a file is missing.
    """
    out = Path(out)
    if not out.suffix and exists(out) and not is_folder(out):
        raise OutputExistsError(f"{out} is a file; name a folder, or a file that ends in .png or .json")
    if out.suffix:
        Evaluation.check_path(out, force)
    for path, _, _ in _items(out, compared):
        if is_folder(path.parent):  # a folder that is yet to be made holds nothing to overwrite
            check_output(path, force)
    return out


def write_report(
    evaluation: Evaluation,
    out: PathLike,
    comparison: ModelComparison | None = None,
    force: bool = False,
    show_faces: bool = True,
    **printing: float | None,
) -> list[Path]:
    """Write an evaluation and, where there is one, its comparison with another network.

    Args:
        evaluation: the evaluation.
        out: a path without suffix is a folder (made where it is missing) that gets report.json, report.png, mistakes.png and
            predictions.csv, with a comparison also compare.png, disagreements.png and disagreements.csv. A path with a suffix is one file
            (see `Evaluation.save`); beside NAME.png, NAME.csv or NAME.npz the comparison goes into NAME_compare or NAME_disagreements,
            in NAME.json it stands under "compare".
        comparison: the comparison, or None.
        force: replace existing files.
        show_faces: whether pictures of single faces are drawn; without them there are no mistakes.png and disagreements.png.
        **printing: width_mm, dpi and font_size of the figures.

    Returns:
        The files that were written.

    Raises:
        UsageError, OutputExistsError, OutputError: as `check_report`; or a file cannot be written.
    """
    out = check_report(out, comparison is not None, force)
    if not out.suffix:
        make_folder(out)
    if out.suffix.lower() == ".json" and comparison is not None:
        document = evaluation.manifest() | {"compare": comparison.to_dict()}
        with atomic(out, force) as temporary:
            temporary.write_text(to_json(document, indent=2) + "\n", encoding="utf-8")
        return [out]
    files = []
    for path, kind, options in _items(out, comparison is not None, show_faces):
        result: Result | None = comparison if kind is ModelComparison else evaluation
        if result is not None:
            hidden = {"show_faces": False} if kind is Evaluation and not show_faces else {}
            files.append(result.save(path, force, **options, **printing, **hidden))
    return files


def report_files(out: PathLike, compared: bool = False) -> list[Path]:
    """Return the files of a report.

    Args:
        out, compared: as of `check_report`.
    """
    return [path for path, _, _ in _items(Path(out), compared)]


def _items(out: Path, compared: bool, show_faces: bool = True) -> list[tuple[Path, type[Result], dict[str, str]]]:
    """Return the files of a report, what is saved in each, and how it is drawn."""
    return [item for item in _all_items(out, compared) if show_faces or item[2].get("view", "page") == "page"]


def _all_items(out: Path, compared: bool) -> list[tuple[Path, type[Result], dict[str, str]]]:
    if not out.suffix:
        names = EVALUATION_FILES + (COMPARISON_FILES if compared else ())
        return [(out / name, kind, options) for name, kind, options in names]
    suffix = out.suffix.lower()
    items: list[tuple[Path, type[Result], dict[str, str]]] = [(out, Evaluation, {})]
    if compared and suffix in (*FORMATS, *FIGURES, ".npz"):
        items.append((out.with_name(fit_name(out.stem, f"_compare{out.suffix}")), ModelComparison, {}))
    if compared and suffix in (*FORMATS, *FIGURES, ".csv"):
        view = {} if suffix == ".csv" else {"view": "disagreements"}
        items.append((out.with_name(fit_name(out.stem, f"_disagreements{out.suffix}")), ModelComparison, view))
    return items


def evaluation_text(evaluation: Evaluation) -> str:
    """Return an evaluation's figures as lines for a terminal.

    Args:
        evaluation: the evaluation.
    """
    d = evaluation.to_dict()
    if not len(evaluation):
        return "no faces to measure"
    lines = [
        f"{evaluation.model} on {evaluation.split}: {len(evaluation):,} faces",
        (
            f"accuracy {percent(d['accuracy'], d['interval'])}   top-2 {percent(d['top2'])}   mean rank {d['mean_rank']:.2f}   "
            f"macro recall {percent(d['macro_recall'])}   macro F1 {d['macro_f1']:.3f}   ECE {d['ece']:.3f}"
        ),
    ]
    for name, f in d.get("tta", {}).items():
        lines.append(f"with {name}: accuracy {percent(f['accuracy'], f['interval'])}   ECE {f['ece']:.3f}")
    if "duplicates" in d and d["duplicates"]["in_training"]["n"]:
        inside, without = d["duplicates"]["in_training"], d["duplicates"]["without"]
        rest = f"{percent(without['accuracy'], without['interval'])}; " if without["n"] else "no faces; "
        lines.append(
            f"without the {inside['n']:,} faces that are also in training: {rest}on those {percent(inside['accuracy'])}"
        )
    return "\n".join([*lines, "", *_class_lines(evaluation, d), *_occlusion_lines(evaluation, d)])


def _class_lines(evaluation: Evaluation, d: dict[str, Any]) -> list[str]:
    wide = max(map(len, (*evaluation.labels, "class")))
    lines = [f"{'class'.ljust(wide)}  recall (95 % interval)    precision     F1   faces  predicted as"]
    for name, c in d["per_class"].items():
        recall = "     -" + " " * 18 if c["recall"] is None else percent(c["recall"], c["interval"]).rjust(24)
        f1 = "    -" if c["f1"] is None else f"{c['f1']:5.3f}"
        lines.append(
            f"{name.ljust(wide)}{recall}{percent(c['precision']):>14}  {f1} {c['support']:7,}{c['predicted']:14,}"
        )
    return lines


def _occlusion_lines(evaluation: Evaluation, d: dict[str, Any]) -> list[str]:
    if "occlusion" not in d:
        return []
    wide = max(map(len, (*evaluation.labels, *d["occlusion"], "hidden")))
    lines = ["", f"{'hidden'.ljust(wide)}  accuracy  recall: " + "  ".join(n.rjust(8) for n in evaluation.labels)]
    for name, o in d["occlusion"].items():
        recalls = "  ".join("       -" if r is None else f"{r * 100:8.1f}" for r in o["recall"].values())
        lines.append(f"{name.ljust(wide)}  {o['accuracy'] * 100:8.1f}          {recalls}")
    return lines


def comparison_text(comparison: ModelComparison) -> str:
    """Return a comparison's figures as lines for a terminal.

    Args:
        comparison: the comparison.
    """
    t, first, second = comparison.test, comparison.first, comparison.second
    return (
        f"{first.model} {percent(first.accuracy)} against {second.model} {percent(second.accuracy)} on {t.n:,} faces: "
        f"{t.difference * 100:+.1f} points ({t.interval[0] * 100:+.1f} to {t.interval[1] * 100:+.1f})\n"
        f"only the first is right on {t.only_first:,}, only the second on {t.only_second:,}; McNemar p = {t.p:.2g}; "
        f"they disagree on {len(comparison.disagreements):,} faces, {percent(comparison.disagreement)}"
    )
