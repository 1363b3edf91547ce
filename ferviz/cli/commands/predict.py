"""`ferviz predict`: which emotions the faces of pictures show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.commands.crops import Crops
from ferviz.cli.commands.video import is_video, no_video, only_one, run_video, video_options
from ferviz.cli.options import Console, face_options, model_options, open_model, output_options, print_json
from ferviz.errors import FervizError, UsageError

if TYPE_CHECKING:
    from ferviz.faces.face import Face
    from ferviz.models.model import Model
    from ferviz.models.prediction import Prediction

TABLES = (".csv", ".json", ".jsonl")
_TOGETHER = 64  # faces in one pass of the network: fast enough, and a folder of any size needs little memory

Outcome = tuple[Path, "list[Prediction]", FervizError | None]


@click.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER|VIDEO...")
@model_options
@face_options
@output_options("nothing; FILE.csv, .json or .jsonl for a table, FILE.png or a FOLDER for annotated pictures")
@click.option("--jsonl", is_flag=True, help="Print one JSON document a picture and line, as soon as it is known.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table as CSV, one line a face.")
@click.option(
    "--crops", metavar="FOLDER", help="Save each face there as PNG, upright and framed as the network gets it."
)
@video_options
@click.option("--heatmap", metavar="METHOD", help="Video: lay this method's heatmaps over the faces, e.g. gradcam.")
@click.option(
    "--target", "-t", default="predicted", show_default=True, metavar="CLASS", help="Video: what the heatmaps explain."
)
def command(pictures: tuple[str, ...], **options: Any) -> int:
    """Say which emotions the faces show.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". What cannot be read is reported and
    the rest goes on; the exit code is then that of the first error. A video is followed frame by frame: --out FILE.mp4 writes it
    annotated, --table FILE.csv one line a face and frame, --timeline FILE.png the emotions over time.
    """
    from ferviz.images import list_pictures

    if sum(bool(options[name]) for name in ("as_json", "jsonl", "as_csv")) > 1:
        raise UsageError(
            "--json, --jsonl and --csv exclude each other; one of them may go to a file with --out FILE.csv"
        )
    if any(is_video(path, options) for path in pictures):
        only_one(pictures)
        return run_video(pictures[0], "predict", options, options["heatmap"], options["target"])
    no_video(options)
    console = Console(options["quiet"])
    files = list_pictures(pictures)
    if options["detector"] != "none":  # a wrong name or file is said once, not for every picture
        from ferviz.faces.detectors.registry import open_detector

        open_detector(options["detector"], options["detector_model"])
    targets = _targets(files, options["out"], options["force"])
    crops = Crops(options["crops"], files, options["force"]) if options["crops"] else None
    table = Path(options["out"]) if options["out"] and targets is None else None
    report = _Report(options, table)
    errors: list[FervizError] = []
    faces = 0
    for path, predictions, error in _predict(files, options, console, report):
        saved = crops.write(path, predictions, _made_by(report.model)) if crops is not None else []
        report.add(path, predictions, error, saved)
        faces += len(predictions)
        if error is not None:
            errors.append(error)
            if len(files) > 1:
                click.echo(f"ferviz: {error}", err=True)
        elif targets is not None:
            _annotate(path, predictions, targets[path], options["force"], report.model)
    report.close()
    if len(files) == 1 and errors:
        raise errors[0]
    for written in (options["out"], options["crops"]):
        if written and (faces or written == str(table)):
            console.say(f"wrote {written}")
    if errors:
        console.say(f"{len(files) - len(errors)} of {len(files)} pictures, {faces} faces; {len(errors)} without")
    return errors[0].exit_code if errors else 0


def _predict(files: Sequence[Path], options: dict[str, Any], console: Console, report: _Report) -> Iterator[Outcome]:
    """Yield every picture's predictions, or its error, in order; the network is loaded once a face is there to show it."""
    waiting: list[tuple[Path, list[Face], FervizError | None]] = []
    for path in console.progress(files, "predicting", len(files)):
        waiting.append((path, *_faces(path, options)))
        if sum(len(faces) for _, faces, _ in waiting) >= _TOGETHER:
            yield from _ask(waiting, options, console, report)
            waiting = []
    yield from _ask(waiting, options, console, report)


def _ask(
    waiting: Iterable[tuple[Path, list[Face], FervizError | None]],
    options: dict[str, Any],
    console: Console,
    report: _Report,
) -> Iterator[Outcome]:
    waiting = list(waiting)
    together = [face for _, faces, _ in waiting for face in faces]
    if together and report.model is None:
        report.model = open_model(options, console)
    said = iter(report.model.predict(together) if together and report.model else [])
    for path, faces, error in waiting:
        yield path, [next(said) for _ in faces], error


def _faces(path: Path, options: dict[str, Any]) -> tuple[list[Face], FervizError | None]:
    from ferviz.cli.options import find_all

    (picture,) = find_all([str(path)], options, Console(quiet=True))
    return picture.faces, picture.error


