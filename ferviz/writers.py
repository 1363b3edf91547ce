"""How results become files: a format is one `Writer`, registered once under its suffix in `WRITERS`.

Then every result that has what the writer needs can be saved in it. Every format that has a place for it carries the manifest.
"""

from __future__ import annotations

import base64
import inspect
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.documents.render import check_jinja, render
from ferviz.files import PathLike
from ferviz.images import FORMATS, encode
from ferviz.manifests import to_json
from ferviz.registry import Registry
from ferviz.tables.csv_table import csv_text
from ferviz.tables.frames import check_parquet, write_parquet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from ferviz.results import Result

DPI = 144
"""Dots an inch of a figure that is written as a picture."""

PRINT_DPI = 300
"""Dots an inch of a page that is laid out for print."""

MAX_SIDE = 16000
"""The largest side in pixels of a figure that is written as a picture; of a longer figure (a very deep network) the dots are fewer."""

FIGURES = (".pdf", ".svg")
"""Formats in which a figure stays vectors and text."""


@dataclass(frozen=True)
class Writer:
    """One format that results can be saved in.

    Attributes:
        write: writes a result to a path (result, path, options of drawing); the path is a temporary one.
        needs: names of `Result`'s methods of which the result must have one: "picture", "plot", "to_arrays", "to_dict", "table".
        check: raises UsageError where the format cannot be written, because a library is not installed.
    """

    write: Callable[[Any, Path, dict[str, Any]], None]
    needs: tuple[str, ...]
    check: Callable[[], None] = lambda: None


def write_figure(path: PathLike, figure: Figure | Sequence[Figure], record: dict[str, Any] | None = None) -> None:
    """Write a figure as PDF or SVG; the same figure and manifest give the same bytes.

    Args:
        path: the file, whose suffix is one of `FIGURES`.
        figure: a matplotlib Figure, or the pages of a PDF file.
        record: its manifest, which goes as JSON among a PDF's keywords or into an SVG's description.
    """
    from matplotlib import rc_context

    text = None if record is None else to_json(record)
    pdf = Path(path).suffix.lower() == ".pdf"
    about = {"CreationDate": None, "Keywords": text} if pdf else {"Date": None, "Description": text}
    # Letters stay letters in both, so that a journal can set them and a reader can search them.
    style = {"svg.hashsalt": "ferviz", "svg.fonttype": "none", "pdf.fonttype": 42}
    buffer = io.BytesIO()  # matplotlib's PDF writer fails with an error of its own where a disk is full
    pages = list(figure) if isinstance(figure, Sequence) else [figure]
    with rc_context(style):
        if pdf:
            from matplotlib.backends.backend_pdf import PdfPages

            with PdfPages(buffer, metadata=about) as document:
                for sheet in pages:
                    document.savefig(sheet)
        else:
            pages[0].savefig(buffer, format=Path(path).suffix[1:].lower(), metadata=about)
    data = buffer.getvalue()
    Path(path).write_bytes(data if pdf else _with_font(data))


def _with_font(svg: bytes) -> bytes:
    """-> an SVG file that carries the font of its words, which readers do not have."""
    if b"Aileron" not in svg:
        return svg
    font = base64.b64encode(resources.files("ferviz").joinpath("assets/aileron.ttf").read_bytes())
    style = b"<style>@font-face{font-family:Aileron;src:url(data:font/ttf;base64," + font + b")}</style>"
    return svg.replace(b"<defs>", b"<defs>" + style, 1)


WRITERS: Registry[Writer] = Registry("format", "ferviz.writers")


def _write_picture(result: Result, path: Path, options: dict[str, Any]) -> None:
    picture = result.picture(**_taken(result.picture, options))
    dpi = options.get("dpi") or (PRINT_DPI if options.get("width_mm") or options.get("font_size") else None)
    path.write_bytes(encode(picture, path.suffix, names_only(_drawn(result, options)), dpi))


