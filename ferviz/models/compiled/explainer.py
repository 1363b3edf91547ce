"""A taught explainer: what `ferviz teach` adds to a network, so that one pass tells what hiding parts of a face would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.engines.base import Array, Engine
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.protocols import TaughtValues, supports
from ferviz.errors import ModelError
from ferviz.paths import is_file

if TYPE_CHECKING:
    from ferviz.models.model import Model


@dataclass(frozen=True)
class Lesson:
    """How an explainer was taught, and how well it did on faces that it was not taught with.

    Attributes:
        faces: how many it was taught with.
        fills: what stood there where faces were hidden.
        held_out: the fill that it was tested with, which it never saw.
        measured: {name: value} of the test: `faces`, how many; `rank`, the mean rank correlation of the regions' values with the exact
            ones; `top`, the share of faces whose most important region it names; and for comparison `rank_mean` and `top_mean`, those
            of the mean of each class's values, and `rank_other`, that of another face of the same class.
    """

    faces: int
    fills: tuple[str, ...]
    held_out: str
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TaughtExplainer:
    """A taught explainer, ready to answer.

    Attributes:
        compiled: executes it.
        lesson: how it was taught.
        attached: it lies in the file of the network that it explains, whose engine answers everything in one pass.
    """

    compiled: LiteRTEngine = field(repr=False)
    lesson: Lesson
    attached: bool = False

    def __call__(self, engine: Engine, batch: Array) -> tuple[Array, Array, Array]:
        """Answer about faces.

        Args:
            engine: of the network that it was taught for.
            batch: (N, h, w, c) float32, as the network takes them.

        Returns:
            The logits (N, K); the values (N, cells, cells, 2 K), what each cell of the face adds to each class's log-odds, then to each
            class's logit; and the errors (N, 2 K) that are expected of a region's value.

        Raises:
            ModelError: the engine cannot reach the layers that the explainer looks at.
        """
        if self.attached and supports(engine, TaughtValues):
            return engine.taught_values(batch)
        values, error = self.compiled.taught_values_from(engine.activations(batch, self.compiled.compiled.explainer))
        return engine.logits(batch), values, error


def find_explainer(model: Model, path: str = "") -> TaughtExplainer:
    """Return the explainer that was taught for a network.

    Args:
        model: the network.
        path: a file that `ferviz teach` wrote; "" = the model's own file, or one of the same name beside it that ends in .ferviz.

    Returns:
        The explainer.

    Raises:
        ModelError: there is none, or it was taught for another network.
    """
    if not path and model.explainer is not None:
        explainer: TaughtExplainer = model.explainer
        return explainer
    advice = "teach it with: ferviz teach DATA --model MODEL --out MODEL.ferviz, or take --method regions"
    beside = None if model.origin is None else Path(model.origin.path).with_suffix(".ferviz")
    file = Path(path) if path else beside
    if file is None or not (path or is_file(file)):
        raise ModelError(f"{model.name} has not been taught to explain itself; {advice}")
    return _read(model, file, advice)


def is_taught(model: Model) -> bool:
    """Return whether a network has an explainer.

    Args:
        model: the network.
    """
    try:
        find_explainer(model)
    except ModelError:
        return False
    return True


def _read(model: Model, file: Path, advice: str) -> TaughtExplainer:
    from ferviz.models.compiled.file import read_compiled

    taught: Any = read_compiled(file)
    if taught.lesson is None:
        raise ModelError(f"{file} holds a compiled network that has not been taught to explain itself; {advice}")
    if not model.sha256 or taught.sha256 != model.sha256:
        raise ModelError(
            f"{file} was taught to explain {taught.name} (SHA-256 {taught.sha256[:8] or 'unknown'}), and {model.name} has other weights "
            f"({model.sha256[:8] or 'no file'}), about which it knows nothing; {advice}"
        )
    return TaughtExplainer(LiteRTEngine(taught.network), taught.lesson)
