"""What `ferviz gradcam` and `ferviz explain` do with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.cli.bare_files import check_suffix, names, write_pictures
from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import keep_compiled, open_model
from ferviz.cli.options import (
    BareOptions,
    BatchOptions,
    DrawingOptions,
    ExplainOptions,
    FaceOptions,
    ModelOptions,
    OutputOptions,
    TestOptions,
)
from ferviz.cli.pictures import PictureFaces, find_all, note_pages, output_path, report

SIDE = 512
"""Pixels of the longer side of a bare picture where --side does not say."""

if TYPE_CHECKING:
    from ferviz.attribution.explanation import Explanation
    from ferviz.models.model import Model


def explain_pictures(
    command: str,
    paths: Sequence[str],
    explain_options: ExplainOptions,
    test: TestOptions,
    batch: BatchOptions,
    drawing: DrawingOptions,
    bare: BareOptions,
    model_options: ModelOptions,
    faces: FaceOptions,
    output: OutputOptions,
) -> int:
    """Explain every face of the pictures, write the result and report it.

    Args:
        command: the command's name, for file names and JSON.
        paths: its arguments: pictures, folders, patterns.
        explain_options, test, batch, drawing, bare, model_options, faces, output: its options.

    Returns:
        The exit code.
    """
    from ferviz.attribution.explanation import Explanation
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.images import list_pictures

    METHODS.entry(explain_options.method)  # a wrong name is an error before any work
    console = Console(output.quiet)
    files = list_pictures(paths)
    out = output_path(output.out, paths, files, command)
    if bare.asked:
        check_suffix(out, bare.bare_heatmap)
    Explanation.check_path(out, output.force)
    pictures = find_all(files, faces, console)
    crops = [face for picture in pictures for face in picture.faces]
    explanation: Explanation | None = None
    model: Model | None = None
    if crops:
        from ferviz.attribution.explain import explain
        from ferviz.rendering.sheets.overlays import page_size

        model = open_model(model_options, console)
        explanation = explain(
            model,
            crops,
            explain_options.method,
            explain_options.target,
            explain_options.layer,
            batch.batch_size,
            seed=output.seed,
            test=test.test,
            **dict(explain_options.settings),
        )
        if bare.asked:
            out, *others = _save_bare(explanation, out, bare, drawing, output.force)
            for path in others:
                console.say(f"wrote {path}")
        else:
            explanation.save(out, output.force, shared_scale=drawing.shared_scale, vmax=drawing.vmax, zoom=drawing.zoom)
            note_pages(len(explanation), page_size(len(explanation.targets)), out, console)
    if output.as_json:
        print_json(command, _document(pictures, explanation, out))
    for warning in explanation.cautions() if explanation else ():
        console.warn(warning)
    if explanation is not None and (alternative := explanation.alternative()):
        console.warn(alternative)
    remarks = explanation.remarks() if explanation else ()
    code = report(pictures, explanation.predictions if explanation else (), out, console, remarks)
    if model is not None:
        keep_compiled(model, model_options, console)
    return code


def _save_bare(
    explanation: Explanation, out: Path, bare: BareOptions, drawing: DrawingOptions, force: bool
) -> list[Path]:
    """Write each map as a file of its own; return the files."""
    draw = explanation.heatmap_images if bare.bare_heatmap else explanation.overlays
    rows = draw(bare.side or SIDE, shared_scale=drawing.shared_scale, vmax=drawing.vmax)
    parts = [
        (f"face{number}", target)
        for number in range(1, len(explanation) + 1)
        for target in (explanation.target_names(number - 1) if len(explanation.targets) > 1 else explanation.targets)
    ]
    paths = names(out, parts)
    write_pictures(paths, [picture for row in rows for picture in row], explanation.manifest(), force)
    return paths


def _document(pictures: Sequence[PictureFaces], explanation: Explanation | None, out: Path) -> dict[str, Any]:
    from ferviz.models.prediction import picture_record

    face_records = iter([explanation.record(number) for number in range(len(explanation))] if explanation else [])
    records = []
    for picture in pictures:
        faces = [next(face_records) for _ in picture.faces]
        records.append(picture_record(picture.source, faces, picture.error))
    about: dict[str, Any] = dict.fromkeys(("model", "method", "layer", "targets", "engine", "warnings", "test"))
    if explanation is not None:
        about = {key: value for key, value in explanation.to_dict().items() if key != "pictures"}
    return {**about, "out": str(out) if explanation is not None else None, "pictures": records}
