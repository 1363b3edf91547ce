"""Puts the example of a report beside the page that speaks of it, as the file that it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

REPORT = "how-to/report-bundled.html"


def copy_report(app: Any, exception: Exception | None) -> None:
    """Copy the report into the built documentation.

    Args:
        app: Sphinx.
        exception: what ended the build, or None.
    """
    if exception is None and app.builder.format == "html":
        shutil.copyfile(Path(app.srcdir) / REPORT, Path(app.outdir) / REPORT)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.
    """
    app.connect("build-finished", copy_report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
