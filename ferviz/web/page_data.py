"""What the studio's page has to know from Python: networks, methods, regions, colours and examples, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.protocols import KerasBacked
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import MERGED, REGIONS, drawing
from ferviz.fills import NOISE
from ferviz.images import encode
from ferviz.models.compiled.compile import compile_model, versions
from ferviz.models.compiled.file import CompiledModel, pack_compiled
from ferviz.models.model import Model
from ferviz.rendering.colormaps import DIVERGING, table
from ferviz.trust.calibration import calibration_of
from ferviz.trust.deletion import FILLS, QUICK_STEPS
from ferviz.trust.recommendation import recommended, recommended_layer

if TYPE_CHECKING:
    from ferviz.web.kept_dreams import KeptDreams

SCHEMA_VERSION = 1
MAX_GRAIN = 1 << 20
"""Values of the harmonic fill's noise that are sent along; a network with a larger input does without."""

_AMOUNT = "inferno"


@dataclass(frozen=True)
class StudioNetwork:
    """A network as the page opens it.

    Attributes:
        name: of its file in the page's folder, without the suffix.
        content: the `.ferviz` file.
        grain: (h w c) float32 little-endian, the noise of the harmonic fill, b"" where there is none.
        record: what the page's data say about it.
        labels: (K,) class names.
        dreams: {path below the page's address: PNG}, of its channels.
    """

    name: str
    content: bytes = field(repr=False)
    grain: bytes = field(repr=False)
    record: dict[str, Any]
    labels: tuple[str, ...] = ()
    dreams: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def studio_network(model: Model, name: str, dreams: KeptDreams | None = None) -> StudioNetwork:
    """Return a network as the page opens it; one that is not compiled is compiled now.

    Args:
        model: the network.
        name: of its file.
        dreams: of the channels of one layer, if they were made.

    Raises:
        ModelError: it cannot be compiled.
    """
    compiled = _compiled(model)
    height, width, channels = compiled.network.size
    grain = b""
    if height * width * channels <= MAX_GRAIN:
        noise = np.random.default_rng(0).normal(0, NOISE, (height, width, channels))
        grain = noise.astype("<f4").tobytes()
    margin = calibration_of(model)
    choice = recommended(model, 1)
    record: dict[str, Any] = {
        "name": model.name,
        "file": f"networks/{name}.ferviz",
        "grain": f"networks/{name}.grain" if grain else None,
        "bytes": 0,
        "notes": list(model.notes),
        "assumed": list(model.input.assumed),
        "verdict": {
            "steps": QUICK_STEPS, "fills": list(FILLS), "delta": margin.delta(QUICK_STEPS), "calibrated": margin.calibrated,
        },
        "recommended": {
            "method": choice.method,
            "layer": choice.layer or recommended_layer(model, choice.method),
            "reason": choice.reason,
        },
    }  # fmt: skip
    if dreams is not None:
        record["dreams"] = {dreams.layer: dreams.record}
    content = pack_compiled(compiled)
    files = {} if dreams is None else dreams.files
    return StudioNetwork(name, content, grain, {**record, "bytes": len(content)}, model.labels, files)


def page_data(networks: Sequence[StudioNetwork], examples: Sequence[dict[str, str]], **choices: Any) -> dict[str, Any]:
    """Return the page's data.

    Args:
        networks: at least one; the first is the one that is shown.
        examples: [{"file", "title"}], pictures to begin with.
        **choices: of the command: server, notice, camera, video, data.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "version": metadata.version("ferviz"),
        **choices,
        "networks": [network.record for network in networks],
        "methods": [
            {
                "name": name,
                "title": METHODS[name].title or name,
                "summary": summary,
                "at": METHODS[name].at,
                "needs_explainer": METHODS[name].needs_explainer,
                "keras": KerasBacked in METHODS[name].needs,
            }
            for name, summary in METHODS.summaries().items()
        ],
        "regions": {
            "names": list(REGIONS),
            "merged": {name: list(parts) for name, parts in MERGED.items()},
            "template": TEMPLATE.tolist(),
            "drawings": {f"{border:.0f}": _runs(drawing(border)) for border in (0.0, -1.0, 1.0)},
        },
        "colormaps": {"amount": table(_AMOUNT).tolist(), "signed": table(DIVERGING).tolist()},
        "examples": list(examples),
    }


def example_pictures() -> dict[str, tuple[str, bytes]]:
    """Return pictures to begin with, all drawn: {file name: (title, PNG)}."""
    from ferviz.data.synthetic.cartoons import make

    drawn = make(7, seed=3, task="emotions", size=96)
    pictures: dict[str, tuple[str, bytes]] = {}
    for image, label in zip(drawn.images, drawn.labels, strict=True):
        name = drawn.names[int(label)]
        pictures.setdefault(f"drawn-{name}.png", (f"drawn, {name}", encode(image)))
    return pictures


def _compiled(model: Model) -> CompiledModel:
    engine = model.engine.compiled if isinstance(model.engine, FallbackEngine) else model.engine
    if isinstance(engine, LiteRTEngine):
        return CompiledModel(
            model.name, model.sha256, model.labels, model.input, engine.compiled, model.notes, versions()
        )
    return compile_model(model)


def _runs(values: np.ndarray) -> list[list[int]]:
    """-> [[length, value], ...] of an array of whole numbers."""
    flat = values.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    lengths = np.diff(np.append(starts, flat.size))
    return [[int(length), int(value)] for length, value in zip(lengths, flat[starts], strict=True)]
