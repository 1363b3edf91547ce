"""The table of a shard: one row for each face and target, with its map at its own grid, written row group by row group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.attribution.explanation import Explanation
from ferviz.attribution.maps.region_values import region_records
from ferviz.errors import DataError
from ferviz.faces.regions import REGIONS
from ferviz.files import PathLike
from ferviz.manifests import to_json
from ferviz.printable import printable
from ferviz.rendering.tiles import has_evidence
from ferviz.scale.arrow import arrow_errors, import_arrow, import_parquet
from ferviz.scale.descriptors import Sample
from ferviz.scale.predictions import PredictedFaces
from ferviz.scale.settings import ScaleSettings
from ferviz.trust.deletion import FILLS

EXPLAINED, UNREADABLE, FAILED = "explained", "unreadable", "failed"
"""What the column `status` says. Rows of the last two have a `reason`, and no values."""

ROW_GROUP = 1000
"""Rows that are written at once; a map can be read without the others around it."""

METADATA = b"ferviz"
"""The key of a table's metadata under which it tells how it was made."""

MAX_SIDE = 4096
"""Most cells of a side of a map."""

_TEXTS = ("id", "status", "reason", "split", "true_label", "label", "target", "verdict", "landmark_source")
_NUMBERS = ("max", "min", "x", "y", *(f"margin_{fill}" for fill in FILLS), *(f"region_{name}" for name in REGIONS))


def probability_column(label: str) -> str:
    """Return the name of the column with the probabilities of a class.

    Args:
        label: the class.
    """
    return f"p_{printable(label)}"


def face_schema(settings: ScaleSettings, **more: str) -> Any:
    """Return the schema of a run's tables; its metadata tells how the run explains.

    Args:
        settings: of the run.
        **more: further facts.
    """
    arrow = import_arrow()
    height, width = settings.facts["map_size"]
    probabilities = [probability_column(label) for label in settings.facts["labels"]]
    columns = [
        ("id", arrow.string()),
        ("face", arrow.int32()),
        *((name, arrow.string()) for name in _TEXTS[1:6]),
        *((name, arrow.float32()) for name in probabilities),
        ("target", arrow.string()),
        ("verdict", arrow.string()),
        ("calibrated", arrow.bool_()),
        ("landmark_source", arrow.string()),
        *((name, arrow.float32()) for name in _NUMBERS),
    ]
    if height * width:
        columns += [("map_scale", arrow.float32()), ("map", arrow.list_(arrow.float16(), height * width))]
    about = {
        **settings.facts,
        "seed": settings.seed,
        "detector": settings.detector,
        "fingerprint": settings.fingerprint,
        **more,
    }
    return arrow.schema(columns, metadata={METADATA: to_json(about)})


