"""Activations: the outputs of a network's layers for some faces; a result that draws and saves itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, UnknownNameError, UsageError, check_integer
from ferviz.faces.crops import as_faces, pad_crops
from ferviz.faces.face import Face, captions
from ferviz.files import PathLike, manifest
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import face_record, picture_records
from ferviz.registry import split_names
from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MODES = ("mean", "channels")
"""What a picture shows: the mean over the channels of each layer, or the channels of one layer."""

UNITS = " A layer without a map is drawn unit by unit, row by row."

FEW = 8
"""Most layers that are shown by default."""

Columns = list[tuple[str, np.ndarray]]


def activations(
    model: Model, faces: Any, layers: str | Sequence[str] | None = None, batch_size: int = 64
) -> Activations:
    """Return the outputs of layers of a network for some faces.

    Args:
        model: a network.
        faces: a Face, a list of them, or uint8 arrays (N, H, W) or (N, H, W, 3).
        layers: a name, several (in a sequence, with commas between, or both), "all" for every layer with a map, or None for up to eight on
            the way through the network: what its convolutions hand to each other.
        batch_size: faces in one pass.

    Raises:
        UnknownNameError: the network has no layer of that name.
        ModelError: no layer of the network has a map, or a layer's output is NaN or infinite; the message names the first.
        NoFaceError: there are no faces.
    """
    faces, model = as_faces(faces), as_model(model)
    check_integer("batch_size", batch_size, 1)
    names = [layer.name for layer in choose_layers(model, layers)]
    parts: list[list[np.ndarray]] = []
    for start in range(0, len(faces), batch_size):
        parts.append(list(model.engine.activations(model.preprocess(faces[start : start + batch_size]), names)))
    arrays = {name: np.concatenate(outputs) for name, outputs in zip(names, zip(*parts, strict=True), strict=True)}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ModelError(
                f"the output of layer {name!r} of {model.name} is NaN or infinite; the weights there or before it are damaged or too "
                "large, so load the network from a good file or train it again"
            )
    settings = {"model": model.name, "model_sha256": model.sha256, "engine": model.engine.name}
    return Activations(arrays, tuple(faces), settings)


@dataclass(frozen=True, eq=False)
class Activations(Result):
    """What `ferviz.activations` returns.

    Attributes:
        arrays: {layer: (N, h, w, C) float32 for a layer with maps, (N, C) for one without}, in the order of the network.
        faces: the N faces.
        settings: model, model_sha256, engine.
    """

    command: ClassVar[str] = "activations"

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
        max_channels: int | None = None,
        shared_scale: bool = True,
        start: int = 0,
        zoom: float = 1.0,
    ) -> Image.Image:
        """Return the activations as an RGB picture, without matplotlib.

        Args:
            mode: "mean" = rows are faces, columns the input and each layer's mean over its channels; "channels" = the channels of one
                layer, the most active first: as tiles for one face, as columns for several.
            layer: the layer whose channels are drawn, where there are several.
            max_channels: how many channels, at most 256; None = 64.
            shared_scale: all channels on one scale, else each on its own.
            start: the first face; a page holds `page_size` of them.
            zoom: 1 for screens, 2 for fine print.

        Raises:
            UsageError: there is no face to draw, or `layer` is needed or has no map.
            UnknownNameError: an unknown mode or layer.
        """
        from ferviz.rendering.sheets.activation_grids import layer_grid

        page = self._page(mode, start)
        if mode != "mean":
            return self._channels_picture(page, mode, layer, max_channels, shared_scale, zoom)
        units = "" if all(values.ndim == 4 for values in self.arrays.values()) else UNITS
        notes = (f"Each layer has a scale of its own, shared by its faces.{units}", *self._notes(page))
        columns = [(name, values[page]) for name, values in self._means()]
        return layer_grid(
            self._pixels(page), columns, captions(self.faces)[page], title="Activations",
            subtitle="mean over each layer's channels", notes=notes, zoom=zoom,
        )  # fmt: skip

    def _channels_picture(
        self, page: slice, mode: str, layer: str | None, max_channels: int | None, shared_scale: bool, zoom: float
    ) -> Image.Image:
        from ferviz.rendering.sheets import activation_grids as grids

        name, maps = self._channels(mode, layer)
        single, (height, width, count) = page.stop - page.start == 1, maps.shape[1:]
        most = grids.MOST if single else grids.COLUMNS
        chosen = grids.most_active(maps[page], min(max_channels or grids.CHANNELS, most))
        share = f"{len(chosen)} of {count} channels" if len(chosen) < count else f"{count} channels"
        subtitle = f"{share} of {height}x{width}, most active first"
        if shared_scale:
            scale = "All channels on one scale."
        elif single:
            scale = "Each channel on a scale of its own; its largest magnitude stands beside its number."
        else:
            scale = "Each channel has a scale of its own, shared by its faces."
        notes, pixels = (scale, *self._notes(page)), self._pixels(page)
        if single:
            return grids.channel_grid(
                pixels[0], maps[page.start][..., chosen], chosen, title=name, subtitle=subtitle, shared_scale=shared_scale,
                notes=notes, zoom=zoom,
            )  # fmt: skip
        columns = [(str(channel), maps[page][..., channel]) for channel in chosen]
        return grids.layer_grid(
            pixels, columns, captions(self.faces)[page], title=name, subtitle=subtitle, shared_scale=shared_scale, sizes=False,
            notes=notes, zoom=zoom,
        )  # fmt: skip

    def page_size(self, mode: str = "mean") -> int:
        """Return how many faces one picture shows.

        Args:
            mode: as for `picture`.
        """
        from ferviz.rendering.sheets import activation_grids as grids

        return grids.page_size(len(self.arrays)) if mode == "mean" else grids.ROWS

    def plot(self, mode: str = "mean", *, layer: str | None = None, max_channels: int | None = None) -> Figure:
        """Return the activations as a matplotlib Figure (made without pyplot).

        Args:
            mode, layer: as for `picture`.
            max_channels: how many channels; None = 63 for one face, 12 beside several.
        """
        from ferviz.rendering.sheets import figures
        from ferviz.rendering.sheets.activation_grids import CHANNELS, COLUMNS, most_active

        page = self._page(mode, 0)
        faces, names = self._pixels(page), captions(self.faces)[page]
        if mode == "mean":
            return figures.layers_figure(faces, self._means(), names, "Mean over each layer's channels")
        name, maps = self._channels(mode, layer)
        default = CHANNELS - 1 if len(faces) == 1 else COLUMNS  # the face takes a tile itself
        chosen = most_active(maps, max_channels or default)
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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the exact numbers.

        Returns:
            `activations/<layer>`, `images` (N, H, W, 3) uint8, padded with zeros to the largest face, and `sizes` (N, 2) of the faces.
        """
        images, sizes = pad_crops([face.pixels for face in self.faces])
        arrays = {f"activations/{name}": values for name, values in self.arrays.items()}
        return arrays | {"images": images, "sizes": sizes}

    def inputs(self) -> list[PathLike]:
        """Return the pictures that the faces come from."""
        return list(dict.fromkeys(face.source for face in self.faces if face.source))

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, settings, versions, time."""
        return manifest(command=self.command, **self.to_dict(), settings=self.settings)

    def _page(self, mode: str, start: int) -> slice:
        """-> the faces that one picture shows."""
        stop = min(start + self.page_size(mode), len(self.faces))
        if start >= stop:
            raise UsageError(f"there is no face number {start} to draw; there are {len(self.faces)}")
        return slice(start, stop)

    def _pixels(self, page: slice) -> list[np.ndarray]:
        return [face.pixels for face in self.faces[page]]

    def _notes(self, page: slice) -> list[str]:
        notes = [self._origin()]
        if page.stop - page.start < len(self.faces):
            notes.append(f"Faces {page.start + 1} to {page.stop} of {len(self.faces)}; a .npz file holds all of them.")
        return notes

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

    def _origin(self) -> str:
        digest = str(self.settings.get("model_sha256") or "")
        return f"Network {self.settings.get('model')}{f' ({digest[:8]})' if digest else ''}"


def choose_layers(model: Model, layers: str | Sequence[str] | None = None) -> list[LayerInfo]:
    """Return the layers whose outputs `activations` gives.

    Args:
        model: a network.
        layers: as of `activations`.

    Raises:
        UnknownNameError: the network has no layer of that name.
        ModelError: no layer of the network has a map.
    """
    names = [] if layers is None else split_names(layers, [layer.name for layer in model.layers])
    if names and "all" not in names:
        return [model.layer(name) for name in dict.fromkeys(names)]
    maps = [layer for layer in model.layers if layer.spatial]
    if not maps:
        raise ModelError(f"no layer of {model.name} has a map; name layers to see their units")
    return maps if names else _between_convolutions(maps)


def _between_convolutions(maps: Sequence[LayerInfo]) -> list[LayerInfo]:
    """-> the inputs of each convolution but the first, and the last map: at most FEW of them, evenly spread."""
    convolutions = [i for i, layer in enumerate(maps) if "Conv" in layer.kind]
    given = list(dict.fromkeys([*(i - 1 for i in convolutions[1:] if i > convolutions[0]), len(maps) - 1]))
    kept = np.unique(np.linspace(0, len(given) - 1, FEW).round().astype(int)) if len(given) > FEW else range(len(given))
    return [maps[given[i]] for i in kept]
