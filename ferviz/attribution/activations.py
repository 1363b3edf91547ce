"""Activations: the outputs of a network's layers for some faces; a result that draws and saves itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution.sheets.activation_sheet import ActivationSheet
from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, UsageError, check_integer
from ferviz.faces.crops import as_faces, pad_crops
from ferviz.faces.face import Face
from ferviz.files import PathLike
from ferviz.manifests import manifest
from ferviz.models.features import activation_after
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import face_record, picture_records
from ferviz.registry import split_names
from ferviz.rendering.printed_result import PrintedResult
from ferviz.rendering.printing import PrintSize, figure_size, screen_or_print
from ferviz.rendering.sheets.bare import fill_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

FEW = 8
"""Most layers that are shown by default."""


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
    after = {name: activation_after(model.layers, name) for name in names if model.layer(name).spatial}
    read = list(dict.fromkeys([*names, *filter(None, after.values())]))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in read}
    for start in range(0, len(faces), batch_size):
        outputs = model.engine.activations(model.preprocess(faces[start : start + batch_size]), read)
        for name, values in zip(read, outputs, strict=True):
            # Of an activation that nobody asked for only the strength of its channels is kept.
            parts[name].append(values if name in names else values.mean(axis=(1, 2)))
    arrays = {name: np.concatenate(parts[name]) for name in names}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ModelError(
                f"the output of layer {name!r} of {model.name} is NaN or infinite; the weights there or before it are damaged or too "
                "large, so load the network from a good file or train it again"
            )
    passed = {}
    for name, activation in after.items():
        if activation is not None:
            strengths = np.concatenate(parts[activation])
            passed[name] = activation, strengths if strengths.ndim == 2 else strengths.mean(axis=(1, 2))
    settings = {"model": model.name, "model_sha256": model.sha256, "engine": model.engine.name}
    return Activations(arrays, tuple(faces), settings, passed, model.cautions)


@dataclass(frozen=True, eq=False)
class Activations(PrintedResult):
    """What `ferviz.activations` returns.

    Attributes:
        arrays: {layer: (N, h, w, C) float32 for a layer with maps, (N, C) for one without}, in the order of the network.
        faces: the N faces.
        settings: model, model_sha256, engine.
        passed: {layer: (the activation that its maps run through next, (N, C) the mean of that activation's output)}, for the layers
            that have one. Channels are drawn in this order.
        warnings: what had to be assumed about the network.
    """

    command: ClassVar[str] = "activations"

    arrays: dict[str, np.ndarray] = field(repr=False)
    faces: tuple[Face, ...] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    passed: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in self.arrays.items())
        return f"Activations({len(self.faces)} faces; {shapes})"

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers."""
        return tuple(self.arrays)

    def picture(
        self, mode: str = "mean", *, layer: str | None = None, max_channels: int | None = None, shared_scale: bool = True,
        start: int = 0, zoom: float = 1.0, cmap: str | None = None, title: str | None = None, width_mm: float | None = None,
        dpi: float | None = None, font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Return the activations as an RGB picture, without matplotlib.

        A scale ends at the 99.5th percentile of the magnitudes, so that one hot place does not blacken everything else. Maps with
        values below zero (before their activation) are signed: white is zero.

        Args:
            mode: "mean" = rows are faces, columns the input and each layer's mean over its channels; "channels" = the channels of one
                layer, those first that pass on most after their activation: as tiles for one face, as columns for several.
            layer: the layer whose channels are drawn, where there are several.
            max_channels: how many channels, at most 256; None = 64.
            shared_scale: all channels on one scale, else each on its own.
            start: the first face; a page holds `page_size` of them.
            zoom: 1 for screens, 2 for fine print.
            cmap: a colour map of ferviz's or matplotlib's; None = the usual ones.
            title: None = what is shown, "" = none.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no face to draw, `layer` is needed or has no map, or there is no such page.
            UnknownNameError: an unknown mode or layer.
        """
        options: dict[str, Any] = {"layer": layer, "max_channels": max_channels, "shared_scale": shared_scale}
        draw = ActivationSheet(self, mode, cmap, title, screen_or_print(width_mm, dpi, font_size), zoom, **options).draw
        stop = min(start + self.page_size(mode), len(self.faces))
        if start >= stop:
            raise UsageError(f"there is no face number {start} to draw; there are {len(self.faces)}")
        return draw(start, stop - start)

    def page_size(self, mode: str = "mean") -> int:
        """Return how many faces one picture shows.

        Args:
            mode: as for `picture`.
        """
        from ferviz.rendering.sheets import activation_grids as grids

        return grids.page_size(len(self.arrays)) if mode == "mean" else grids.ROWS

    def plot(
        self, mode: str = "mean", *, ax: Any = None, layer: str | None = None, max_channels: int | None = None,
        shared_scale: bool = True, figsize: tuple[float, float] | None = None, cmap: str | None = None, title: str | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page as a matplotlib Figure (made without pyplot), for papers; or draw into axes of yours.

        Args:
            mode, layer, max_channels, shared_scale, cmap, dpi, font_size: as in `picture`.
            ax: matplotlib Axes that take the maps and nothing else: one, or as many as there are maps (faces by layers or channels).
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            title: above the figure, or above each map in `ax`; None = what is shown, "" = none.
            width_mm: of the page; None = 174.

        Raises:
            UsageError: there are not as many axes as maps, or no such page.
        """
        options: dict[str, Any] = {"layer": layer, "max_channels": max_channels, "shared_scale": shared_scale}
        if ax is not None:
            names, maps = ActivationSheet(self, mode, cmap, **options).tiles()
            return fill_axes(ax, maps, names, title)
        options |= {"cmap": cmap, "title": title, "width_mm": width_mm, "dpi": dpi, "font_size": font_size}
        return self.first_page(mode, figsize=figsize, **options)

    def printed_pages(
        self, mode: str = "mean", *, cmap: str | None = None, title: str | None = None, width_mm: float | None = None,
        dpi: float | None = None, font_size: float | None = None, figsize: tuple[float, float] | None = None, **options: Any,
    ) -> tuple[list[Image.Image], PrintSize]:  # fmt: skip
        """Return all faces as printed pages, and their size.

        Args:
            mode, cmap, title, width_mm, dpi, font_size, figsize: as in `plot`.
            **options: the other keyword arguments of `plot`, without `ax`.
        """
        size = figure_size(figsize, width_mm, dpi, font_size)
        return ActivationSheet(self, mode, cmap, title, size, **options).pages(), size

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data: model, engine, the layers with their shapes, warnings, and `pictures` with their faces."""
        return {
            "model": self.settings.get("model"),
            "engine": self.settings.get("engine"),
            "layers": [{"name": name, "shape": list(values.shape[1:])} for name, values in self.arrays.items()],
            "warnings": list(self.warnings),
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