def pack_maps(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return maps as half-precision numbers in -1..1, and what to multiply them by.

    Args:
        maps: (N, h, w) float32, finite.

    Returns:
        (N, h * w) float16 and (N,) float32, the greatest magnitude of each map, 0 for an empty one.
    """
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    scale = np.abs(flat).max(1, initial=0).astype(np.float32)
    divisor = np.where(scale > 0, scale.astype(np.float64), 1)
    return (flat / divisor[:, None]).astype(np.float16), scale


def unpack_maps(values: Any, scale: Any, size: Sequence[int]) -> np.ndarray:
    """Return the maps behind `pack_maps`; what was rounded is at most 1/2048 of a map's greatest magnitude.

    Args:
        values: (N, h * w) float16, or N lists of them.
        scale: (N,) float32.
        size: (h, w).

    Returns:
        (N, h, w) float32.
    """
    flat = np.asarray([np.asarray(row, np.float32) for row in values], np.float32).reshape(-1, *size)
    return np.asarray(flat * np.asarray(scale, np.float32)[:, None, None], np.float32)


def read_maps(path: PathLike) -> np.ndarray:
    """Return the maps of a table, in the order of its rows, those of rows without a map left out.

    Args:
        path: a shard's table, or a merged one.

    Returns:
        (N, h, w) float32, at the size of the method's own map.

    Raises:
        DataError: the file cannot be read.
    """
    arrow = import_arrow()
    columns = ["map", "map_scale"]
    with arrow_errors(path):
        schema = import_parquet().read_schema(path)
        height, width = _map_size(path, schema)
        kinds = [arrow.list_(arrow.float16(), height * width), arrow.float32()]
        if any(
            name not in schema.names or schema.field(name).type != kind
            for name, kind in zip(columns, kinds, strict=True)
        ):
            raise DataError(f"{path} has no maps of {height} x {width} numbers; name a table of ferviz scale")
        table = import_parquet().read_table(path, columns=columns, filters=[("status", "=", EXPLAINED)])
        if table["map"].null_count or table["map_scale"].null_count:
            raise DataError(f"{path} has explained faces without a map; get a complete copy")
        flat = (
            table["map"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), height * width)
        )
        return unpack_maps(flat, table["map_scale"].to_numpy(), (height, width))


def _map_size(path: PathLike, schema: Any) -> tuple[int, int]:
    try:
        height, width = json.loads((schema.metadata or {})[METADATA])["map_size"]
        if not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in (height, width)):
            raise ValueError("sides are positive numbers")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{path} does not tell the size of its maps; name a table of ferviz scale") from error
    return height, width


class FaceTable:
    """Writes the table of a shard; use it in a `with`.

    Args:
        path: the file.
        settings: of the run.

    Attributes:
        rows: how many have been added.
    """

    def __init__(self, path: Path, settings: ScaleSettings) -> None:
        self.schema = face_schema(settings)
        self._writer = import_parquet().ParquetWriter(path, self.schema, compression="zstd", store_schema=True)
        self._pending: list[dict[str, Any]] = []
        self._labels = settings.facts["labels"]
        self.rows = 0

    def __enter__(self) -> FaceTable:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self._writer.close()

    def add_problem(self, sample: Sample, status: str, reason: str, face: int | None = None) -> None:
        """Add a picture without an explanation.

        Args:
            sample: the picture.
            status: UNREADABLE or FAILED.
            reason: why.
            face: the number of the face in it, None where no face was looked at.
        """
        self._add({**_about(sample), "face": face, "status": status, "reason": printable(reason, 400)})

    def add(self, sample: Sample, face: int, explanation: Explanation | PredictedFaces, index: int) -> None:
        """Add a face.

        Args:
            sample: the picture.
            face: the number of the face in it, from 0.
            explanation: of several faces, or their predictions alone.
            index: which of them it is.
        """
        prediction = explanation.predictions[index]
        shared = {
            **_about(sample),
            "face": face,
            "status": EXPLAINED,
            "label": printable(prediction.label),
            **{probability_column(label): prediction.probabilities[label] for label in self._labels},
        }
        if isinstance(explanation, PredictedFaces):
            self._add(shared)
            return
        names = explanation.target_names(index)
        regions = region_records(explanation.settings, index, names).get("regions", {})
        shared["landmark_source"] = explanation.faces[index].landmark_source
        raw = explanation.raw[index]
        values, scales = pack_maps(raw)
        for number, name in enumerate(names):
            row: dict[str, Any] = {**shared, "target": printable(name)}
            row |= {"max": float(raw[number].max()), "min": float(raw[number].min())}
            if has_evidence(raw[number]):
                line, column = np.unravel_index(int(np.argmax(raw[number])), raw[number].shape)
                row |= {"x": (column + 0.5) / raw.shape[2], "y": (line + 0.5) / raw.shape[1]}
            row |= {f"region_{region}": value for region, value in regions.get(name, {}).items()}
            if explanation.trust is not None:
                verdict = explanation.trust.verdicts[index][number]
                row |= {"verdict": verdict.outcome, "calibrated": verdict.calibrated}
                row |= {f"margin_{fill}": value for fill, value in verdict.margin.items()}
            self._add({**row, "map": values[number], "map_scale": scales[number]})

    def flush(self) -> None:
        """Write what is pending, however few rows that are."""
        arrow = import_arrow()
        if not self._pending:
            return
        columns = [self._column(arrow, part) for part in self.schema]
        self._writer.write_table(arrow.Table.from_arrays(columns, schema=self.schema), row_group_size=ROW_GROUP)
        self._pending = []

    def _add(self, row: dict[str, Any]) -> None:
        self._pending.append(row)
        self.rows += 1
        if len(self._pending) == ROW_GROUP:
            self.flush()

    def _column(self, arrow: Any, part: Any) -> Any:
        values = [row.get(part.name) for row in self._pending]
        if part.name != "map":
            return arrow.array(values, part.type)
        empty = np.zeros(part.type.list_size, np.float16)
        flat = np.concatenate([empty if value is None else value for value in values])
        mask = arrow.array([value is None for value in values])
        return arrow.FixedSizeListArray.from_arrays(arrow.array(flat), part.type.list_size, mask=mask)


def _about(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "split": sample.split or None, "true_label": sample.label or None}
