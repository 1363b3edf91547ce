"""`ferviz compile`: a network together with its explanations as one file that needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ferviz.cli.options import Console, model_options, open_model, print_json
from ferviz.errors import UsageError


@click.command()
@click.argument("network", required=False, metavar="[MODEL]")
@model_options
@click.option(
    "--layers",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="The layers that can be explained from the file; repeat for several.  [default: every map]",
)
@click.option("--out", "-o", metavar="FILE", help="Where to write.  [default: <model>.ferviz]")
@click.option("--force", "-f", is_flag=True, help="Replace the output if it is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print what the file holds as JSON on standard output.")
@click.option("--quiet", "-q", is_flag=True, help="No messages.")
def command(network: str | None, layers: tuple[str, ...], out: str | None, **options: Any) -> int:
    """Compile a network with its explanations: no TensorFlow afterwards.

    The file explains faces in a fraction of a second, without TensorFlow or Keras: pass it to the other commands as --model. It is
    at the same time a plain LiteRT file for phones, browsers and servers.
    """
    from ferviz.files import check_output
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.compiled.file import SUFFIX

    if network and options["model"]:
        raise UsageError("name the network once: as the argument, or with --model")
    if options["engine"] == "litert":
        raise UsageError("compiling reads the network with Keras; leave --engine litert out")
    network = network or options["model"]
    target = Path(out) if out else Path(f"{Path(network or 'bundled').name.split('.')[0]}{SUFFIX}")
    check_output(target, options["force"])
    console = Console(options["quiet"])
    model = open_model({**options, "model": network, "engine": "keras"}, console)
    wanted = [name.strip() for names in layers for name in names.split(",") if name.strip()]
    compiled = compile_model(model, target, layers=wanted or None, force=options["force"])
    contents = compiled.network
    for reason, names in _by_reason(contents.refused).items():
        console.warn(f"no gradient at {', '.join(names)}: {reason}")
    if options["as_json"]:
        about = {
            "model": compiled.name, "sha256": compiled.sha256, "out": str(target), "bytes": target.stat().st_size,
            "input": list(contents.size), "labels": list(compiled.labels), "default": contents.default_layer,
            "layers": [i.name for i in contents.layers if i.name in contents.gradients],
            "activations": [i.name for i in contents.layers if i.name in contents.activations],
            "refused": contents.refused, "versions": compiled.versions,
        }  # fmt: skip
        print_json("compile", about)
    size = target.stat().st_size / 1024**2
    console.say(f"wrote {target}: {len(contents.gradients)} layers, {size:.1f} MiB")
    return 0


def _by_reason(refused: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for layer, reason in refused.items():
        grouped.setdefault(reason, []).append("the picture" if layer == "input" else layer)
    return grouped
