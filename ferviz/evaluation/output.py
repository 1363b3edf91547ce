"""Writing figures: one place that knows the formats and leaves nothing half written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferviz.errors import OutputError, OutputExistsError
from ferviz.files import PathLike, atomic, check_kind, check_output, manifest, to_json

FIGURES = (".png", ".pdf", ".svg")


def check_figure(path: PathLike, force: bool = False) -> Path:
    """Return `path` if a figure may be written there; call it before the work. Raises UsageError, OutputExistsError, OutputError."""
    path = Path(path)
    check_kind(path, FIGURES)
    return check_output(path, force)


def write_figure(
    path: PathLike, figure: Any, force: bool = False, facts: dict[str, Any] | None = None, dpi: int = 144
) -> None:
    """Write a matplotlib Figure atomically as PNG, PDF or SVG; a PNG carries the manifest with `facts` under "ferviz"."""
    path = check_figure(path, force)
    about = {"ferviz": to_json(manifest(**(facts or {})))} if path.suffix.lower() == ".png" else None
    with atomic(path, force) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=dpi, facecolor="white", metadata=about)


def folder_files(folder: PathLike, names: Sequence[str], force: bool = False) -> list[Path]:
    """Make a folder and return the paths of its files to be, if they may be written.

    Raises OutputError where the folder cannot be made, OutputExistsError where one of the files is there and not `force`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} cannot be made ({error.strerror or error}); choose another --out"
        ) from error
    files = [folder / name for name in names]
    there = [f for f in files if f.exists()]
    if there and not force:
        raise OutputExistsError(
            f"{there[0]} is already there; pass --force (force=True) to replace it, or name another folder"
        )
    return files


def check_report(path: PathLike, force: bool = False) -> Path:
    """Return `path` if a report may be written there: a .json file, a figure, or a folder. Raises as `check_figure` and `folder_files`."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        return check_output(path, force)
    if path.suffix:
        return check_figure(path, force)
    if path.exists() and not path.is_dir():
        raise OutputExistsError(f"{path} is a file; name a folder, or a file that ends in .png or .json")
    return path