class _Report:
    """Where the records go: lines, CSV or JSON on standard output, and the table file of --out."""

    def __init__(self, options: dict[str, Any], table: Path | None) -> None:
        self.options, self.table = options, table
        self.model: Model | None = None
        self._kept: list[dict[str, Any]] = []
        self._waiting: list[dict[str, Any]] = []
        self._header = False

    def add(
        self, path: Path, predictions: list[Prediction], error: FervizError | None, crops: Sequence[Path] = ()
    ) -> None:
        """Print one picture's record, or keep it for the end. crops: the files that its faces were saved to."""
        from ferviz.cli.tables import plain_lines
        from ferviz.files import to_json
        from ferviz.models.prediction import face_record, picture_record

        record = picture_record(str(path), [face_record(p.face, p) for p in predictions], error)
        for face, file in zip(record["faces"], crops, strict=False):
            face["crop"] = str(file)
        if self.options["as_json"] or self.table is not None:
            self._kept.append(record)
        if self.options["jsonl"]:
            click.echo(to_json({"schema_version": 1, "command": "predict", **record}))
        elif self.options["as_csv"]:
            self._print_csv(record)
        elif not self.options["as_json"] and not self.options["quiet"]:
            for line in plain_lines(record):
                click.echo(line)

    def close(self) -> None:
        """Print and write what needs all records."""
        if self.options["as_json"]:
            print_json("predict", {"model": self.model.name if self.model else None, "pictures": self._kept})
        if self.options["as_csv"]:
            self._print_csv(None)
        if self.table is not None:
            self._write(self.table)

    def _print_csv(self, record: dict[str, Any] | None) -> None:
        # The header names the network's classes, which are known from the first face on; errors before it wait.
        from ferviz.files import csv_text
        from ferviz.models.prediction import table_columns, table_rows

        self._waiting += [record] if record is not None else []
        if self.model is None and record is not None:
            return
        labels = self.model.labels if self.model else ()
        if not self._header:
            click.echo(csv_text([table_columns(labels, bool(self.options["crops"]))]), nl=False)
            self._header = True
        for one in self._waiting:
            click.echo(csv_text(table_rows(one, labels, bool(self.options["crops"]))), nl=False)
        self._waiting = []

    def _write(self, path: Path) -> None:
        from ferviz.files import csv_text, manifest, to_json, write_text
        from ferviz.models.prediction import table_columns, table_rows

        labels = self.model.labels if self.model else ()
        if path.suffix.lower() == ".csv":
            cropped = bool(self.options["crops"])
            rows = (row for record in self._kept for row in table_rows(record, labels, cropped))
            text = csv_text([table_columns(labels, cropped), *rows])
        elif path.suffix.lower() == ".jsonl":
            text = "".join(to_json({"schema_version": 1, "command": "predict", **r}) + "\n" for r in self._kept)
        else:
            about = manifest(command="predict", **_made_by(self.model))
            text = (
                to_json(
                    {"schema_version": 1, "command": "predict", "manifest": about, "pictures": self._kept}, indent=2
                )
                + "\n"
            )
        write_text(path, text, self.options["force"])


def _targets(files: Sequence[Path], out: str | None, force: bool) -> dict[Path, Path] | None:
    """Return where each picture's annotated copy goes; None where `out` is a table or nothing. Checks before the work."""
    from ferviz.files import check_output
    from ferviz.images import FORMATS

    if out is None:
        return None
    path = Path(out)
    if path.suffix.lower() in TABLES:
        check_output(path, force)
        return None
    if path.suffix.lower() in FORMATS and not path.is_dir():
        if len(files) > 1:
            raise UsageError(f"--out {path} is one picture and there are {len(files)}; name a folder")
        return {files[0]: check_output(path, force)}
    if path.suffix and not path.is_dir():
        raise UsageError(f"--out {path} is neither a table ({', '.join(TABLES)}) nor a picture nor a folder")
    common = Path(os.path.commonpath([f.absolute().parent for f in files]))
    targets: dict[Path, Path] = {}
    for file in files:
        target = path / file.absolute().relative_to(common).with_name(f"{file.stem}_predict.png")
        if target in targets.values():  # a.jpg beside a.png
            target = target.with_name(f"{file.name}_predict.png")
        if target.exists():
            check_output(target, force)
        targets[file] = target
    return targets


def _annotate(path: Path, predictions: list[Prediction], target: Path, force: bool, model: Model | None) -> None:
    from ferviz.files import manifest
    from ferviz.images import read_image, write_image
    from ferviz.rendering.annotate import Mark, annotate

    pixels = read_image(path)
    whole = (0, 0, pixels.shape[1] - 1, pixels.shape[0] - 1)
    marks = [Mark(p.face.box or whole, p.label, p.probabilities) for p in predictions]
    target.parent.mkdir(parents=True, exist_ok=True)
    about = manifest(command="predict", source=str(path), **_made_by(model))
    write_image(target, annotate(pixels, marks), manifest=about, force=force)


def _made_by(model: Model | None) -> dict[str, Any]:
    return {"model": model.name, "sha256": model.sha256, "labels": model.labels} if model else {"model": None}
