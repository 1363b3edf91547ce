"""What `ferviz gradcam` and `ferviz explain` do with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.cli.bare_files import any_part, check_bare, names, write_pictures
from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import check_detector, keep_compiled, open_model
from ferviz.cli.options.drawing_options import BareOptions, DrawingOptions, PrintOptions
from ferviz.cli.options.explain_options import ExplainOptions, PlaceOptions, TestOptions
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path, typed
from ferviz.cli.pictures import PictureFaces, find_all, note_pages, report
from ferviz.cli.sections import OptionBundle
from ferviz.paths import PathLike, exists

SIDE = 512
"""Pixels of the longer side of a bare picture where --side does not say."""

if TYPE_CHECKING:
    from ferviz.attribution.explanation import Explanation
    from ferviz.models.model import Model


@dataclass(frozen=True)
class HeatmapOptions(OptionBundle):
    """What the commands take that draw heatmaps over the faces of pictures."""

    explain: ExplainOptions
    test: TestOptions
    place: PlaceOptions
    drawing: DrawingOptions
    printing: PrintOptions
    bare: BareOptions
    model: ModelOptions
    batch: BatchOptions
    faces: FaceOptions
    output: OutputOptions


def explain_pictures(command: str, paths: Sequence[str], asked: HeatmapOptions) -> int:
    """Explain every face of the pictures, write the result and report it.

    Args:
        command: the command's name, for file names and JSON.
        paths: its arguments: pictures, folders, patterns.
        asked: its options.

    Returns:
        The exit code.
    """
    from ferviz.attribution.explanation import Explanation
    from ferviz.files import check_suffix
    from ferviz.images.listing import list_pictures

    explain_options, model_options, drawing, output = asked.explain, asked.model, asked.drawing, asked.output
    # Everything that was typed is checked before the output is, and that before the work.
    explain_options.check_method()
    console = Console(output.quiet)
    files = list_pictures(paths)
    inputs = [*files, *inputs_of(model_options, asked.faces)]
    words, taken = typed("method", "target", "layer"), any_part if asked.bare.asked else exists
    out = output_path(output, paths, files, command, asked=words, inputs=inputs, taken=taken)
    if asked.bare.asked:
        check_bare(out, asked.printing, drawing.zoom, asked.bare.bare_heatmap)
    check_suffix(out, Explanation.suffixes())
    check_outputs([out], inputs)
    check_detector(asked.faces)
    model: Model | None = None
    if any(map(exists, files)):
        model = open_model(model_options, console)
        _check_question(model, explain_options)
        inputs += files_of(model)
        check_outputs([out], inputs)
        Explanation.check_path(out, output.force)
    pictures = find_all(files, asked.faces, console)
    crops = [face for picture in pictures for face in picture.faces]
    explanation: Explanation | None = None
    if crops and model is not None:
        from ferviz.attribution.explain import explain
        from ferviz.rendering.sheets.overlays import page_size

        explanation = explain(
            model,
            crops,
            explain_options.method,
            explain_options.target,
            explain_options.layer or None,
            asked.batch.batch_size,
            seed=output.seed,
            test=asked.test.test,
            place=asked.place.place,
            **dict(explain_options.settings),
        )
        if chosen := explanation.settings.get("chosen"):
            console.say(f"method {explanation.method}: {chosen}")
        if asked.bare.asked:
            out, *others = _save_bare(explanation, out, asked.bare, drawing, asked.printing.dpi, output.force, inputs)
            for path in others:
                console.say(f"wrote {path}")
        else:
            explanation.save(
                out,
                output.force,
                shared_scale=drawing.shared_scale,
                vmax=drawing.vmax,
                zoom=drawing.zoom,
                cmap=drawing.cmap,
                **asked.printing.given(),
            )
            note_pages(len(explanation), page_size(len(explanation.targets)), out, console)
    if output.as_json:
        print_json(command, _document(pictures, explanation, out))
    _warn(explanation, model, console)
    if explanation is not None and (alternative := explanation.alternative(model_options.words())):
        console.warn(alternative)
    remarks = explanation.remarks() if explanation else ()
    code = report(pictures, explanation.predictions if explanation else (), out, console, remarks)
    if model is not None:
        keep_compiled(model, model_options, console)
    return code


def _save_bare(
    explanation: Explanation,
    out: Path,
    bare: BareOptions,
    drawing: DrawingOptions,
    dpi: float | None,
    force: bool,
    inputs: Sequence[PathLike],
) -> list[Path]:
    """Write each map as a file of its own; return the files."""
    draw = explanation.heatmap_images if bare.bare_heatmap else explanation.overlays
    rows = draw(bare.side or SIDE, shared_scale=drawing.shared_scale, vmax=drawing.vmax, cmap=drawing.cmap)
    parts = [
        (f"face{number}", target)
        for number in range(1, len(explanation) + 1)
        for target in (explanation.target_names(number - 1) if len(explanation.targets) > 1 else explanation.targets)
    ]
    paths = names(out, parts)
    check_outputs(paths, inputs)
    write_pictures(paths, [picture for row in rows for picture in row], explanation.manifest(), force, dpi)
    return paths


def _warn(explanation: Explanation | None, model: Model | None, console: Console) -> None:
    """Print what may mislead, as far as it was not printed when the network was loaded."""
    from ferviz.engines.protocols import engine_notes

    if explanation is not None and model is not None:
        # Only once it has run does an engine know whether it had to hand over to another one.
        for warning in (*explanation.cautions(), *engine_notes(model.engine)):
            if warning not in model.notes:
                console.warn(warning)


def _check_question(model: Model, options: ExplainOptions) -> None:
    from ferviz.attribution.attribution_job import AttributionJob
    from ferviz.attribution.methods.registry import AUTO

    # How many faces there are decides which method "auto" is, so its settings are checked later.
    settings = {} if options.method == AUTO else dict(options.settings)
    AttributionJob.prepare(model, options.method, options.target, options.layer or None, settings)


def _document(pictures: Sequence[PictureFaces], explanation: Explanation | None, out: Path) -> dict[str, Any]:
    from ferviz.models.prediction import picture_record

    face_records = iter([explanation.record(number) for number in range(len(explanation))] if explanation else [])
    records = []
    for picture in pictures:
        faces = [next(face_records) for _ in picture.faces]
        records.append(picture_record(picture.source, faces, picture.error))
    about: dict[str, Any] = dict.fromkeys(
        ("model", "method", "chosen", "layer", "targets", "engine", "warnings", "test")
    )
    if explanation is not None:
        about = {key: value for key, value in explanation.to_dict().items() if key != "pictures"}
    return {**about, "out": str(out) if explanation is not None else None, "pictures": records}
