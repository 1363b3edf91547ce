"""The studies by name, and `study`, which runs one."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from ferviz.attribution.methods.registry import AUTO, METHODS
from ferviz.data.dataset import Dataset
from ferviz.data.read import as_dataset
from ferviz.errors import UnknownNameError, UsageError, check_integer
from ferviz.files import PathLike
from ferviz.fills import check_fill
from ferviz.models.face_selection import Where, select_faces
from ferviz.models.model import Model, as_model
from ferviz.studies.kept_answers import remembering
from ferviz.studies.study import Study
from ferviz.studies.study_faces import Progress

STUDIES = {
    "regions": ("region_study:region_study", "what each region of the face adds to each class, and how much of the heatmaps lies on it"),
    "mean-maps": ("mean_map_study:mean_map_study", "the mean face and the mean heatmap of each class, right against wrong"),
    "confusions": ("confusion_study:confusion_study", "which regions push the network to its most common mistakes"),
    "labels": ("label_study:label_study", "which labels of the data the network doubts most"),
    "compare": ("comparison_study:comparison_study", "where two networks look differently on the same faces"),
    "channels": ("channel_study:channel_study", "what excites each channel of a layer, and what the network loses without it"),
}  # fmt: skip
"""Name -> where the function is, and one line about it."""


def studies() -> dict[str, str]:
    """Return {name: one line about it} of every study."""
    return {name: line for name, (_, line) in STUDIES.items()}


def study(
    name: str,
    model: Model,
    data: Dataset | PathLike,
    *,
    where: Where | None = None,
    seed: int = 0,
    batch_size: int = 64,
    keep: PathLike | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Study:
    """Ask a question over a data set.

    Args:
        name: one of `ferviz.studies()`.
        model: a network.
        data: labelled faces that it was not trained on, or what `read_data` takes; FERPlus' votes are used where the data has them.
        where: which faces: conditions such as "split=PublicTest confidence>0.5", a boolean mask, or indices; None = all.
        seed: of the choice of faces and of everything else that is drawn.
        batch_size: pictures in one pass through the network.
        keep: a file in which the network's answers are kept until the study is done: asked again, one that was interrupted goes on.
        progress: takes a phrase about what is done next.
        **options: of the study: `faces`, how many are measured; "regions" takes `by`, `method`, `fill` and `variants`, "mean-maps"
            `method`, "confusions" `cells` and `fill`, "compare" `second` (another network), `method` and `fill`, "channels" `layer`,
            `dreams` (how many channels are shown) and `steps`.

    Returns:
        The study.

    Raises:
        UnknownNameError: an unknown study, option, method or class.
        UsageError: an option makes no sense.
        DataError: the labels of data and network do not fit, or there are no faces.
        NoFaceError: no face is left for `where`.
        OutputError: `keep` is another file, or cannot be written.
    """
    if name not in STUDIES:
        raise UnknownNameError("study", name, STUDIES)
    model = as_model(model)
    for integer, least in (("faces", 1), ("cells", 1), ("steps", 1), ("dreams", 0), ("variants", 0)):
        if integer in options:
            check_integer(integer, options[integer], least)
    check_integer("batch_size", batch_size, 1)
    check_integer("seed", seed, 0)
    if "fill" in options:
        check_fill(options["fill"])
    if options.get("method") not in (None, AUTO):
        METHODS.entry(options["method"])
    if options.get("by") not in (None, "predicted", "true"):
        raise UsageError(f"by has to be 'predicted' or 'true', not {options['by']!r:.60}")
    module, _, attribute = STUDIES[name][0].partition(":")
    function = getattr(importlib.import_module(f"ferviz.studies.{module}"), attribute)
    known = option_names(name)
    for option in options:
        if option not in known:
            raise UnknownNameError("option", option, known, f"the study {name!r}")
    networks = [model] if "second" not in options else [model, as_model(options["second"])]
    with remembering(keep, *networks) as (first, *others):
        options |= {"second": others[0]} if others else {}
        faces = select_faces(first, as_dataset(data), where, progress=progress)
        answer: Study = function(first, faces, seed=seed, batch_size=batch_size, progress=progress, **options)
    return answer


def option_names(name: str) -> list[str]:
    """Return the names of a study's own options.

    Args:
        name: of the study.
    """
    module, _, attribute = STUDIES[name][0].partition(":")
    function = getattr(importlib.import_module(f"ferviz.studies.{module}"), attribute)
    shared = ("model", "data", "seed", "batch_size", "progress")
    return [parameter for parameter in inspect.signature(function).parameters if parameter not in shared]
