"""The Result: what every question to ferviz is answered with, and the writers that know how a result becomes a file.

A result says what it is as a picture, a figure, arrays, plain data or a table; whichever of these it has decides the formats that it can
be saved in. A format is one `Writer`, registered once under its suffix in `WRITERS`, and then every result that has what the writer
needs can be saved in it. Every format that has a place for it carries the manifest.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.documents.render import check_jinja, render
from ferviz.errors import DataError, UnknownNameError
from ferviz.files import PathLike, atomic, check_output, check_suffix
from ferviz.images import FORMATS, encode
from ferviz.manifests import manifest, to_json
from ferviz.npz import ArchiveError, read_arrays
from ferviz.paths import check_is_no_input
from ferviz.registry import Registry
from ferviz.tables.csv_table import csv_text
from ferviz.tables.frames import check_parquet, to_frame, write_parquet

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure
    from PIL import Image

DPI = 144
"""Dots an inch of a figure that is written as a picture."""

PRINT_DPI = 300
"""Dots an inch of a page that is laid out for print."""

MAX_SIDE = 16000
"""The largest side in pixels of a figure that is written as a picture; of a longer figure (a very deep network) the dots are fewer."""

PRINTING = ("width_mm", "dpi", "font_size")
"""Options of a printed page; not all kinds of results are laid out for print."""

FIGURES = (".pdf", ".svg")
"""Formats in which a figure stays vectors and text."""


class Result:
    """Base of everything that ferviz answers with: it draws itself, describes itself and saves itself.

    A subclass overrides what it has: `picture` or `plot` (or both), `to_arrays`, `to_dict`, `table`. `command` is the command's name in
    the manifest.
    """

    command: ClassVar[str] = ""

    def picture(self, *args: Any, **options: Any) -> Image.Image:
        """Return the result as an RGB picture; without one of its own, the figure drawn at 144 dots an inch."""
        return rasterised(self.plot(*args, **options))

    def plot(self, *args: Any, **options: Any) -> Figure:
        """Return the result as a matplotlib Figure (made without pyplot), for papers."""
        raise NotImplementedError(f"{type(self).__name__} has no figure")

    def pages(self, *args: Any, **options: Any) -> list[Figure]:
        """Return the pages of a PDF file: the figure, or as many as a result of this kind needs.

        Args:
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`.
        """
        return [self.plot(*args, **options)]

    def long_page(self, *args: Any, **options: Any) -> Figure:
        """Return what an SVG file holds, which knows no pages: the figure, or all pages below each other.

        Args:
            *args: positional arguments of `plot`.
            **options: keyword arguments of `plot`.
        """
        return self.plot(*args, **options)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return {name: array}: what a NumPy archive of this result holds beside its manifest."""
        raise NotImplementedError(f"{type(self).__name__} has no arrays")

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data."""
        raise NotImplementedError(f"{type(self).__name__} has no plain data")

    def table(self) -> Sequence[Sequence[Any]]:
        """Return the answer as rows of cells, the names of the columns first."""
        raise NotImplementedError(f"{type(self).__name__} has no table")

    def to_frame(self) -> pandas.DataFrame:
        """Return `table` as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        return to_frame(self.table())

    def inputs(self) -> list[PathLike]:
        """Return the files that this was made from, as far as it knows them; `save` replaces none of them, whatever `force` is."""
        return []

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: the answer, versions, platform and time."""
        return manifest(command=self.command, **self.to_dict())

    @classmethod
    def suffixes(cls) -> tuple[str, ...]:
        """Return the suffixes, each with its dot, of the formats that a result of this kind can be saved in."""
        return tuple(suffix for suffix in WRITERS if cls._has(WRITERS[suffix].needs))

    @classmethod
    def check_path(cls, path: PathLike, force: bool = False) -> Path:
        """Return the path if a result of this kind may be saved there; call it before the work.

        Args:
            path: the file to write; its suffix says the format.
            force: an existing file may be replaced.

        Raises:
            UsageError: the suffix is not one of `suffixes()`, or the format needs a library that is not installed.
            OutputExistsError: the file is there and `force` is false.
            OutputError: the path's folder is not there, or the path is a folder.
        """
        check_suffix(path, cls.suffixes())
        WRITERS[Path(path).suffix.lower()].check()
        return check_output(path, force)

    def save(self, path: PathLike, force: bool = False, **options: Any) -> Path:
        """Write the result; the path's suffix says as what, and the manifest goes along.

        Args:
            path: the file to write: a picture (.png, .jpg, .webp, ...), a figure (.pdf, .svg), arrays (.npz), plain data (.json),
                a table (.csv, .parquet) or a page of all of it (.html), as far as this kind of result has them.
            force: replace an existing file.
            **options: how to draw it: the arguments of `picture` and `plot`.

        Returns:
            The path. The file is there whole or not at all.

        Raises:
            UsageError: the suffix is not one of `suffixes()`, or an option is not one of `picture`'s or `plot`'s.
            OutputExistsError: the file is there and `force` is false.
            OutputError: the file cannot be written, or it is one of `inputs()`.
        """
        path = self.check_path(path, force)
        check_is_no_input(path, self.inputs())
        known = {name for method in (self.picture, self.plot) for name in _parameters(method)} - {"ax"}
        for name, value in list(options.items()):
            if value is None and name in PRINTING:
                del options[name]
            elif name not in known:
                raise UnknownNameError("option", name, sorted(known), type(self).__name__)
        with atomic(path, force) as temporary:
            WRITERS[path.suffix.lower()].write(self, temporary, options)
        return path

    def _repr_png_(self) -> bytes:
        return encode(self.picture(), ".png")

    @classmethod
    def _has(cls, needed: Iterable[str]) -> bool:
        return any(getattr(cls, name) is not getattr(Result, name) for name in needed)


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


def read_npz(path: PathLike, names: Sequence[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the manifest of an archive that a result was saved as.

    Args:
        path: the .npz file.
        names: the arrays to read.
        kind: what the file should be, for the message: "an explanation".

    Returns:
        {name: array} and the manifest.

    Raises:
        DataError: the file is not there or is no such archive.
    """
    try:
        arrays = read_arrays(path, (*names, "manifest"))
        record = json.loads(str(arrays.pop("manifest")))
        if not isinstance(record, dict):
            raise ValueError("its manifest is no object")
    except FileNotFoundError:
        raise DataError(f"{path} is not there; check the path") from None
    except RecursionError:
        raise DataError(f"{path} is not {kind} that ferviz saved as .npz (its manifest is nested too deeply)") from None
    except (ArchiveError, ValueError) as error:
        raise DataError(f"{path} is not {kind} that ferviz saved as .npz ({error})") from error
    return arrays, record


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

    picture = result.picture(**_taken(result.picture, options)) if result._has(("picture", "plot")) else None
    table = names_only(result.table()) if result._has(("table",)) else None
    page = result_page(names_only(_drawn(result, options)), picture, table)
    path.write_text(render(page), encoding="utf-8", newline="\n")


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


def _parameters(method: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(method).parameters.values() if p.kind in kinds]


def _taken(method: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """-> the options that `method` takes; a figure has no size in pixels, a picture none in inches."""
    known = _parameters(method)
    free = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    return {name: value for name, value in options.items() if free or name in known}


def rasterised(figure: Figure, dpi: float = DPI) -> Image.Image:
    """Return a figure as an RGB picture, with fewer dots an inch where it would be larger than MAX_SIDE.

    Args:
        figure: a matplotlib Figure.
        dpi: dots an inch.
    """
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=min(dpi, MAX_SIDE / max(figure.get_size_inches())), facecolor="white")
    return Image.open(buffer).convert("RGB")
