"""Reading an explanation that was saved, or that a run over a data set wrote."""

from __future__ import annotations

from dataclasses import replace

from ferviz.attribution.explanation import Explanation
from ferviz.errors import DataError, UsageError
from ferviz.files import PathLike
from ferviz.models.face_records import (
    check_maps,
    check_object,
    check_texts,
    read_dataset_records,
    read_picture_records,
    read_provenance,
)
from ferviz.results import read_npz
from ferviz.trust.verdict import read_trust


def read_explanation(path: PathLike) -> Explanation:
    """Return an explanation that `Explanation.save` or `explain_dataset` wrote as .npz.

    Args:
        path: the file.

    Raises:
        DataError: the file is not there, or is not such a file.
    """
    arrays, record = read_npz(path, ("heatmaps", "raw", "images"), "an explanation")
    try:
        names = check_texts(record["grids"], "grids")
        stored = "pictures" in record  # else a run over a data set, whose faces are arrays
        wanted = ["sizes"] if stored else ["probabilities", "rows", "true", "split"]
        wanted += ["rows", "true", "split"] if stored and record.get("provenance") else []
        wanted += [] if stored or not record.get("landmarks") else ["landmarks", "landmark_source"]
        more = read_npz(path, [*wanted, *(f"grids/{name}" for name in names)], "an explanation")[0]
        grids = {name: check_maps(more[f"grids/{name}"], name) for name in names}
        if stored:
            faces, predictions = read_picture_records(record["pictures"], arrays["images"], more["sizes"])
        else:
            faces, predictions = read_dataset_records(record, arrays["images"], more)
        heatmaps, raw = (check_maps(arrays[name], name) for name in ("heatmaps", "raw"))
        targets, warnings = (check_texts(record[name], name) for name in ("targets", "warnings"))
        method, layer = check_texts([record["method"], record["layer"]], "method and layer")
        settings = check_object(record["settings"], "settings")
        origin = read_provenance(more, len(faces)) if "rows" in wanted else None
        explanation = Explanation(
            heatmaps, raw, faces, targets, method, layer, predictions, settings, warnings, None, grids, origin
        )
        if not stored:
            return explanation
        verdicts = [face.get("verdict") for picture in record["pictures"] for face in picture["faces"]]
        named = [explanation.target_names(number) for number in range(len(faces))]
        return replace(explanation, trust=read_trust(record["test"], verdicts, named))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, UsageError) as error:
        raise DataError(f"{path} is not an explanation that ferviz saved as .npz ({error})") from error
