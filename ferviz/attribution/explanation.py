"""An Explanation: the heatmaps of some faces, with everything that says how they were made; it draws and saves itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution import titles
from ferviz.attribution.explanation_table import COLUMNS, table_rows
from ferviz.attribution.region_values import region_labels, region_line, region_records
from ferviz.attribution.targets import ALL, PREDICTED
from ferviz.errors import DataError, UsageError
from ferviz.faces.crops import pad_crops
from ferviz.faces.face import Face, captions
from ferviz.files import PathLike, manifest
from ferviz.models.face_records import check_maps, check_object, check_texts, read_picture_records
from ferviz.models.features import MIN_CELLS
from ferviz.models.prediction import Prediction, face_record, picture_records
from ferviz.printable import printable
from ferviz.rendering.sheets.sheet import Cell, Remark, Sheet, faint_note, is_signed, scale_end, scale_note
from ferviz.rendering.tiles import has_evidence
from ferviz.results import Result, read_npz
from ferviz.trust.verdict import BETTER, Trust, read_trust

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


_LINED_FACES = 2  # faces whose regions' values are written below a picture


@dataclass(frozen=True, eq=False)
class Explanation(Result):
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

    def __getitem__(self, which: int | slice) -> Explanation:
        """Return the explanation of one face, or of a slice of them."""
        if isinstance(which, int):
            position = range(len(self))[which]  # raises IndexError, and so ends iteration
            which = slice(position, position + 1)
        settings = self.settings
        if "details" in settings:
            settings = {**settings, "details": {name: rows[which] for name, rows in settings["details"].items()}}
        return replace(
            self, settings=settings,
            heatmaps=self.heatmaps[which], raw=self.raw[which], faces=self.faces[which], predictions=self.predictions[which],
            trust=self.trust and self.trust[which], grids={name: grid[which] for name, grid in self.grids.items()},
        )  # fmt: skip

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
        return self._sheet(shared_scale, vmax, self.heatmaps)

    def _sheet(self, shared_scale: bool, vmax: float | None, scaled: np.ndarray) -> Sheet:
        """-> the sheet; its scale is that of the maps `scaled`, of which this may be a page."""
        signed = is_signed(list(scaled))
        names = captions(self.faces)
        labels = tuple(self.predictions[0].probabilities) if self.predictions else ()
        contrast = titles.contrast(self.targets, labels)
        cells = tuple(
            Cell(
                face.pixels,
                maps,
                self.target_names(number),
                prediction.label,
                prediction.probabilities,
                names[number],
                () if shared_scale or vmax else tuple(scale_end([heat], signed) for heat in maps),
                ()
                if self.trust is None
                else tuple(Remark(v.sentence, v.short, v.poor) for v in self.trust.verdicts[number]),
                region_labels(self.settings, number, face, self.target_names(number)),
            )
            for number, (face, maps, prediction) in enumerate(
                zip(self.faces, self.heatmaps, self.predictions, strict=True)
            )
        )
        end = vmax or scale_end(list(scaled), signed)
        ends = "" if vmax else scale_note(list(scaled), signed, not shared_scale)
        faint = faint_note(cells, end) if shared_scale else ""
        return Sheet(
            titles.title(self.method),
            titles.subtitle(self.method, self.targets, labels, signed),
            cells,
            end,
            signed,
            (f"for {contrast[1]}", f"for {contrast[0]}") if contrast else ("against", "for"),
            (*((ends,) if ends else ()), self._origin(), *self._region_notes(), *self._test_notes()),
            (*self.cautions(), *((faint,) if faint else ())),
        )

    def picture(
        self, start: int = 0, *, shared_scale: bool = True, vmax: float | None = None, zoom: float = 1.0
    ) -> Image.Image:
        """Return the explanation as an RGB picture, without matplotlib.

        Args:
            start: the first face to show; a page holds 48 faces with one target, 16 with several.
            shared_scale, vmax: as in `sheet`.
            zoom: 1 for screens, 2 for fine print.

        Raises:
            UsageError: there is no face to show.
        """
        from ferviz.rendering.sheets.overlays import explanation_picture, page_size

        page = self[start : start + page_size(len(self.targets))]
        if not len(page):
            raise UsageError(f"there is no face number {start} to draw; the explanation has {len(self)}")
        sheet = page._sheet(shared_scale, vmax, self.heatmaps)
        if len(page) < len(self):
            note = f"Faces {start + 1} to {start + len(page)} of {len(self)}; a .npz file holds all of them."
            sheet = replace(sheet, notes=(*sheet.notes, note))
        return explanation_picture(sheet, zoom)

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
        self, *, ax: Any = None, title: str | None = None, cmap: str | None = None, shared_scale: bool = True,
        vmax: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first page of faces as a matplotlib Figure (made without pyplot), for papers; or draw into axes of yours.

        Args:
            ax: matplotlib Axes that take the maps and nothing else: one, or as many as there are maps (faces by targets).
            title: above the figure, or above each map in `ax`; None = what is shown, "" = none.
            cmap: a colour map of ferviz's or matplotlib's; None = the usual one.
            shared_scale, vmax: as in `sheet`.

        Raises:
            UsageError: there are not as many axes as maps.
        """
        from ferviz.rendering.sheets.bare import map_axes
        from ferviz.rendering.sheets.figures import explanation_figure
        from ferviz.rendering.sheets.overlays import page_size

        if ax is not None:
            return map_axes(replace(self.sheet(shared_scale, vmax), cmap=cmap), ax, title)
        page = self[: page_size(len(self.targets))]
        sheet = replace(page._sheet(shared_scale, vmax, self.heatmaps), cmap=cmap)
        return explanation_figure(sheet if title is None else replace(sheet, title=title))

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data.

        Returns:
            model, method, layer, targets, engine, warnings, `test` (how the maps were tested; None where they were not), and `pictures`
            with their faces in order, each as in `record`.
        """
        records = [self.record(number) for number in range(len(self))]
        return {
            "model": self.settings.get("model"),
            "method": self.method,
            "layer": self.layer,
            "targets": list(self.targets),
            "engine": self.settings.get("engine"),
            "warnings": list(self.warnings),
            "test": self.trust and self.trust.to_dict(),
            "pictures": picture_records(self.faces, records),
        }

    def record(self, face: int) -> dict[str, Any]:
        """Return one face as plain data.

        Args:
            face: the face's number, from 0.

        Returns:
            box, score, landmarks, label, probabilities, `evidence` (see `evidence`), for methods that ask region by region `regions`:
            {target: {region: value}} and more (see `ferviz.attribution.region_values.KINDS`), and where the maps were tested
            `verdict`: {target: {outcome, margin, srg, calibrated, reason}} (see `ferviz.trust.verdict.Verdict`).
        """
        more: dict[str, Any] = {"evidence": self.evidence(face)}
        more |= region_records(self.settings, face, self.target_names(face))
        if self.trust is not None:
            names = self.target_names(face)
            more["verdict"] = {n: v.to_dict() for n, v in zip(names, self.trust.verdicts[face], strict=True)}
        return face_record(self.faces[face], self.predictions[face], **more)

    def table(self) -> list[list[Any]]:
        """Return one row for each face and target (see `ferviz.attribution.explanation_table.COLUMNS`), the columns' names first."""
        return [list(COLUMNS), *table_rows(self.to_dict()["pictures"])]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the exact numbers.

        Returns:
            `heatmaps`, `raw`, `images` (N, H, W, 3) uint8, padded with zeros to the largest face, `sizes` (N, 2) of the faces,
            and the method's `grids` as `grids/<name>`.
        """
        images, sizes = pad_crops([face.pixels for face in self.faces])
        grids = {f"grids/{name}": grid for name, grid in self.grids.items()}
        return {"heatmaps": self.heatmaps, "raw": self.raw, "images": images, "sizes": sizes, **grids}

    def evidence(self, face: int) -> dict[str, dict[str, Any]]:
        """Return how strong a face's evidence for each target is, and where.

        Args:
            face: the face's number, from 0.

        Returns:
            {target: {"max", "min", "argmax"}}: the greatest and the least value of the map, and (x, y) of the greatest, in 0..1 of
            the face's width and height; None for a map without evidence.
        """
        evidence: dict[str, dict[str, Any]] = {}
        for name, heat in zip(self.target_names(face), self.raw[face], strict=True):
            row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
            place = [round(float((column + 0.5) / heat.shape[1]), 3), round(float((row + 0.5) / heat.shape[0]), 3)]
            greatest, least = float(np.max(heat)), float(np.min(heat))
            evidence[name] = {"max": greatest, "min": least, "argmax": place if has_evidence(heat) else None}
        return evidence

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
            settings=self.settings,
        )

    @classmethod
    def load(cls, path: PathLike) -> Explanation:
        """Return an explanation that `save` wrote as .npz.

        Args:
            path: the file.

        Raises:
            DataError: the file is not there, or is not such a file.
        """
        arrays, record = read_npz(path, ("heatmaps", "raw", "images", "sizes"), "an explanation")
        try:
            names = check_texts(record["grids"], "grids")
            more = read_npz(path, [f"grids/{name}" for name in names], "an explanation")[0] if names else {}
            grids = {name: check_maps(more[f"grids/{name}"], name) for name in names}
            faces, predictions = read_picture_records(record["pictures"], arrays["images"], arrays["sizes"])
            heatmaps, raw = (check_maps(arrays[name], name) for name in ("heatmaps", "raw"))
            targets, warnings = (check_texts(record[name], name) for name in ("targets", "warnings"))
            method, layer = check_texts([record["method"], record["layer"]], "method and layer")
            settings = check_object(record["settings"], "settings")
            explanation = cls(heatmaps, raw, faces, targets, method, layer, predictions, settings, warnings)
            verdicts = [face.get("verdict") for picture in record["pictures"] for face in picture["faces"]]
            named = [explanation.target_names(number) for number in range(len(faces))]
            return replace(explanation, trust=read_trust(record["test"], verdicts, named), grids=grids)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, UsageError) as error:
            raise DataError(f"{path} is not an explanation that ferviz saved as .npz ({error})") from error

    def cautions(self) -> tuple[str, ...]:
        """Return `warnings`, and one more where the map is coarse and no warning says so."""
        height, width = self.raw.shape[2:]
        if min(height, width) >= MIN_CELLS or any("coarse" in warning for warning in self.warnings):
            return self.warnings
        coarse = (
            f"the map has only {height}x{width} positions: it is coarse and shows the part of the face, not the feature"
        )
        return (*self.warnings, coarse)

    def remarks(self) -> tuple[str, ...]:
        """Return a phrase about each face: its verdict, or how many of its maps passed; () where the maps were not tested."""
        if self.trust is None:
            return ()
        rows = self.trust.verdicts
        if len(self.targets) == 1:
            return tuple(row[0].sentence[:1].lower() + row[0].sentence[1:] for row in rows)
        passed = [sum(verdict.outcome == BETTER for verdict in row) for row in rows]
        return tuple(f"{count} of {len(self.targets)} maps better than a centre blob" for count in passed)

    def _region_notes(self) -> tuple[str, ...]:
        """-> the values of the regions, a line for each target of the first faces."""
        lines = [
            region_line(self.settings, face, number, name)
            for face in range(min(len(self), _LINED_FACES))
            for number, name in enumerate(self.target_names(face))
        ]
        return tuple(line for line in lines if line)

    def _test_notes(self) -> tuple[str, ...]:
        """-> what the picture says about the test: what to ask instead, and what is not known."""
        if self.trust is None:
            return ("Not tested whether these maps point at what the network needs.",)
        lines = [self.alternative()] if self.alternative() else []
        if len(self.targets) > 1:
            reasons = {verdict.reason for row in self.trust.verdicts for verdict in row if verdict.reason}
            lines += [f"Not assessable: {reason}." for reason in sorted(reasons)]
        if not self.trust.calibrated:
            lines.append(f"The margin of the test ({self.trust.delta:g}) was not measured for this network.")
        return tuple(lines)

    def alternative(self) -> str:
        """Return what to ask where a map is not better than a centre blob, with the command to type; "" where there is none."""
        if self.trust is None or not any(verdict.poor for row in self.trust.verdicts for verdict in row):
            return ""
        other = next(name for name in titles.SLOW_METHODS if name != self.method)
        sources = {Path(face.source).name for face in self.faces}
        words = ["ferviz", "explain", sources.pop() or "PICTURE" if len(sources) == 1 else "PICTURE", "--method", other]
        if self.targets != (PREDICTED,):
            every = self.targets == tuple(self.settings.get("labels", ()))
            words += ["--target", ALL if every else ",".join(self.targets)]
        if self.settings.get("model_file"):
            words += ["--model", self.settings["model_file"]]
        method = titles.title(self.method)
        where = f"{method} does not say where this network looks" if len(self) == 1 else f"there {method} says nothing"
        return f"No better than a blob: {where}. Ask {titles.title(other)}: {shlex.join(words)}"

    def _origin(self) -> str:
        """-> the line below a picture: the map's size, its layer and the network."""
        size = "x".join(str(side) for side in self.raw.shape[2:])
        where = (
            "" if not self.layer else " of the input picture" if self.layer == "input" else f" of layer {self.layer}"
        )
        digest = str(self.settings.get("model_sha256") or "")
        name = printable(self.settings.get("model") or "", 80)
        network = f"; network {name}{f' ({digest[:8]})' if digest else ''}" if name else ""
        return f"{size} map{where}{network}"
