"""`ferviz live`: the studio's page with the camera running, or with a video file."""

from __future__ import annotations

from pathlib import Path

import click

from ferviz.cli.commands.studio import StudioPage, run_studio
from ferviz.cli.options.network_options import ModelOptions
from ferviz.cli.options.output_options import OutputOptions
from ferviz.cli.sections import SectionedCommand, options


@click.command("live", cls=SectionedCommand)
@click.argument("source", default="0")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0 = any free one.")
@click.option("--no-browser", is_flag=True, help="Print the page's address, and do not open it.")
@click.option("--notice", default="", metavar="TEXT", help="What the page says before it opens the camera.")
@options(without=("out", "force", "as_json", "seed"))
def command(source: str, port: int, no_browser: bool, notice: str, model: ModelOptions, output: OutputOptions) -> int:
    """Watch a camera: the emotions of its faces, in the browser.

    SOURCE is a camera's number, in the order in which the browser lists them, or a video file. The page is that of `ferviz studio`: the
    browser opens the camera itself, the network runs in the page, and no frame leaves it. Ends with Ctrl-C.
    """
    from ferviz.errors import PictureError, UsageError
    from ferviz.paths import is_file, is_url

    page = StudioPage(notice=notice, port=port, open_browser=not no_browser)
    if source.isdecimal():
        page = StudioPage(notice, port, not no_browser, camera=int(source))
    elif is_url(source):
        raise UsageError(
            f"{source} is a stream, which browsers do not play; ferviz video explain {source} --stop 60 writes it to a file"
        )
    elif not is_file(source):
        raise PictureError(f"there is no video {source}; name a video file, or a camera's number")
    else:
        page = StudioPage(notice, port, not no_browser, video=Path(source))
    return run_studio(page, model, output)
