"""An Explanation: the heatmaps of some faces, with everything that says how they were made; it draws and saves itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution import explanation_records
from ferviz.attribution.explanation_table import COLUMNS, table_rows
from ferviz.attribution.maps.evidence import evidence_of
from ferviz.attribution.sheets import explanation_sheet
from ferviz.attribution.targets import PREDICTED
from ferviz.data.provenance import Provenance
from ferviz.errors import UsageError
from ferviz.faces.crops import pad_crops
from ferviz.faces.face import Face
from ferviz.files import PathLike
from ferviz.manifests import manifest
from ferviz.models.prediction import Prediction
from ferviz.rendering.printed_result import PrintedResult
from ferviz.rendering.printing import PrintSize, figure_size, screen_or_print
from ferviz.rendering.sheets.sheet import Sheet
from ferviz.tables.selection import Selection, positions
from ferviz.trust.verdict import Trust

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True, eq=False)
class Explanation(PrintedResult):
    """What `ferviz.explain` returns.

    Neither kind of map is ever normalised, so maps compare across faces and targets.

    Attributes:
        heatmaps: (N, T, H, W) float32, at the network's input size.
        raw: (N, T, h, w) float32, at the size of the method's own map.
        faces: the N faces.
        targets: T names: "happy", "happy-sad", or "predicted", the class in the face's prediction.
        method: the method's name.
        layer: the layer's name; "" for a method that looks at none, "input" for the picture itself.
        predictions: what the network says about each face.
        settings: how it was made: model, model_sha256, engine, labels, seed and the method's own.
        warnings: sentences about what may mislead.
        trust: the verdicts on the maps; None where they were not tested.
        grids: {name: (N, T, rows, columns) float}, further numbers of the method for each map, such as the `values` and the
            `standard_error` of "shapley".
        provenance: row, label and split of faces that are a data set's, else None.
    """

    command: ClassVar[str] = "explain"

    heatmaps: np.ndarray = field(repr=False)
    raw: np.ndarray = field(repr=False)
    faces: tuple[Face, ...] = field(repr=False)
    targets: tuple[str, ...]
    method: str
    layer: str
    predictions: tuple[Prediction, ...] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    trust: Trust | None = field(default=None, repr=False)
    grids: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    provenance: Provenance | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("faces", "targets", "predictions", "warnings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        expected = (len(self.faces), len(self.targets))
        for name, array in (("heatmaps", self.heatmaps), ("raw", self.raw), *self.grids.items()):
            if array.ndim != 4 or array.shape[:2] != expected:
                raise UsageError(
                    f"{name} of {expected[0]} faces and {expected[1]} targets cannot have the shape {array.shape}"
                )
        if len(self.predictions) != len(self.faces):
            raise UsageError(f"{len(self.faces)} faces cannot have {len(self.predictions)} predictions")
        if self.trust is not None and [len(row) for row in self.trust.verdicts] != [expected[1]] * expected[0]:
            raise UsageError(f"{expected[0]} faces with {expected[1]} targets need a verdict on each of their maps")

    def __len__(self) -> int:
        return len(self.faces)

    def __repr__(self) -> str:
        what = f"method={self.method!r}, layer={self.layer!r}, model={self.settings.get('model', '')!r}"
        return f"Explanation({len(self)} faces, targets={self.targets}, {what}, maps of {self.raw.shape[2]} x {self.raw.shape[3]})"

    def __getitem__(self, which: Selection) -> Explanation:
        """Return the explanation of one face, a slice of them, or those of a boolean mask or indices."""
        if isinstance(which, int) and not isinstance(which, bool):
            position = range(len(self))[which]  # raises IndexError, and so ends iteration
            which = slice(position, position + 1)
        # A slice of an array is a view, and costs nothing.
        at = positions(which, len(self))
        part = which if isinstance(which, slice) else at
        settings = self.settings
        if "details" in settings:
            details = {name: [rows[i] for i in at] for name, rows in settings["details"].items()}
            settings = {**settings, "details": details}
        return replace(
            self, settings=settings,
            heatmaps=self.heatmaps[part], raw=self.raw[part], faces=tuple(self.faces[i] for i in at),
            predictions=tuple(self.predictions[i] for i in at), trust=self.trust and self.trust.take(at),
            grids={name: grid[part] for name, grid in self.grids.items()},
            provenance=self.provenance and self.provenance.take(at),
        )  # fmt: skip

    def where(self, condition: str) -> Explanation:
        """Return the explanation of the faces for which conditions hold.

        Args:
            condition: such as "true=fear predicted=sad confidence>0.6" (see `ferviz.data.where`); true, row and split are known of
                faces that are a data set's.

        Raises:
            UsageError, UnknownNameError: the conditions are none.
        """
        return self[explanation_records.mask(self, condition)] if len(self) else self

    def target_names(self, face: int) -> tuple[str, ...]:
        """Return what each of a face's T maps explains, "predicted" replaced by the class.

        Args:
            face: the face's number, from 0.
        """
        label = self.predictions[face].label
        return tuple(label if name == PREDICTED else name for name in self.targets)

    def sheet(self, shared_scale: bool = True, vmax: float | None = None) -> Sheet:
        """Return what a picture of this explanation shows, as plain data.

        Args:
            shared_scale: one colour scale for all maps, else each map its own.
            vmax: the value at the end of the scale, to compare pictures; None = the largest value here, of signed maps the 99.5th
                percentile of the magnitudes.
        """
        return explanation_sheet.sheet(self, shared_scale, vmax, self.heatmaps)

    def picture(
        self, start: int = 0, *, shared_scale: bool = True, vmax: float | None = None, zoom: float = 1.0, cmap: str | None = None,
        title: str | None = None, width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Return the explanation as an RGB picture, without matplotlib.

        Args:
            start: the first face to show; a page holds 48 faces with one target, 16 with several.
            shared_scale, vmax: as in `sheet`.
            zoom: 1 for screens, 2 for fine print.
            cmap: a colour map of ferviz's or matplotlib's; None = the usual one.
            title: None = the method.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no face to show, or no such page.
        """
        from ferviz.rendering.sheets.overlays import explanation_picture, page_size

        page = self[start : start + page_size(len(self.targets))]
        if not len(page):
            raise UsageError(f"there is no face number {start} to draw; the explanation has {len(self)}")
        sheet = self._drawn(page, shared_scale, vmax, cmap, title)
        if len(page) < len(self):
            note = f"Faces {start + 1} to {start + len(page)} of {len(self)}; a .npz file holds all of them."
            sheet = replace(sheet, notes=(*sheet.notes, note))
        return explanation_picture(sheet, zoom, screen_or_print(width_mm, dpi, font_size))

    def _drawn(
        self, page: Explanation, shared_scale: bool, vmax: float | None, cmap: str | None, title: str | None
    ) -> Sheet:
        sheet = replace(explanation_sheet.sheet(page, shared_scale, vmax, self.heatmaps), cmap=cmap)
        return sheet if title is None else replace(sheet, title=title, subtitle=title and sheet.subtitle)

    def overlays(
        self, side: int = 512, *, shared_scale: bool = True, vmax: float | None = None, cmap: str | None = None
    ) -> list[list[Image.Image]]:
        """Return each map over its face in grey, without words, to place it in a document.

        Args:
            side: of the longer side of each picture, in pixels.
            shared_scale, vmax: as in `sheet`.
            cmap: a colour map of ferviz's or matplotlib's; None = the usual one.

        Returns:
            For each face a list with one RGB picture a target.
        """
        from ferviz.rendering.sheets.bare import overlays

        return overlays(replace(self.sheet(shared_scale, vmax), cmap=cmap), side)

    def heatmap_images(
        self, side: int = 512, *, shared_scale: bool = True, vmax: float | None = None, cmap: str | None = None
    ) -> list[list[Image.Image]]:
        """Return each map by itself, transparent where there is no evidence, to lay it over a face.

        Args:
            side, shared_scale, vmax, cmap: as in `overlays`.

        Returns:
            For each face a list with one RGBA picture a target.
        """
        from ferviz.rendering.sheets.bare import heatmap_images

        return heatmap_images(replace(self.sheet(shared_scale, vmax), cmap=cmap), side)

    def plot(
        self, *, ax: Any = None, figsize: tuple[float, float] | None = None, title: str | None = None, cmap: str | None = None,
        shared_scale: bool = True, vmax: float | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page as a matplotlib Figure (made without pyplot), for papers; or draw into axes of yours.

        Args:
            ax: matplotlib Axes that take the maps and nothing else: one, or as many as there are maps (faces by targets).
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            title: above the figure, or above each map in `ax`; None = what is shown, "" = none.
            cmap, shared_scale, vmax, width_mm, dpi, font_size: as in `picture`; the width None = 174 mm.

        Raises:
            UsageError: there are not as many axes as maps, or no such page.
        """
        if ax is not None:
            from ferviz.rendering.sheets.bare import map_axes

            return map_axes(replace(self.sheet(shared_scale, vmax), cmap=cmap), ax, title)
        return self.first_page(
            figsize=figsize, title=title, cmap=cmap, shared_scale=shared_scale, vmax=vmax, width_mm=width_mm, dpi=dpi,
            font_size=font_size,
        )  # fmt: skip

    def printed_pages(
        self, *, figsize: tuple[float, float] | None = None, title: str | None = None, cmap: str | None = None,
        shared_scale: bool = True, vmax: float | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> tuple[list[Image.Image], PrintSize]:  # fmt: skip
        """Return all faces as printed pages, and their size.

        Args:
            figsize, title, cmap, shared_scale, vmax, width_mm, dpi, font_size: as in `plot`.
        """
        from ferviz.rendering.sheets.overlays import explanation_pages

        if not len(self):
            raise UsageError("there is no face to draw")
        size = figure_size(figsize, width_mm, dpi, font_size)
        return explanation_pages(self._drawn(self, shared_scale, vmax, cmap, title), size), size

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data.

        Returns:
            model, method, `chosen` (why this method; None where it was named), layer, targets, engine, warnings, `test` (how the maps
            were tested; None where they were not), and `pictures` with their faces in order, each as in `record`.
        """
        return explanation_records.answer(self)

    def record(self, face: int) -> dict[str, Any]:
        """Return one face as plain data.

        Args:
            face: the face's number, from 0.

        Returns:
            box, score, landmarks, label, probabilities, for faces of a data set row, true and split, `evidence` (see `evidence`), for
            methods that ask region by region `regions`: {target: {region: value}} and more (see
            `ferviz.attribution.maps.region_values.KINDS`), and where the maps were tested
            `verdict`: {target: {outcome, margin, srg, calibrated, reason}} (see `ferviz.trust.verdict.Verdict`).
        """
        return explanation_records.record(self, face)

    def table(self) -> list[list[Any]]:
        """Return one row for each face and target (see `ferviz.attribution.explanation_table.COLUMNS`), the columns' names first."""
        return [list(COLUMNS), *table_rows(self.to_dict()["pictures"])]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the exact numbers.

        Returns:
            `heatmaps`, `raw`, `images` (N, H, W, 3) uint8, padded with zeros to the largest face, `sizes` (N, 2) of the faces,
            the method's `grids` as `grids/<name>`, and for faces of a data set `rows`, `true` and `split`.
        """
        images, sizes = pad_crops([face.pixels for face in self.faces])
        grids = {f"grids/{name}": grid for name, grid in self.grids.items()}
        origin = {} if self.provenance is None else self.provenance.to_arrays()
        return {"heatmaps": self.heatmaps, "raw": self.raw, "images": images, "sizes": sizes, **grids, **origin}

    def evidence(self, face: int) -> dict[str, dict[str, Any]]:
        """Return how strong a face's evidence for each target is, and where.

        Args:
            face: the face's number, from 0.

        Returns:
            {target: {"max", "min", "argmax"}}: the greatest and the least value of the map, and (x, y) of the greatest, in 0..1 of
            the face's width and height; None for a map without evidence.
        """
        return {name: evidence_of(heat) for name, heat in zip(self.target_names(face), self.raw[face], strict=True)}

    def inputs(self) -> list[PathLike]:
        """Return the pictures that the faces come from."""
        return list(dict.fromkeys(face.source for face in self.faces if face.source))

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, the size of the maps, settings, versions, time."""
        return manifest(
            command=self.command,
            **self.to_dict(),
            map=list(self.raw.shape[2:]),
            grids=list(self.grids),
            provenance=self.provenance is not None,
            settings=self.settings,
        )

    @classmethod
    def load(cls, path: PathLike) -> Explanation:
        """Return an explanation that `save` or `explain_dataset` wrote as .npz.

        Args:
            path: the file.

        Raises:
            DataError: the file is not there, or is not such a file.
        """
        from ferviz.attribution.explanation_file import read_explanation

        return read_explanation(path)

    def cautions(self) -> tuple[str, ...]:
        """Return `warnings`, and one more where the map is coarse and no warning says so."""
        return explanation_sheet.cautions(self)

    def remarks(self) -> tuple[str, ...]:
        """Return a phrase about each face: its verdict, or how many of its maps passed; () where the maps were not tested."""
        return () if self.trust is None else self.trust.phrases()

    def alternative(self, network: Sequence[str] | None = None) -> str:
        """Return what to ask where a map is not better than a centre blob, with the command to type; "" where there is none.

        Args:
            network: the command's options that name the network, such as ("--model", "my.h5"); None = its file's name.
        """
        return explanation_sheet.alternative(self, network, folders=True)
