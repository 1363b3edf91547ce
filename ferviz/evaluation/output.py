"""Writing figures: one place that knows the formats and leaves nothing half written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferviz.errors import UsageError
from ferviz.files import PathLike, atomic, check_output, manifest, to_json

FIGURES = (".png", ".pdf", ".svg")


def check_figure(path: PathLike, force: bool = False) -> Path:
    """Return `path` if a figure may be written there; call it before the work. Raises UsageError, OutputExistsError, OutputError."""
    path = Path(path)
    if path.suffix.lower() not in FIGURES:
        raise UsageError(
            f"figures are not written as {path.suffix or 'a file without a suffix'!r}; use {', '.join(FIGURES)}"
        )
    return check_output(path, force)


def write_figure(
    path: PathLike, figure: Any, force: bool = False, facts: dict[str, Any] | None = None, dpi: int = 144
) -> None:
    """Write a matplotlib Figure atomically as PNG, PDF or SVG; a PNG carries the manifest with `facts` under "ferviz"."""
    path = check_figure(path, force)
    about = {"ferviz": to_json(manifest(**(facts or {})))} if path.suffix.lower() == ".png" else None
    with atomic(path, force) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=dpi, facecolor="white", metadata=about)
