"""Filters: the kernels of a convolution, as they are; an answer that draws and saves itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.attribution.explanation import FIGURES, check_suffix
from ferviz.errors import UsageError, check_integer
from ferviz.files import PathLike, check_output, manifest, to_json, write_npz, write_text
from ferviz.images import encode, write_image
from ferviz.models.model import Model, as_model
from ferviz.rendering.kernels import CELLS, KernelGrid, kernel_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

ALONE, DEEP, INPUTS = 64, 16, 12
"""Most kernels of up to three input channels, most of deeper ones, and most input channels of each of those, unless told otherwise."""

_MOVING = {"ReverseV2", "StridedSlice", "GatherV2", "Conv2D", "DepthwiseConv2dNative", "MatMul"}


def filters(model: Model, layer: str) -> Filters:
    """Return the kernels of a convolution.

    model: a network; of one that is compiled, the network behind it is loaded. layer: the name of a convolution of any kind (plain,
    transposed, grouped, depthwise, separable). Raises UnknownNameError for a layer that is not there, UsageError for one without
    kernels, ModelError for a compiled model or SavedModel, which has none to give.
    """
    from ferviz.engines.conv_weights import kernels
    from ferviz.engines.topology import passed
    from ferviz.models.require_keras import require_keras

    info = as_model(model).layer(layer)
    engine = require_keras(model, "reading kernels")
    arrays = kernels(engine, layer) if any(layer == known.name for known in engine.layers) else {}
    if not arrays:
        having = [known.name for known in engine.layers if kernels(engine, known.name)]
        raise UsageError(
            f"layer {layer!r} ({info.kind}) of {model.name} has no kernels; "
            + (f"those that have are {', '.join(having)}" if having else "none of its layers has")
        )
    # Three input channels are colours where nothing on the way from the picture mixes or reorders them.
    colours = model.input.channels == 3 == arrays[next(iter(arrays))].shape[2] and not passed(engine, layer) & _MOVING
    names = {"rgb": ("red", "green", "blue"), "bgr": ("blue", "green", "red")}[model.input.order] if colours else ()
    settings = {"model": model.name, "model_sha256": model.sha256, "kind": info.kind}
    return Filters(layer, arrays, names, settings)


@dataclass(frozen=True, eq=False)
class Filters:
    """What `ferviz.filters` answers.

    layer: its name. arrays: {"kernel": (h, w, inputs, outputs)}, or {"depthwise": (h, w, channels, multiplier)}, or that and
    {"pointwise": (1, 1, inputs, outputs)} for a separable convolution; float32, the exact weights. The inputs of a grouped convolution are
    those of one group. colours: what the three input channels are where they are the picture's own, else empty.
    settings: model, model_sha256, kind.
    """

    layer: str
    arrays: dict[str, np.ndarray] = field(repr=False)
    colours: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def picture(self, *, most: int | None = None, shared: bool = True, scale: float = 1.0) -> Image.Image:
        """Return the kernels as an RGB picture: signed weights, white is zero.

        Kernels of up to three input channels are drawn whole; of deeper ones the input channels whose weights have the largest norm;
        1x1 kernels as one matrix. What is left out is said. most: output channels at most (None = 64, of deep kernels 16).
        shared: all kernels on one scale, else each on its own. scale: 1 for screens, 2 for fine print.
        """
        title, subtitle, notes = self._words()
        return kernel_picture(self._parts(most, shared), title=title, subtitle=subtitle, notes=notes, scale=scale)

    def plot(self, *, most: int | None = None, shared: bool = True) -> Figure:
        """Return the kernels as a matplotlib Figure (made without pyplot); arguments as for `picture`."""
        from ferviz.rendering.figures import kernels_figure

        return kernels_figure(self._parts(most, shared), *self._words())

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data: model, layer, kind, and the shape of each array."""
        shapes = {name: list(values.shape) for name, values in self.arrays.items()}
        return {**self.settings, "layer": self.layer, "kernels": shapes, "colours": list(self.colours)}

    def save(self, path: PathLike, force: bool = False, **options: Any) -> None:
        """Write the kernels; the suffix says as what, and the manifest goes along.

        path: .png, .jpg, .webp ... = the picture; .pdf, .svg = the figure; .npz = `kernels/<name>` with the exact weights, all of them,
        and `manifest`; .json = `to_dict`. force: replace an existing file. options: as for `picture`.
        Raises UsageError for another suffix, OutputExistsError, OutputError.
        """
        suffix = Path(path).suffix.lower()
        check_suffix(path)
        check_output(path, force)
        about = manifest(command="layers", **self.to_dict())
        if suffix == ".npz":
            write_npz(path, {f"kernels/{name}": values for name, values in self.arrays.items()}, about, force)
        elif suffix == ".json":
            write_text(path, to_json(about, indent=2) + "\n", force)
        elif suffix in FIGURES:
            from ferviz.rendering.figures import write_figure

            options.pop("scale", None)
            write_figure(path, self.plot(**options), about, force)
        else:
            write_image(path, self.picture(**options), manifest=about, force=force)

    def _repr_png_(self) -> bytes:
        return encode(self.picture(), ".png")

    def _words(self) -> tuple[str, str, tuple[str, ...]]:
        shapes = []
        for name, values in self.arrays.items():
            h, w, inputs, outputs = values.shape
            ends = f"{inputs} channels, {outputs} each" if name == "depthwise" else f"{inputs} to {outputs} channels"
            shapes.append(f"{'' if name == 'kernel' else name + ' '}{h}x{w}, {ends}")
        digest = str(self.settings.get("model_sha256") or "")
        about = f"Network {self.settings.get('model')}{f' ({digest[:8]})' if digest else ''}. White is zero"
        about += ", grey in the row of colours." if self.colours else "."
        return self.layer, f"{self.settings.get('kind')}, " + "; ".join(shapes), (about,)

    def _parts(self, most: int | None, shared: bool) -> list[KernelGrid]:
        if most is not None:
            check_integer("most", most, 1)
        titled = len(self.arrays) > 1
        return [
            _grid(values, name, name if titled else "", most, shared, self.colours)
            for name, values in self.arrays.items()
        ]


