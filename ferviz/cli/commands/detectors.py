"""`ferviz detectors`: which face detectors there are and which are ready; `ferviz detectors get NAME` fetches one's network."""

from __future__ import annotations

import click

from ferviz.cli.console import Console, echo, print_json


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON on standard output.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the face detectors, or fetch the network of one.

    A detector is chosen with --detector NAME wherever faces are found; auto takes the best that is ready.
    """
    if context.invoked_subcommand is not None:
        return
    from ferviz.faces.detectors.downloads import DOWNLOADS, download_folder
    from ferviz.faces.detectors.registry import AUTO, DETECTORS, NONE, best_detector, detectors

    ready = {
        name: name in (AUTO, NONE) or bool(getattr(DETECTORS[name], "available", lambda: True)())
        for name in detectors()
    }
    if as_json:
        listed = [
            {"name": n, "summary": s, "ready": ready[n], "fetched": n in DOWNLOADS} for n, s in detectors().items()
        ]
        print_json("detectors", {"detectors": listed, "auto": best_detector(), "folder": str(download_folder())})
        return
    for name, summary in detectors().items():
        missing = (
            ""
            if ready[name]
            else f"  (not ready: ferviz detectors get {name})"
            if name in DOWNLOADS
            else "  (not installed)"
        )
        echo(f"{name:6s} {summary}{missing}")
    echo(f"auto is {best_detector()} here; fetched networks lie in {download_folder()}")


@command.command()
@click.argument("name")
@click.option("--mirror", metavar="URL", help="A place that holds the same files, instead of their makers' own.")
@click.option("--quiet", "-q", is_flag=True, help="No messages.")
def get(name: str, mirror: str | None, quiet: bool) -> None:
    """Fetch a detector's network once, and check its SHA-256."""
    from ferviz.faces.detectors.downloads import fetch

    path = fetch(name, mirror)
    Console(quiet).say(f"{name} is ready ({path})")
