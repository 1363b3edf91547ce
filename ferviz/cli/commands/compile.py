"""`ferviz compile`: a network together with its explanations as one file that needs no TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from ferviz.cli.console import Console, print_json
from ferviz.cli.inputs import open_model
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.outputs import check_outputs, files_of, inputs_of, output_path
from ferviz.cli.sections import SectionedCommand, names_option, options
from ferviz.errors import UsageError
from ferviz.registry import split_names


@click.command("compile", cls=SectionedCommand)
@click.argument("network", required=False, metavar="[MODEL]")
@names_option(
    "--layer",
    "-l",
    "layers",
    help="A layer that can be explained from the file; several: conv3,conv5, or repeat.  [default: every map]",
)
@options(out="<model>.ferviz", without=("seed",))
def command(network: str | None, layers: tuple[str, ...], model: ModelOptions, output: OutputOptions) -> int:
    """Compile a network with its explanations, to run without TensorFlow.

    The file explains faces in a fraction of a second, without TensorFlow or Keras: pass it to the other commands as --model. It is
    at the same time a plain LiteRT file for phones, browsers and servers.
    """
    from ferviz.engines.registry import find_opener
    from ferviz.files import check_output, check_suffix
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.compiled.file import SUFFIX

    if network and model.model:
        raise UsageError("name the network once: as the argument, or with --model")
    if model.engine == "litert":
        raise UsageError("compiling reads the network itself; leave --engine litert out")
    model = replace(model, model=network or model.model)
    # The network itself, not a form of it that was compiled before.
    is_foreign = model.model is not None and find_opener(Path(model.model)) is not None
    model = replace(model, engine="auto" if is_foreign else "keras", no_cache=True)
    inputs = inputs_of(model)
    stem = Path(model.model or "bundled").name.split(".")[0]
    out = output_path(output, [f"{stem}.h5"], (), "", SUFFIX, inputs=inputs)
    check_outputs([out], inputs)
    check_suffix(out, [SUFFIX])
    console = Console(output.quiet)
    loaded = open_model(model, console)
    for name in split_names(layers, [layer.name for layer in loaded.layers]):
        loaded.layer(name)
    check_outputs([out], files_of(loaded))
    check_output(out, output.force)
    compiled = compile_model(loaded, out, layers=layers or None, force=output.force)
    contents = compiled.network
    for reason, refused in _by_reason(contents.refused).items():
        console.warn(f"no gradient at {', '.join(refused)}: {reason}")
    if output.as_json:
        about = {
            "model": compiled.name, "sha256": compiled.sha256, "out": str(out), "bytes": out.stat().st_size,
            "input": list(contents.size), "labels": list(compiled.labels), "default": contents.default_layer,
            "layers": [i.name for i in contents.layers if i.name in contents.gradients],
            "activations": [i.name for i in contents.layers if i.name in contents.activations],
            "refused": contents.refused, "versions": compiled.versions,
        }  # fmt: skip
        print_json("compile", about)
    size = out.stat().st_size / 1024**2
    console.say(f"wrote {out}: {len(contents.gradients)} layers, {size:.1f} MiB")
    return 0


def _by_reason(refused: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for layer, reason in refused.items():
        grouped.setdefault(reason, []).append("the picture" if layer == "input" else layer)
    return grouped
