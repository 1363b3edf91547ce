"""The Result: what every question to ferviz is answered with.

A result says what it is as a picture, a figure, arrays, plain data or a table; whichever of these it has decides the formats of
`ferviz.writers` that it can be saved in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.errors import DataError, UnknownNameError
from ferviz.files import PathLike, atomic, check_output, check_suffix
from ferviz.images import encode
from ferviz.manifests import manifest
from ferviz.npz import ArchiveError, read_arrays
from ferviz.paths import check_is_no_input
from ferviz.tables.frames import to_frame
from ferviz.writers import WRITERS, parameters_of, rasterised

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure
    from PIL import Image


PRINTING = ("width_mm", "dpi", "font_size")
"""Options of a printed page; not all kinds of results are laid out for print."""


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
        return tuple(suffix for suffix in WRITERS if cls.offers(WRITERS[suffix].needs))

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
        known = {name for method in (self.picture, self.plot) for name in parameters_of(method)} - {"ax"}
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
    def offers(cls, names: Iterable[str]) -> bool:
        """Return whether results of this kind have at least one of some methods.

        Args:
            names: of methods: "picture", "plot", "to_arrays", "to_dict", "table".
        """
        return any(getattr(cls, name) is not getattr(Result, name) for name in names)


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
