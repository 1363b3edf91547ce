"""Where the predictions of pictures go: lines, CSV or JSON on standard output, a table file, annotated pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.cli.console import echo, echo_data, print_json
from ferviz.cli.tables import plain_lines
from ferviz.errors import FervizError, UsageError
from ferviz.paths import exists, fit_name, is_folder

if TYPE_CHECKING:
    from ferviz.models.model import Model
    from ferviz.models.prediction import Prediction

TABLES = (".csv", ".json", ".jsonl")


class PredictionReport:
    """The records of pictures on standard output and in a table file.

    Args:
        printed: what standard output gets: "text", "csv", "json", "jsonl" or "" for nothing.
        table: the table file of --out, or None.
        force: the table file may be replaced.
        crops: the table has a column with the files that faces were saved to.

    Attributes:
        model: the network, from the first face on.
    """

    def __init__(self, printed: str, table: Path | None, force: bool, crops: bool) -> None:
        self.printed, self.table, self.force, self.crops = printed, table, force, crops
        self.model: Model | None = None
        self._kept: list[dict[str, Any]] = []
        self._waiting: list[dict[str, Any]] = []
        self._header = False

    def add(
        self, path: Path, predictions: list[Prediction], error: FervizError | None, crops: Sequence[Path] = ()
    ) -> None:
        """Print one picture's record, or keep it for the end.

        Args:
            path: the picture.
            predictions: of its faces.
            error: why there is none, or None.
            crops: the files that its faces were saved to.
        """
        from ferviz.models.prediction import face_record, picture_record

        record = picture_record(str(path), [face_record(p.face, p) for p in predictions], error)
        for face, file in zip(record["faces"], crops, strict=False):
            face["crop"] = str(file)
        if self.printed == "json" or self.table is not None:
            self._kept.append(record)
        if self.printed == "jsonl":
            print_json("predict", record | self._warnings(), indent=None)
        elif self.printed == "csv":
            self._print_csv(record)
        elif self.printed == "text":
            for line in plain_lines(record):
                echo(line)

    def close(self) -> None:
        """Print and write what needs all records."""
        if self.printed == "json":
            name = self.model.name if self.model else None
            print_json("predict", {"model": name, **self._warnings(), "pictures": self._kept})
        if self.printed == "csv":
            self._print_csv(None)
        if self.table is not None:
            self._write(self.table)

    def _warnings(self) -> dict[str, list[str]]:
        return {"warnings": list(self.model.cautions) if self.model else []}

    def _print_csv(self, record: dict[str, Any] | None) -> None:
        # The header names the network's classes, which are known from the first face on; errors before it wait.
        from ferviz.models.prediction import table_columns, table_rows
        from ferviz.tables.csv_table import csv_text

        self._waiting += [record] if record is not None else []
        if self.model is None and record is not None:
            return
        labels = self.model.labels if self.model else ()
        if not self._header:
            echo_data(csv_text([table_columns(labels, self.crops)]))
            self._header = True
        for waiting in self._waiting:
            echo_data(csv_text(table_rows(waiting, labels, self.crops)))
        self._waiting = []

    def _write(self, path: Path) -> None:
        from ferviz.files import write_text
        from ferviz.manifests import manifest, to_json
        from ferviz.models.prediction import table_columns, table_rows
        from ferviz.tables.csv_table import csv_text

        labels = self.model.labels if self.model else ()
        if path.suffix.lower() == ".csv":
            rows = (row for record in self._kept for row in table_rows(record, labels, self.crops))
            text = csv_text([table_columns(labels, self.crops), *rows])
        elif path.suffix.lower() == ".jsonl":
            about = {"schema_version": 1, "command": "predict", **self._warnings()}
            text = "".join(to_json(about | record) + "\n" for record in self._kept)
        else:
            about = manifest(command="predict", **network_facts(self.model))
            text = (
                to_json(
                    {"schema_version": 1, "command": "predict", "manifest": about, "pictures": self._kept}, indent=2
                )
                + "\n"
            )
        write_text(path, text, self.force)


def annotation_paths(files: Sequence[Path], out: str | None, force: bool) -> dict[Path, Path] | None:
    """Return where each picture's annotated copy goes; None where `out` is a table or nothing.

    Args:
        files: the pictures.
        out: the value of --out.
        force: existing files may be replaced.

    Raises:
        UsageError: `out` is one picture and there are several, or of another kind.
        OutputExistsError: a file exists and `force` is false.
    """
    from ferviz.files import check_output
    from ferviz.images import FORMATS

    if out is None:
        return None
    path = Path(out)
    if path.suffix.lower() in TABLES:
        check_output(path, force)
        return None
    if path.suffix.lower() in FORMATS and not is_folder(path):
        if len(files) > 1:
            raise UsageError(f"--out {path} is one picture and there are {len(files)}; name a folder")
        return {files[0]: check_output(path, force)}
    if path.suffix and not is_folder(path):
        raise UsageError(f"--out {path} is neither a table ({', '.join(TABLES)}) nor a picture nor a folder")
    common = Path(os.path.commonpath([f.absolute().parent for f in files]))
    targets: dict[Path, Path] = {}
    for file in files:
        target = path / file.absolute().relative_to(common).with_name(fit_name(file.stem, "_predict.png"))
        if target in targets.values():  # a.jpg beside a.png
            target = target.with_name(fit_name(file.name, "_predict.png"))
        if exists(target):
            check_output(target, force)
        targets[file] = target
    return targets


def annotate_picture(path: Path, predictions: list[Prediction], target: Path, force: bool, model: Model | None) -> None:
    """Write a picture with the faces and their emotions drawn into it.

    Args:
        path: the picture.
        predictions: of its faces.
        target: the file to write; its folder is made.
        force: replace an existing file.
        model: the network, for the manifest.
    """
    from ferviz.files import make_folder
    from ferviz.images import read_image, write_image
    from ferviz.manifests import manifest
    from ferviz.rendering.annotate import Mark, annotate

    pixels = read_image(path)
    all_pixels = (0, 0, pixels.shape[1] - 1, pixels.shape[0] - 1)
    marks = [Mark(p.face.box or all_pixels, p.label, p.probabilities) for p in predictions]
    make_folder(target.parent)
    about = manifest(command="predict", source=str(path), **network_facts(model))
    write_image(target, annotate(pixels, marks), manifest=about, force=force)


def network_facts(model: Model | None) -> dict[str, Any]:
    """Return what a manifest tells about the network.

    Args:
        model: the network, None where no face needed it.
    """
    if model is None:
        return {"model": None}
    return {"model": model.name, "sha256": model.sha256, "labels": model.labels, "warnings": list(model.cautions)}
