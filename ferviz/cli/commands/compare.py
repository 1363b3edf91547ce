"""`ferviz compare`: several methods, layers or networks on the same faces, and how far their maps agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import check_detector, open_model
from ferviz.cli.networks import split_networks
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.cli.options.explain_options import ExplainOptions, TestOptions
from ferviz.cli.options.input_options import FaceOptions
from ferviz.cli.options.network_options import BatchOptions, ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path, typed
from ferviz.cli.pictures import find_all
from ferviz.cli.sections import SectionedCommand, names_option, options
from ferviz.errors import UsageError
from ferviz.paths import exists
from ferviz.registry import split_names

if TYPE_CHECKING:
    from ferviz.models.model import Model


@click.command("compare", cls=SectionedCommand)
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE|FOLDER...")
@names_option(
    "--method",
    "methods",
    help="A method; several: gradcam,layercam, or repeat.  [default: gradcam and layercam; occlusion and rise without gradients]",
)
@names_option("--layer", "-l", "layers", help="A layer; several: conv3,conv5, or repeat.  [default: the last map]")
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    help="Another network beside --model, FILE?scaling=-1..1&labels=7 if its file does not tell these; "
    "several: with commas between, or repeat.",
)
@options(
    out="<picture>_compare.png",
    helps={"target": "One class or contrast; predicted is the class that the first network predicts."},
    without=("method", "settings", "layer"),
)
def command(
    pictures: tuple[str, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    against: tuple[str, ...],
    explain: ExplainOptions,
    test: TestOptions,
    model: ModelOptions,
    batch: BatchOptions,
    faces: FaceOptions,
    printing: PrintOptions,
    output: OutputOptions,
) -> int:
    """Compare methods, layers or networks on the same faces.

    Draws their maps side by side, with the rank correlation of each pair: 1 where they order the pixels alike. Every combination of
    the methods, layers and networks named is drawn, and below each map stands whether it points at what its network needs.
    """
    from ferviz.attribution.attribution_job import AttributionJob
    from ferviz.attribution.comparison import ExplanationComparison, choose_places, compare_explanations
    from ferviz.attribution.methods.registry import METHODS
    from ferviz.files import check_suffix
    from ferviz.images.listing import list_pictures
    from ferviz.trust.recommendation import lack_of_gradients

    names = split_names(methods, METHODS)
    for method in names:
        METHODS.entry(method)  # a wrong name is an error before any work
    console = Console(output.quiet)
    files, others = list_pictures(pictures), [model.another(text) for text in split_networks(against)]
    inputs = [*files, *inputs_of(model, *others, faces)]
    out = output_path(output, pictures, files, "compare", asked=typed("methods", "target", "layers"), inputs=inputs)
    check_suffix(out, ExplanationComparison.suffixes())
    check_outputs([out], inputs)
    check_detector(faces)
    networks: list[Model] = []
    if any(map(exists, files)):
        networks = [open_model(options, console) for options in (model, *others)]
        places = choose_places(networks, layers or (None,))
        usual = ["gradcam", "layercam"]
        if any(map(lack_of_gradients, networks)):
            usual = ["scorecam"] if layers else ["occlusion", "rise"]
        names = names or (usual[:1] if len(places) > 1 or others else usual)
        for network in networks:
            for place in places:
                for method in names:
                    job = AttributionJob.prepare(network, method, explain.target, place)
                    if len(job.targets) != 1:
                        raise UsageError("a comparison takes one target; name one class or one contrast")
        check_outputs([out], [file for network in networks for file in files_of(network)])
        ExplanationComparison.check_path(out, output.force)
    photos = find_all(files, faces, console)
    errors = [picture.error for picture in photos if picture.error is not None]
    crops = [face for picture in photos for face in picture.faces]
    for error in errors if crops else errors[1:]:
        console.error(error)
    if not crops:
        raise errors[0]
    comparison = compare_explanations(
        networks,
        crops,
        names,
        layers or (None,),
        ",".join(explain.target),
        batch.batch_size,
        seed=output.seed,
        test=test.test,
    )
    comparison.save(out, output.force, **printing.given())
    if output.as_json:
        print_json("compare", {**comparison.to_dict(), "out": str(out)})
    console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0
