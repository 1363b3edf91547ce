"""The commands that open the studio's page: on a picture, or with the camera running."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ferviz.cli.console import Console, echo
from ferviz.cli.inputs import keep_compiled, open_model
from ferviz.cli.options import ModelOptions, OutputOptions


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
