"""`ferviz studio`: the page on which one plays with a network; everything that it shows is computed in the browser."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferviz.cli.console import Console, echo
from ferviz.cli.inputs import keep_compiled, open_data, open_model, printed_warnings
from ferviz.cli.options.input_options import DataOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.errors import UsageError

if TYPE_CHECKING:
    from ferviz.web.labelled import Labelled
    from ferviz.web.page_data import StudioNetwork


@click.command("studio", cls=SectionedCommand)
@click.option(
    "--data",
    "path",
    metavar="DATA",
    help="Labelled faces for the data room: fer2013.csv, or folders split/class/*.png.",
)
@click.option(
    "--compare",
    metavar="FILE",
    help="A second network beside the first; FILE?scaling=-1..1&labels=7 if its file does not tell these.",
)
@click.option(
    "--dreams",
    metavar="LAYER",
    help="Dream of every channel of a layer before the page opens; an exported page has no other dreams. They are kept for the next time.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0 = any free one.")
@click.option("--no-browser", is_flag=True, help="Print the page's address, and do not open it.")
@click.option("--notice", default="", metavar="TEXT", help="What the page says before it opens the camera.")
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the page for any web server, and end."
)
@options(
    without=("out", "as_json", "seed"),
    defaults={"split": "auto"},
    helps={
        "force": "Write over the files of the exported folder.",
        "split": "The part of --data; auto = PublicTest, or the only split; all = everything.",
    },
)
def command(
    path: str | None,
    compare: str | None,
    dreams: str | None,
    port: int,
    no_browser: bool,
    notice: str,
    export: Path | None,
    model: ModelOptions,
    data: DataOptions,
    output: OutputOptions,
) -> int:
    """Play with a network in the browser: hide the mouth, and see "happy" vanish.

    Open a picture, paint over a part of it, and the answer moves; choose the method, the layer and the class of the map; start the
    camera. With --data look at what the network confuses, and why. The network runs in the page: no picture leaves the browser but for
    methods that take long, which this machine computes. The page is served to this machine alone, until Ctrl-C.
    """
    if export and path:
        raise UsageError(
            "an exported folder works without Python, and so has no data room; leave out --data or --export"
        )
    if path is None and data != DataOptions(split="auto"):
        raise UsageError(
            "--split, --scheme, --votes, --reader and --skip-bad are about the faces of --data; name these too"
        )
    page = StudioPage(
        notice=notice, port=port, open_browser=not no_browser, export=export, data=path, reading=data, compare=compare,
        dreams=dreams,
    )  # fmt: skip
    return run_studio(page, model, output)


@dataclass(frozen=True)
class StudioPage:
    """How the page is opened.

    Attributes:
        notice: what it says before it opens the camera.
        port: of the server; 0 = any free one.
        open_browser: open the page when it is ready.
        export: write the page's files here instead of serving them.
        camera: begin with the camera of this number.
        video: begin with this video file.
        data: labelled faces of the data room.
        reading: how they are read.
        compare: a second network's file.
        dreams: the layer of the first network whose channels are dreamt of.
    """

    notice: str = ""
    port: int = 0
    open_browser: bool = True
    export: Path | None = None
    camera: int | None = None
    video: Path | None = None
    data: str | None = None
    reading: DataOptions = field(default_factory=DataOptions)
    compare: str | None = None
    dreams: str | None = None


def run_studio(page: StudioPage, model: ModelOptions, output: OutputOptions) -> int:
    """Serve the page until Ctrl-C, or write its files.

    Args:
        page: how it is opened.
        model: which network.
        output: for `force` and `quiet`.

    Returns:
        The exit code.
    """
    from ferviz.web.serve import bind, serve
    from ferviz.web.site import build_site

    console = Console(output.quiet)
    with contextlib.nullcontext() if page.export else bind(page.port) as listener:
        chosen = [model] if page.compare is None else [model, model.another(page.compare)]
        layers = [page.dreams, None]
        networks = [
            _network(options, number, layer, console)
            for number, (options, layer) in enumerate(zip(chosen, layers, strict=False))
        ]
        choices = {
            "notice": page.notice,
            "camera": page.camera,
            "video": page.video is not None,
            "data": page.data is not None,
        }
        if listener is None:
            assert page.export is not None
            site = build_site(networks, server=False, **choices)
            size = site.export(page.export, output.force)
            console.say(
                f"wrote {page.export}: {len(site.files)} files, {size / 1024**2:.1f} MiB; any web server can serve it"
            )
            return 0
        labelled = None if page.data is None else _labelled(page, page.data, networks[0], console)

        def ready(address: str) -> None:
            echo(address)
            console.say("open this address in a browser of this machine; Ctrl-C ends")
            if page.open_browser:
                import webbrowser

                webbrowser.open(address)

        site = build_site(networks, server=True, **choices)
        serve(site, listener, ready, page.video, labelled, _opening(page, chosen))
        return 0


def _network(options: ModelOptions, number: int, layer: str | None, console: Console) -> StudioNetwork:
    """-> a network as the page opens it, compiled now if it has to be, with dreams of a layer's channels if one is named."""
    from ferviz.engines.fallback import FallbackEngine
    from ferviz.engines.litert import LiteRTEngine
    from ferviz.web.page_data import studio_network

    name = "network" if number == 0 else f"network{number}"
    network, dreams = open_model(options, console), None
    if layer is not None:
        from ferviz.web.kept_dreams import kept_dreams

        dreams = kept_dreams(network, layer, name, progress=console.lines(f"dreams of {layer}"))
    if keep_compiled(network, options, console):
        network = open_model(replace(options, engine="auto"), Console(quiet=True))  # what is compiled now
    if not isinstance(network.engine, LiteRTEngine | FallbackEngine):
        console.say(f"compiling {network.name} for the page")
    return studio_network(network, name, dreams)


def _labelled(page: StudioPage, path: str, network: StudioNetwork, console: Console) -> Labelled:
    from ferviz.web.labelled import RANDOM, Labelled

    split = page.reading.split
    data = open_data(path, page.reading, console, split=RANDOM if split == RANDOM else None)
    with printed_warnings(console):
        labelled = Labelled.of(data, split).matched(network.labels)
    for note in labelled.notes:
        console.warn(note)
    return labelled


def _opening(page: StudioPage, chosen: list[ModelOptions]) -> dict[str, Any]:
    """-> what the processes that work for the page are told: how to open the same networks and the same faces."""
    reading, networks = page.reading, []
    for network in chosen:
        networks.append({
            "path": network.model, "labels": network.labels, "scaling": network.scaling, "weights": network.weights,
            "engine": network.engine, "trust": network.trust, "cache": not network.no_cache, "input": network.input,
            "architecture": network.architecture,
        })  # fmt: skip
    data = None
    if page.data is not None:
        data = {
            "path": page.data, "split": reading.split, "labels": reading.scheme, "votes": reading.votes,
            "skip_bad": reading.skip_bad, "reader": reading.reader,
        }  # fmt: skip
    return {"networks": networks, "data": data, "cache": os.environ.get("FERVIZ_CACHE")}