def _grid(
    values: np.ndarray, name: str, title: str, most: int | None, shared: bool, colours: tuple[str, ...]
) -> KernelGrid:
    """-> what of (h, w, inputs, outputs) is drawn, chosen and named."""
    h, w, inputs, outputs = values.shape
    names = [str(n) for n in range(outputs)]
    if name == "depthwise":  # every kernel stands alone: nothing is summed over the channels
        names = [str(c) if outputs == 1 else f"{c}.{n}" for c in range(inputs) for n in range(outputs)]
        values, colours = values.reshape(h, w, 1, inputs * outputs), ()
        inputs, outputs = 1, inputs * outputs
    pointwise = h == w == 1 and inputs > 1
    room = CELLS if pointwise else most or (ALONE if inputs <= 3 else DEEP)
    across = _strongest(values, 3, min(room, most or room))
    down = _strongest(values[..., across], 2, CELLS if pointwise else max(INPUTS, 3))
    words = []
    if len(across) < outputs or len(down) < inputs:
        kept = [f"{len(across)} of {outputs} {'kernels' if inputs == 1 else 'output channels'}"] * (
            len(across) < outputs
        )
        kept += [f"{len(down)} of {inputs} input channels"] * (len(down) < inputs)
        words.append(f"Shown: {' and '.join(kept)}, those of the largest norm, largest first; a .npz file holds all.")
    limits = np.abs(values[..., across]).max(axis=(0, 1, 2))
    limits = np.full(len(across), limits.max()) if shared else limits
    shown = values[..., across][:, :, down]
    rows = ("",) if inputs == 1 else tuple(colours or (f"in {n}" for n in range(inputs)))
    rgb = [colours.index(c) for c in ("red", "green", "blue")] if colours else None
    return KernelGrid(
        shown, tuple(rows[n] for n in down), tuple(names[n] for n in across), np.where(limits > 0, limits, 1.0), shared, title,
        tuple(words), None if rgb is None else values[:, :, rgb][..., across],
    )  # fmt: skip


def _strongest(values: np.ndarray, axis: int, most: int) -> list[int]:
    """Return the numbers of all channels along `axis`, or of the `most` with the largest norm, largest first, where there are more."""
    if values.shape[axis] <= most:
        return list(range(values.shape[axis]))
    norms = np.sqrt((values.astype(np.float64) ** 2).sum(axis=tuple({0, 1, 2, 3} - {axis})))
    return [int(n) for n in np.argsort(-norms, kind="stable")[:most]]
