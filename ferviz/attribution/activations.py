"""Activations: what the layers of a network make of a face; an answer that draws and saves itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.attribution.explanation import FIGURES, check_suffix
from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, UnknownNameError, UsageError, check_integer
from ferviz.faces.crops import as_faces, pad_crops
from ferviz.faces.face import Face, captions
from ferviz.files import PathLike, check_output, manifest, to_json, write_npz, write_text
from ferviz.images import encode, write_image
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import face_record, picture_records

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MODES = ("mean", "channels")
"""What a picture shows: the mean over the channels of each layer, or the channels of one layer."""

UNITS = " A layer without a map is drawn unit by unit, row by row."

FEW = 8
"""Layers that are shown where none is named."""

Columns = list[tuple[str, np.ndarray]]


def activations(
    model: Model, faces: Any, layers: str | Sequence[str] | None = None, batch_size: int = 64
) -> Activations:
    """Return what layers of a network make of faces.

    model: a network. faces: a Face, a list of them, or uint8 arrays (N, H, W) or (N, H, W, 3). layers: a name, several, "all" for every
    layer with a map, or None for up to eight on the way through the network: what its convolutions hand to each other.
    batch_size: faces in one pass. Raises UnknownNameError for a layer that is not there, ModelError where the network has no map.
    """
    faces, model = as_faces(faces), as_model(model)
    check_integer("batch_size", batch_size, 1)
    names = [layer.name for layer in _chosen(model, layers)]
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(faces), batch_size):
        parts.append(list(model.engine.activations(model.preprocess(faces[start : start + batch_size]), names)))
    arrays = {name: np.concatenate(found) for name, found in zip(names, zip(*parts, strict=True), strict=True)}
    settings = {"model": model.name, "model_sha256": model.sha256, "engine": model.engine.name}
    return Activations(arrays, tuple(faces), settings)


@dataclass(frozen=True, eq=False)
class Activations:
    """What `ferviz.activations` answers.

    arrays: {layer: (N, h, w, C) float32 for a layer with maps, (N, C) for one without}, in the order of the network.
    faces: the N faces. settings: model, model_sha256, engine.
    """

    arrays: dict[str, np.ndarray] = field(repr=False)
    faces: tuple[Face, ...] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in self.arrays.items())
        return f"Activations({len(self.faces)} faces; {shapes})"

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers."""
        return tuple(self.arrays)

    def picture(
        self,
        mode: str = "mean",
        *,
        layer: str | None = None,
        most: int = 64,
        shared: bool = True,
        start: int = 0,
        scale: float = 1.0,
    ) -> Image.Image:
        """Return the activations as an RGB picture, without matplotlib.

        mode: "mean" = rows are faces, columns the input and each layer's mean over its channels; "channels" = the channels of
        one layer, the most active first: as tiles for one face, as columns for several. layer: that layer, where there are
        several. most: how many channels, at most 256. shared: all channels on one scale, else each on its own. start: the first
        face; a page holds `page_size` of them. scale: 1 for screens, 2 for fine print. Raises UsageError, UnknownNameError.
        """
        from ferviz.rendering import grids

        faces = self.faces[start : start + self.page_size(mode)]
        if not faces:
            raise UsageError(f"there is no face number {start} to draw; there are {len(self.faces)}")
        pixels, names = [f.pixels for f in faces], captions(self.faces)[start : start + len(faces)]
        notes = [self._about()]
        if len(faces) < len(self.faces):
            notes.append(
                f"Faces {start + 1} to {start + len(faces)} of {len(self.faces)}; a .npz file holds all of them."
            )
        if mode == "mean":
            units = "" if all(values.ndim == 4 for values in self.arrays.values()) else UNITS
            notes.insert(0, f"Each layer has a scale of its own, shared by its faces.{units}")
            columns = [(name, values[start : start + len(faces)]) for name, values in self._means()]
            return grids.layer_grid(
                pixels, columns, names, title="Activations", subtitle="mean over each layer's channels", notes=tuple(notes), scale=scale
            )  # fmt: skip
        name, maps = self._channels(mode, layer)
        shown = maps[start : start + len(faces)]
        count = maps.shape[-1]
        chosen = grids.most_active(shown, min(most, grids.MOST if len(faces) == 1 else grids.COLUMNS))
        of = f"{len(chosen)} of {count} channels" if len(chosen) < count else f"{count} channels"
        height, width = maps.shape[1:3]
        subtitle = f"{of} of {height}x{width}, most active first"
        if len(faces) == 1:
            notes.insert(
                0,
                "All channels on one scale."
                if shared
                else "Each channel on a scale of its own; its largest magnitude stands beside its number.",
            )
            return grids.channel_grid(
                pixels[0], shown[0][..., chosen], chosen, title=name, subtitle=subtitle, shared=shared, notes=tuple(notes), scale=scale
            )  # fmt: skip
        notes.insert(
            0, "All channels on one scale." if shared else "Each channel has a scale of its own, shared by its faces."
        )
        columns = [(str(c), shown[..., c]) for c in chosen]
        return grids.layer_grid(
            pixels, columns, names, title=name, subtitle=subtitle, shared=shared, sizes=False, notes=tuple(notes), scale=scale
        )  # fmt: skip

    def page_size(self, mode: str = "mean") -> int:
        """Return how many faces one picture shows."""
        from ferviz.rendering import grids

        return grids.page_size(len(self.arrays)) if mode == "mean" else grids.ROWS

    def plot(self, mode: str = "mean", *, layer: str | None = None, most: int | None = None) -> Figure:
        """Return the activations as a matplotlib Figure (made without pyplot).

        mode, layer: as for `picture`. most: how many channels; None = 63 for one face, 12 beside several.
        """
        from ferviz.rendering import figures
        from ferviz.rendering.grids import CHANNELS, COLUMNS, most_active

        faces = [face.pixels for face in self.faces[: self.page_size(mode)]]
        names = captions(self.faces)[: len(faces)]
        if mode == "mean":
            return figures.layers_figure(faces, self._means(), names, "Mean over each layer's channels")
        name, maps = self._channels(mode, layer)
        chosen = most_active(
            maps, most or (CHANNELS - 1 if len(faces) == 1 else COLUMNS)
        )  # the face takes a tile itself
        if len(faces) == 1:
            return figures.channels_figure(faces[0], maps[0][..., chosen], chosen, name)
        return figures.layers_figure(faces, [(str(c), maps[..., c]) for c in chosen], names, name)

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data: model, engine, the layers with their shapes, and `pictures` with their faces."""
        return {
            "model": self.settings.get("model"),
            "engine": self.settings.get("engine"),
            "layers": [{"name": name, "shape": list(values.shape[1:])} for name, values in self.arrays.items()],
            "pictures": picture_records(self.faces, [face_record(face) for face in self.faces]),
        }

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, settings, versions, time."""
        return manifest(command="activations", **self.to_dict(), settings=self.settings)

    def save(self, path: PathLike, force: bool = False, mode: str = "mean", **options: Any) -> None:
        """Write the activations; the suffix says as what, and the manifest goes along.

        path: .png, .jpg, .webp ... = the picture; .pdf, .svg = the figure; .npz = `activations/<layer>`, `images` (N, H, W, 3)
        uint8, padded with zeros to the largest face, `sizes` (N, 2) of the faces, `manifest`; .json = `to_dict`.
        force: replace an existing file. mode, options: as for `picture`.
        Raises UsageError for another suffix, OutputExistsError, OutputError.
        """
        suffix = Path(path).suffix.lower()
        check_suffix(path)
        check_output(path, force)
        if suffix == ".npz":
            images, sizes = pad_crops([face.pixels for face in self.faces])
            arrays = {f"activations/{name}": values for name, values in self.arrays.items()}
            write_npz(path, arrays | {"images": images, "sizes": sizes}, self.manifest(), force)
        elif suffix == ".json":
            write_text(path, to_json(self.manifest(), indent=2) + "\n", force)
        elif suffix in FIGURES:
            from ferviz.rendering.figures import write_figure

            write_figure(path, self.plot(mode, layer=options.get("layer")), self.manifest() | {"mode": mode}, force)
        else:
            write_image(path, self.picture(mode, **options), manifest=self.manifest() | {"mode": mode}, force=force)

    def _repr_png_(self) -> bytes:
        return encode(self.picture(), ".png")

    def _means(self) -> Columns:
        return [(name, values.mean(axis=-1) if values.ndim > 2 else values) for name, values in self.arrays.items()]

    def _channels(self, mode: str, layer: str | None) -> tuple[str, np.ndarray]:
        if mode != "channels":
            raise UnknownNameError("mode", mode, MODES)
        maps = [name for name, values in self.arrays.items() if values.ndim == 4]
        if layer is None and len(self.arrays) > 1:
            raise UsageError(f"channels are drawn for one layer at a time; name one of {', '.join(maps)}")
        name = layer if layer is not None else self.layers[0]
        if name not in self.arrays:
            raise UnknownNameError("layer", name, self.layers, "these activations")
        if name not in maps:
            raise UsageError(
                f"layer {name!r} has no map, so its channels are single numbers; draw it with the mode 'mean'"
            )
        return name, self.arrays[name]

    def _about(self) -> str:
        digest = str(self.settings.get("model_sha256") or "")
        return f"Network {self.settings.get('model')}{f' ({digest[:8]})' if digest else ''}"


def _chosen(model: Model, layers: str | Sequence[str] | None) -> list[LayerInfo]:
    if isinstance(layers, str) and layers != "all":
        layers = [layers]
    if layers is not None and layers != "all":
        return [model.layer(name) for name in dict.fromkeys(layers)]
    maps = [layer for layer in model.layers if layer.spatial]
    if not maps:
        raise ModelError(f"no layer of {model.name} has a map; name layers to see their units")
    return maps if layers == "all" else _between_convolutions(maps)


def _between_convolutions(maps: Sequence[LayerInfo]) -> list[LayerInfo]:
    """Return what each convolution but the first is given, and the last map: at most FEW of them, evenly spread."""
    made = [i for i, layer in enumerate(maps) if "Conv" in layer.kind]
    given = list(dict.fromkeys([*(i - 1 for i in made[1:] if i > made[0]), len(maps) - 1]))
    kept = np.unique(np.linspace(0, len(given) - 1, FEW).round().astype(int)) if len(given) > FEW else range(len(given))
    return [maps[given[i]] for i in kept]
