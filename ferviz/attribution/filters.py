"""Filters: the kernels of a convolution, as they are; a result that draws and saves itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.errors import UsageError, check_integer
from ferviz.models.model import Model, as_model
from ferviz.rendering.printed_result import PrintedResult
from ferviz.rendering.printing import PrintSize, figure_size, screen_or_print
from ferviz.rendering.sheets.bare import SIDE, squares
from ferviz.rendering.sheets.filter_tiles import CELLS, KernelGrid, bare_kernels, kernel_pages, kernel_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

ALONE, DEEP, INPUTS = 64, 16, 12
"""Most kernels of up to three input channels, most of deeper ones, and most input channels of each of those, by default."""

_MOVING = {"ReverseV2", "StridedSlice", "GatherV2", "Conv2D", "DepthwiseConv2dNative", "MatMul"}


def filters(model: Model, layer: str) -> Filters:
    """Return the kernels of a convolution.

    Args:
        model: a network; of one that is compiled, the network behind it is loaded.
        layer: the name of a convolution of any kind (plain, transposed, grouped, depthwise, separable).

    Returns:
        Its kernels, all of them and exact.

    Raises:
        UnknownNameError: the network has no layer of that name.
        UsageError: the layer has no kernels.
        ModelError: the network is a compiled file or a SavedModel, which holds no kernels.
    """
    from ferviz.engines.graph.topology import kernels, operations_before
    from ferviz.models.require_graph import require_graph

    info = as_model(model).layer(layer)
    engine = require_graph(model, "reading kernels")
    arrays = kernels(engine, layer) if any(layer == known.name for known in engine.layers) else {}
    if not arrays:
        names = [known.name for known in engine.layers if kernels(engine, known.name)]
        raise UsageError(
            f"layer {layer!r} ({info.kind}) of {model.name} has no kernels; "
            + (f"these layers have: {', '.join(names)}" if names else "none of its layers has")
        )
    # Three input channels are colours where nothing on the way from the picture mixes or reorders them.
    colours = (
        model.input.channels == 3 == arrays[next(iter(arrays))].shape[2]
        and not operations_before(engine, layer) & _MOVING
    )
    channels = {"rgb": ("red", "green", "blue"), "bgr": ("blue", "green", "red")}[model.input.order] if colours else ()
    settings = {"model": model.name, "model_sha256": model.sha256, "kind": info.kind}
    return Filters(layer, arrays, channels, settings)


@dataclass(frozen=True, eq=False)
class Filters(PrintedResult):
    """What `ferviz.filters` returns.

    Attributes:
        layer: its name.
        arrays: {"kernel": (h, w, inputs, outputs)}, or {"depthwise": (h, w, channels, multiplier)}, or that and {"pointwise": (1, 1,
            inputs, outputs)} for a separable convolution; float32, the exact weights. The inputs of a grouped convolution are those
            of one group.
        colours: what the three input channels are where they are the picture's own, else empty.
        settings: model, model_sha256, kind.
    """

    command: ClassVar[str] = "layers"

    layer: str
    arrays: dict[str, np.ndarray] = field(repr=False)
    colours: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def picture(
        self, *, max_channels: int | None = None, shared_scale: bool = True, zoom: float = 1.0, width_mm: float | None = None,
        dpi: float | None = None, font_size: float | None = None,
    ) -> Image.Image:  # fmt: skip
        """Return the kernels as an RGB picture: signed weights, white is zero.

        Kernels of up to three input channels are drawn with all of them; of deeper ones the input channels whose weights have the
        largest norm; 1x1 kernels as one matrix. A note says what is left out.

        Args:
            max_channels: output channels at most; None = 64, of deep kernels 16.
            shared_scale: all kernels on one scale, else each on its own.
            zoom: 1 for screens, 2 for fine print.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: `max_channels` is not a whole number of 1 or more, or there is no such page.
        """
        grids, size = self._grids(max_channels, shared_scale), screen_or_print(width_mm, dpi, font_size)
        return kernel_picture(grids, **self._words(), zoom=zoom, printing=size)

    def kernel_images(
        self, side: int = SIDE, *, max_channels: int | None = None, shared_scale: bool = True
    ) -> dict[str, Image.Image]:
        """Return the kernels without a page around them, each weight a square: {name of the array: RGB picture}.

        Args:
            side: of the longer side, in pixels.
            max_channels, shared_scale: as for `picture`.
        """
        check_integer("side", side, 1)
        cells = zip(self.arrays, map(bare_kernels, self._grids(max_channels, shared_scale)), strict=True)
        return {name: squares(pixels, side) for name, pixels in cells}

    def plot(
        self, *, max_channels: int | None = None, shared_scale: bool = True, figsize: tuple[float, float] | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the first printed page as a matplotlib Figure (made without pyplot).

        Args:
            max_channels, shared_scale, dpi, font_size: as for `picture`.
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            width_mm: of the page; None = 174.
        """
        return self.first_page(
            max_channels=max_channels, shared_scale=shared_scale, figsize=figsize, width_mm=width_mm, dpi=dpi,
            font_size=font_size,
        )  # fmt: skip

    def printed_pages(
        self, *, max_channels: int | None = None, shared_scale: bool = True, figsize: tuple[float, float] | None = None,
        width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None,
    ) -> tuple[list[Image.Image], PrintSize]:  # fmt: skip
        """Return all kernels as printed pages, and their size.

        Args:
            max_channels, shared_scale, figsize, width_mm, dpi, font_size: as in `plot`.
        """
        size = figure_size(figsize, width_mm, dpi, font_size)
        return kernel_pages(self._grids(max_channels, shared_scale), size, **self._words()), size

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data: model, layer, kind, and the shape of each array."""
        shapes = {name: list(values.shape) for name, values in self.arrays.items()}
        return {**self.settings, "layer": self.layer, "kernels": shapes, "colours": list(self.colours)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the exact weights, all of them: `kernels/<name>`."""
        return {f"kernels/{name}": values for name, values in self.arrays.items()}

    def _words(self) -> dict[str, Any]:
        shapes = []
        for name, values in self.arrays.items():
            h, w, inputs, outputs = values.shape
            ends = f"{inputs} channels, {outputs} each" if name == "depthwise" else f"{inputs} to {outputs} channels"
            shapes.append(f"{'' if name == 'kernel' else name + ' '}{h}x{w}, {ends}")
        digest = str(self.settings.get("model_sha256") or "")
        about = f"Network {self.settings.get('model')}{f' ({digest[:8]})' if digest else ''}. White is zero"
        about += ", grey in the row of colours." if self.colours else "."
        subtitle = f"{self.settings.get('kind')}, " + "; ".join(shapes)
        return {"title": self.layer, "subtitle": subtitle, "notes": (about,)}

    def _grids(self, max_channels: int | None, shared_scale: bool) -> list[KernelGrid]:
        if max_channels is not None:
            check_integer("max_channels", max_channels, 1)
        several = len(self.arrays) > 1
        return [
            _grid(values, name, name if several else "", max_channels, shared_scale, self.colours)
            for name, values in self.arrays.items()
        ]


