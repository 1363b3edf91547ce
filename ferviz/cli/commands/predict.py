"""`ferviz predict`: the emotions of the faces of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console
from ferviz.cli.inputs import open_model
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, inputs_of
from ferviz.cli.pictures import PictureFaces, faces_of
from ferviz.cli.sections import options
from ferviz.cli.short_forms import PictureCommand
from ferviz.errors import FervizError, NotFiniteError, OutputExistsError, UsageError

if TYPE_CHECKING:
    from ferviz.cli.prediction_report import PredictionReport
    from ferviz.faces.face import Face
    from ferviz.models.model import Model
    from ferviz.models.prediction import Prediction

CHUNK = 64
"""Faces in one pass of the network: fast enough, and a folder of any size needs little memory."""

CHUNK_BYTES = 1 << 26
"""Bytes of faces from which on a pass is made with fewer of them: whole photographs may be faces."""


@click.command("predict", cls=PictureCommand, kinds=("video",))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@click.option(
    "--jsonl", is_flag=True, help="Print one JSON document for each picture on a line, as soon as it is known."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table as CSV, one line for each face.")
@click.option(
    "--crops", metavar="FOLDER", help="Save each face there as PNG, upright and framed as the network gets it."
)
@options(out="none; FILE.csv, .json or .jsonl for a table, FILE.png or a FOLDER for annotated pictures")
def command(
    pictures: tuple[str, ...],
    jsonl: bool,
    as_csv: bool,
    crops: str | None,
    model: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Predict the emotions of faces.

    Takes pictures, folders (with everything below) and patterns such as "shots/*.jpg". What cannot be read is reported and
    the others are predicted; the exit code is then that of the first error. So is a picture about whose faces the network
    answers with NaN or infinity.

    A video has options of its own: see ferviz video predict --help; the short form ferviz predict clip.mp4 works too.
    """
    from ferviz.cli.face_files import FaceFiles
    from ferviz.cli.prediction_report import PredictionReport, annotate_picture, annotation_paths, network_facts
    from ferviz.images.listing import list_pictures

    if output.as_json + jsonl + as_csv > 1:
        raise UsageError(
            "--json, --jsonl and --csv exclude each other; one of them may go to a file with --out FILE.csv"
        )
    console = Console(output.quiet)
    files = list_pictures(pictures)
    if faces.detector != "none":  # a wrong name or file is reported once, not for every picture
        from ferviz.faces.detectors.registry import open_detector

        open_detector(faces.detector, faces.detector_model)
    inputs = [*files, *inputs_of(model, faces)]
    try:
        targets = annotation_paths(files, output.out, output.force)
        check_outputs([output.out] if targets is None else targets.values(), inputs)
        folder = FaceFiles(crops, files, output.force, inputs) if crops else None
    except OutputExistsError:
        open_model(model, Console(quiet=True))  # what is wrong about the network is said first
        raise
    table = Path(output.out) if output.out and targets is None else None
    printed = "json" if output.as_json else "jsonl" if jsonl else "csv" if as_csv else "" if output.quiet else "text"
    report = PredictionReport(printed, table, output.force, crops is not None)
    errors: list[FervizError] = []
    count = 0
    for path, predictions, error in _predict(files, model, faces, console, report):
        saved = folder.write(path, predictions, network_facts(report.model)) if folder is not None else []
        report.add(path, predictions, error, saved)
        count += len(predictions)
        if error is not None:
            errors.append(error)
            if len(files) > 1:
                console.error(error)
        elif targets is not None:
            annotate_picture(path, predictions, targets[path], output.force, report.model)
    report.close()
    if len(files) == 1 and errors:
        raise errors[0]
    for written in (output.out, crops):
        if written and (count or written == str(table)):
            console.say(f"wrote {written}")
    if errors:
        console.say(f"{len(files) - len(errors)} of {len(files)} pictures, {count} faces; {len(errors)} without")
    return errors[0].exit_code if errors else 0


def _predict(
    files: Sequence[Path], options: ModelOptions, faces: FaceOptions, console: Console, report: PredictionReport
) -> Iterator[tuple[Path, list[Prediction], FervizError | None]]:
    """Yield every picture's predictions, or its error, in order; the network is loaded when the first face needs it."""
    waiting: list[tuple[Path, PictureFaces]] = []
    for path in console.progress(files, "predicting", len(files)):
        waiting.append((path, faces_of(path, faces)))
        crops = [face for _, picture in waiting for face in picture.faces]
        if path is files[-1] or len(crops) >= CHUNK or sum(face.pixels.nbytes for face in crops) >= CHUNK_BYTES:
            if crops and report.model is None:
                report.model = open_model(options, console)
            yield from _answers(report.model, waiting, crops)
            waiting = []


def _answers(
    model: Model | None, pictures: Sequence[tuple[Path, PictureFaces]], crops: list[Face]
) -> Iterator[tuple[Path, list[Prediction], FervizError | None]]:
    """Yield every picture's predictions in one pass; a picture with a face that the network has no numbers for is an error."""
    try:
        predictions = iter(model.predict(crops) if crops and model else [])
        for file, picture in pictures:
            yield file, [next(predictions) for _ in picture.faces], picture.error
    except NotFiniteError as error:
        if len(pictures) == 1:
            yield pictures[0][0], [], error
            return
        for pair in pictures:
            yield from _answers(model, [pair], list(pair[1].faces))