def _write_figure(result: Result, path: Path, options: dict[str, Any]) -> None:
    draw = result.pages if path.suffix.lower() == ".pdf" else result.long_page
    # A method without a signature of its own takes what `plot` takes.
    write_figure(path, draw(**_taken(draw, _taken(result.plot, options))), names_only(_drawn(result, options)))


def _write_npz(result: Result, path: Path, _: dict[str, Any]) -> None:
    arrays = result.to_arrays() | {"manifest": np.array(to_json(names_only(result.manifest())))}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]


def _write_json(result: Result, path: Path, _: dict[str, Any]) -> None:
    path.write_text(to_json(names_only(result.manifest()), indent=2) + "\n", encoding="utf-8")


def _write_csv(result: Result, path: Path, _: dict[str, Any]) -> None:
    path.write_text(csv_text(result.table()), encoding="utf-8", newline="")


def _write_parquet(result: Result, path: Path, _: dict[str, Any]) -> None:
    write_parquet(path, result.table(), to_json(names_only(result.manifest())))


def _write_html(result: Result, path: Path, options: dict[str, Any]) -> None:
    from ferviz.documents.result_page import result_page

    picture = result.picture(**_taken(result.picture, options)) if result.offers(("picture", "plot")) else None
    table = names_only(result.table()) if result.offers(("table",)) else None
    page = result_page(names_only(_drawn(result, options)), picture, table)
    path.write_text(render(page), encoding="utf-8", newline="\n")


def names_only(record: Any) -> Any:
    """Return a manifest in which every absolute path is the file's name alone: folders say who made a file, and where.

    Args:
        record: plain data.
    """
    if isinstance(record, dict):
        return {key: names_only(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [names_only(value) for value in record]
    if isinstance(record, os.PathLike):
        record = os.fspath(record)
    if isinstance(record, str) and (PurePosixPath(record).is_absolute() or PureWindowsPath(record).is_absolute()):
        return PureWindowsPath(record).name if PureWindowsPath(record).drive else PurePosixPath(record).name
    return record


def _drawn(result: Result, options: dict[str, Any]) -> dict[str, Any]:
    """-> the manifest of a drawing, with the options that it was drawn with."""
    return result.manifest() | ({"drawing": options} if options else {})


def parameters_of(method: Callable[..., Any]) -> list[str]:
    """Return the names of a method's parameters that a caller can name.

    Args:
        method: the method.
    """
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(method).parameters.values() if p.kind in kinds]


def _taken(method: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """-> the options that `method` takes; a figure has no size in pixels, a picture none in inches."""
    known = parameters_of(method)
    free = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    return {name: value for name, value in options.items() if free or name in known}


def rasterised(figure: Figure, dpi: float = DPI) -> Image.Image:
    """Return a figure as an RGB picture, with fewer dots an inch where it would be larger than MAX_SIDE.

    Args:
        figure: a matplotlib Figure.
        dpi: dots an inch.
    """
    from PIL import Image

    inches = figure.get_size_inches()
    dpi, buffer = min(dpi, MAX_SIDE / max(inches)), io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=dpi, facecolor="white")  # a PNG file would only be unpacked again
    width, height = (int(side * dpi) for side in inches)
    return Image.frombytes("RGBA", (width, height), buffer.getvalue()).convert("RGB")


for _suffix, _summary, _writer in (
    *((suffix, "a picture", Writer(_write_picture, ("picture", "plot"))) for suffix in FORMATS),
    *((suffix, "a figure of vectors and text", Writer(_write_figure, ("plot",))) for suffix in FIGURES),
    (".npz", "the exact numbers, for NumPy", Writer(_write_npz, ("to_arrays",))),
    (".json", "the answer as plain data", Writer(_write_json, ("to_dict",))),
    (".csv", "a table", Writer(_write_csv, ("table",))),
    (".parquet", "a table with types, for data frames", Writer(_write_parquet, ("table",), check_parquet)),
    (
        ".html",
        "a page with the picture, the table and the numbers, to send",
        Writer(_write_html, ("to_dict",), check_jinja),
    ),
):
    WRITERS.add(_suffix, _summary, _writer)