def _grid(
    values: np.ndarray, name: str, title: str, max_channels: int | None, shared_scale: bool, colours: tuple[str, ...]
) -> KernelGrid:
    """-> what of (h, w, inputs, outputs) is drawn, chosen and named."""
    h, w, inputs, outputs = values.shape
    names = [str(n) for n in range(outputs)]
    if name == "depthwise":  # every kernel stands alone: nothing is summed over the channels
        names = [str(c) if outputs == 1 else f"{c}.{n}" for c in range(inputs) for n in range(outputs)]
        values, colours = values.reshape(h, w, 1, inputs * outputs), ()
        inputs, outputs = 1, inputs * outputs
    pointwise = h == w == 1 and inputs > 1
    room = CELLS if pointwise else max_channels or (ALONE if inputs <= 3 else DEEP)
    across = _strongest(values, 3, min(room, max_channels or room))
    down = _strongest(values[..., across], 2, CELLS if pointwise else max(INPUTS, 3))
    notes = []
    if len(across) < outputs or len(down) < inputs:
        kept = [f"{len(across)} of {outputs} {'kernels' if inputs == 1 else 'output channels'}"] * (
            len(across) < outputs
        )
        kept += [f"{len(down)} of {inputs} input channels"] * (len(down) < inputs)
        notes.append(f"Shown: {' and '.join(kept)}, those of the largest norm, largest first; a .npz file holds all.")
    vmax = np.abs(values[..., across]).max(axis=(0, 1, 2))
    vmax = np.full(len(across), vmax.max()) if shared_scale else vmax
    shown = values[..., across][:, :, down]
    rows = ("",) if inputs == 1 else tuple(colours or (f"in {n}" for n in range(inputs)))
    rgb = [colours.index(c) for c in ("red", "green", "blue")] if colours else None
    return KernelGrid(
        shown, tuple(rows[n] for n in down), tuple(names[n] for n in across), np.where(vmax > 0, vmax, 1.0), shared_scale, title,
        tuple(notes), None if rgb is None else values[:, :, rgb][..., across],
    )  # fmt: skip


def _strongest(values: np.ndarray, axis: int, count: int) -> list[int]:
    """-> the numbers of all channels along `axis`; where there are more than `count`, of those with the largest norm, largest first."""
    if values.shape[axis] <= count:
        return list(range(values.shape[axis]))
    norms = np.sqrt((values.astype(np.float64) ** 2).sum(axis=tuple({0, 1, 2, 3} - {axis})))
    return [int(n) for n in np.argsort(-norms, kind="stable")[:count]]
