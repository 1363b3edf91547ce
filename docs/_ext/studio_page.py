"""Puts the studio's page beside the documentation, so that one can play with the bundled network there without installing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_page(app: Any, exception: Exception | None) -> None:
    """Export the page into the folder studio/ of the built documentation.

    Args:
        app: Sphinx.
        exception: what ended the build, or None.
    """
    if exception is not None or app.builder.format != "html":
        return
    import ferviz
    from ferviz.web.page_data import studio_network
    from ferviz.web.site import build_site

    network = studio_network(ferviz.load_model(), "network")
    site = build_site([network], server=False, notice="", camera=None, video=False)
    site.export(Path(app.outdir) / "studio", force=True)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.
    """
    app.connect("build-finished", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
