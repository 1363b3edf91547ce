"""An Explanation: the heatmaps of some faces, with everything that tells how they came about; it draws and saves itself."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ferviz.attribution import titles as wording
from ferviz.attribution.titles import PREDICTED
from ferviz.errors import DataError, UsageError
from ferviz.faces.crops import pad_crops
from ferviz.faces.face import Face, captions
from ferviz.files import PathLike, check_kind, check_output, manifest, write_npz, write_text
from ferviz.images import FORMATS, encode, write_image
from ferviz.models.prediction import Prediction, face_record, picture_records, read_picture_records
from ferviz.rendering.sheet import Cell, Sheet, is_signed, shared_limit
from ferviz.rendering.tiles import has_evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

COARSE = 6
"""A map with fewer positions than this along a side tells the part of the face, not the feature."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `ferviz.explain` answers.

    heatmaps: (N, T, H, W) float32, at the network's input size. raw: (N, T, h, w) float32, at the size of the method's own map;
    neither is ever normalised, so maps compare across faces and targets. faces: the N faces.
    targets: T names ("happy", "happy-sad", or "predicted": the class in the face's prediction).
    method, layer: their names; layer is "" for a method that looks at none, "input" for the picture itself.
    predictions: what the network says about each face. settings: how it was made: model, model_sha256, engine, labels, seed and the
    method's own. warnings: sentences about what may mislead.
    """

    heatmaps: np.ndarray = field(repr=False)
    raw: np.ndarray = field(repr=False)
    faces: tuple[Face, ...] = field(repr=False)
    targets: tuple[str, ...]
    method: str
    layer: str
    predictions: tuple[Prediction, ...] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("faces", "targets", "predictions", "warnings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        wanted = (len(self.faces), len(self.targets))
        for name, array in (("heatmaps", self.heatmaps), ("raw", self.raw)):
            if array.ndim != 4 or array.shape[:2] != wanted:
                raise UsageError(
                    f"{name} of {wanted[0]} faces and {wanted[1]} targets cannot have the shape {array.shape}"
                )
        if len(self.predictions) != len(self.faces):
            raise UsageError(f"{len(self.faces)} faces cannot have {len(self.predictions)} predictions")

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
        return replace(
            self,
            heatmaps=self.heatmaps[which], raw=self.raw[which], faces=self.faces[which], predictions=self.predictions[which],
        )  # fmt: skip

    def target_names(self, face: int) -> tuple[str, ...]:
        """Return what each of the T maps of face number `face` speaks for, "predicted" replaced by the class."""
        said = self.predictions[face].label
        return tuple(said if name == PREDICTED else name for name in self.targets)

    def sheet(self, shared: bool = True, limit: float | None = None) -> Sheet:
        """Return what a picture of this explanation shows, as plain data.

        shared: one scale for all faces, else each face its own (shared by its targets). limit: the value at the end of the scale,
        to compare pictures; None = the largest magnitude here.
        """
        signed = is_signed(list(self.heatmaps))
        end = limit or shared_limit(list(self.heatmaps))
        names = captions(self.faces)
        labels = tuple(self.predictions[0].probabilities) if self.predictions else ()
        contrast = wording.contrast(self.targets, labels)
        cells = tuple(
            Cell(
                face.pixels,
                maps,
                self.target_names(number),
                said.label,
                said.probabilities,
                names[number],
                None if shared or limit else shared_limit([maps]),
            )
            for number, (face, maps, said) in enumerate(zip(self.faces, self.heatmaps, self.predictions, strict=True))
        )
        return Sheet(
            wording.title(self.method),
            wording.subtitle(self.method, self.targets, labels, signed),
            cells,
            end,
            signed,
            (f"for {contrast[1]}", f"for {contrast[0]}") if contrast else ("against", "for"),
            (self._about(),),
            self.cautions(),
        )

    def picture(
        self, start: int = 0, *, shared: bool = True, limit: float | None = None, scale: float = 1.0
    ) -> Image.Image:
        """Return the explanation as an RGB picture, without matplotlib.

        start: the first face to show; a page holds 48 faces with one target, 16 with several. shared, limit: as in `sheet`.
        scale: 1 for screens, 2 for fine print. Raises UsageError when there is no face to show.
        """
        from ferviz.rendering.overlays import explanation_picture, page_size

        page = self[start : start + page_size(len(self.targets))]
        if not len(page):
            raise UsageError(f"there is no face number {start} to draw; the explanation has {len(self)}")
        end = limit if limit is not None or not shared else shared_limit(list(self.heatmaps))
        drawn = page.sheet(shared, end)
        if len(page) < len(self):
            last = start + len(page)
            drawn = replace(
                drawn,
                notes=(*drawn.notes, f"Faces {start + 1} to {last} of {len(self)}; a .npz file holds all of them."),
            )
        return explanation_picture(drawn, scale)

    def plot(self, *, shared: bool = True, limit: float | None = None) -> Figure:
        """Return the first page of faces as a matplotlib Figure (made without pyplot), for papers; arguments as in `sheet`."""
        from ferviz.rendering.figures import explanation_figure
        from ferviz.rendering.overlays import page_size

        return explanation_figure(self[: page_size(len(self.targets))].sheet(shared, limit))

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data: model, method, layer, targets, engine, and `pictures` with their faces in order.

        A face holds its box, score, landmarks, label, probabilities and `evidence` (see `evidence`).
        """
        records = [
            face_record(face, prediction, evidence=self.evidence(number))
            for number, (face, prediction) in enumerate(zip(self.faces, self.predictions, strict=True))
        ]
        return {
            "model": self.settings.get("model"),
            "method": self.method,
            "layer": self.layer,
            "targets": list(self.targets),
            "engine": self.settings.get("engine"),
            "warnings": list(self.warnings),
            "pictures": picture_records(self.faces, records),
        }

    def evidence(self, face: int) -> dict[str, dict[str, Any]]:
        """Return for each target of face number `face` how strong its evidence is and where: {target: {"max", "min", "argmax"}}.

        max, min: the greatest and the least value of the map. argmax: (x, y) of the greatest, in 0..1 of the face's width and height;
        None for a map without evidence.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, heat in zip(self.target_names(face), self.raw[face], strict=True):
            row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
            place = [round(float((column + 0.5) / heat.shape[1]), 3), round(float((row + 0.5) / heat.shape[0]), 3)]
            greatest, least = float(np.max(heat)), float(np.min(heat))
            found[name] = {"max": greatest, "min": least, "argmax": place if has_evidence(heat) else None}
        return found

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, settings, versions, time."""
        return manifest(command="explain", **self.to_dict(), map=list(self.raw.shape[2:]), settings=self.settings)

    def save(
        self,
        path: PathLike,
        force: bool = False,
        *,
        shared: bool = True,
        limit: float | None = None,
        scale: float = 1.0,
    ) -> None:
        """Write the explanation; the suffix says as what, and the manifest goes along wherever the format has a place for it.

        path: .png, .jpg, .webp ... = the picture of the first page of faces; .pdf, .svg = the figure; .npz = `heatmaps`, `raw`,
        `images` (N, H, W, 3) uint8, padded with zeros to the largest face, `sizes` (N, 2) of the faces, `manifest`; .json = `to_dict`.
        force: replace an existing file. shared, limit, scale: as in `picture`.
        Raises UsageError for another suffix, OutputExistsError, OutputError; a file is there whole or not at all.
        """
        suffix = Path(path).suffix.lower()
        check_suffix(path)
        check_output(path, force)
        if suffix == ".npz":
            images, sizes = pad_crops([face.pixels for face in self.faces])
            arrays = {"heatmaps": self.heatmaps, "raw": self.raw, "images": images, "sizes": sizes}
            write_npz(path, arrays, self.manifest(), force)
        elif suffix == ".json":
            from ferviz.files import to_json

            write_text(path, to_json(self.manifest(), indent=2) + "\n", force)
        elif suffix in FIGURES:
            from ferviz.rendering.figures import write_figure

            write_figure(path, self.plot(shared=shared, limit=limit), self.manifest(), force)
        else:
            picture = self.picture(shared=shared, limit=limit, scale=scale)
            write_image(path, picture, manifest=self.manifest(), force=force)

    @classmethod
    def load(cls, path: PathLike) -> Explanation:
        """Return an explanation that `save` wrote as .npz. Raises DataError for a file that is none."""
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("heatmaps", "raw", "images", "sizes")}
                made = json.loads(str(file["manifest"]))
            faces, predictions = read_picture_records(made["pictures"], arrays["images"], arrays["sizes"])
            return cls(
                arrays["heatmaps"],
                arrays["raw"],
                faces,
                tuple(made["targets"]),
                made["method"],
                made["layer"],
                predictions,
                made["settings"],
                tuple(made["warnings"]),
            )
        except FileNotFoundError:
            raise DataError(f"{path} is not there; check the path") from None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            EOFError,
            BadZipFile,
            zlib.error,
        ) as error:
            raise DataError(f"{path} is not an explanation that ferviz saved as .npz ({error})") from error

    def _repr_png_(self) -> bytes:
        return encode(self.picture(), ".png")

    def _about(self) -> str:
        size = "x".join(str(side) for side in self.raw.shape[2:])
        where = (
            "" if not self.layer else " of the input picture" if self.layer == "input" else f" of layer {self.layer}"
        )
        digest = str(self.settings.get("model_sha256") or "")
        name = self.settings.get("model")
        network = f"; network {name}{f' ({digest[:8]})' if digest else ''}" if name else ""
        return f"{size} map{where}{network}"

    def cautions(self) -> tuple[str, ...]:
        """Return `warnings`, and one more where the map is coarse and nobody said so yet."""
        height, width = self.raw.shape[2:]
        if min(height, width) >= COARSE or any("coarse" in warning for warning in self.warnings):
            return self.warnings
        return (
            *self.warnings,
            f"the map has only {height}x{width} positions: it is coarse and tells the part of the face, not the feature",
        )


FIGURES = (".pdf", ".svg")
"""Suffixes that matplotlib writes."""


def check_suffix(path: PathLike) -> None:
    """Raise UsageError, in one sentence, for a path whose suffix says nothing that is written."""
    check_kind(path, (*FORMATS, *FIGURES, ".npz", ".json"))
