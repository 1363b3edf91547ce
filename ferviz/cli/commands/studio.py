"""`ferviz studio`: the page on which one plays with a network; everything that it shows is computed in the browser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from ferviz.cli.console import Console, echo
from ferviz.cli.inputs import keep_compiled, open_model
from ferviz.cli.options import ModelOptions, OutputOptions
from ferviz.cli.sections import SectionedCommand, options


@click.command("studio", cls=SectionedCommand)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0 = any free one.")
@click.option("--no-browser", is_flag=True, help="Print the page's address, and do not open it.")
@click.option("--notice", default="", metavar="TEXT", help="What the page says before it opens the camera.")
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the page for any web server, and end."
)
@options(without=("out", "as_json", "seed"), helps={"force": "Write over the files of the exported folder."})
def command(
    port: int, no_browser: bool, notice: str, export: Path | None, model: ModelOptions, output: OutputOptions
) -> int:
    """Play with a network in the browser: hide the mouth, and see "happy" vanish.

    Open a picture, paint over a part of it, and the answer moves; choose the method, the layer and the class of the map; start the
    camera. The network runs in the page: no picture leaves the browser. The page is served to this machine alone, until Ctrl-C.
    """
    page = StudioPage(notice=notice, port=port, open_browser=not no_browser, export=export)
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
    """

    notice: str = ""
    port: int = 0
    open_browser: bool = True
    export: Path | None = None
    camera: int | None = None
    video: Path | None = None


def run_studio(page: StudioPage, model: ModelOptions, output: OutputOptions) -> int:
    """Serve the page until Ctrl-C, or write its files.

    Args:
        page: how it is opened.
        model: which network.
        output: for `force` and `quiet`.

    Returns:
        The exit code.
    """
    from ferviz.web.page_data import studio_network
    from ferviz.web.serve import bind, serve
    from ferviz.web.site import build_site

    console = Console(output.quiet)
    listener = None if page.export else bind(page.port)
    network = open_model(model, console)
    if keep_compiled(network, model, console):
        network = open_model(replace(model, engine="auto"), Console(quiet=True))  # what is compiled now
    choices = {"notice": page.notice, "camera": page.camera, "video": page.video is not None}
    if listener is None:
        assert page.export is not None
        site = build_site([studio_network(network, "network")], server=False, **choices)
        size = site.export(page.export, output.force)
        console.say(
            f"wrote {page.export}: {len(site.files)} files, {size / 1024**2:.1f} MiB; any web server can serve it"
        )
        return 0

    def ready(address: str) -> None:
        echo(address)
        console.say("open this address in a browser of this machine; Ctrl-C ends")
        if page.open_browser:
            import webbrowser

            webbrowser.open(address)

    site = build_site([studio_network(network, "network")], server=True, **choices)
    serve(site, listener, ready, page.video)
    return 0
