"""`ferviz studio`: the page on which one plays with a network; everything that it shows is computed in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from ferviz.cli.options import ModelOptions, OutputOptions
from ferviz.cli.sections import SectionedCommand, options
from ferviz.cli.studio_pages import StudioPage, run_studio


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
