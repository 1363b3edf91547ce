"""The two faces of the network in training: one that learns (logits, fast arithmetic), one that is saved (float32, softmax)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.errors import DataError
from ferviz.files import atomic, to_json, write_text
from ferviz.models.architectures import build
from ferviz.models.architectures.layers import load_keras
from ferviz.training.precision import policy, resolve

if TYPE_CHECKING:
    from ferviz.training.run_folder import Plan

VOTES = 8
"""FERPlus' emotions; its columns "unknown" and "not a face" are not learned."""


@dataclass
class Networks:
    """A network as it learns and as it is saved, with the same weights.

    learning: what the optimizer works on (saved's logits; behind them the auxiliary head's). core: the part of `learning` that is
    saved. saved: float32, softmax. sidecar: what the file does not say. size: (height, width, channels) of the input.
    votes: outputs of the auxiliary head, 0 without. teach: see batches.Source.
    """

    learning: Any
    core: Any
    saved: Any
    sidecar: dict[str, Any]
    size: tuple[int, int, int]
    votes: int = 0
    teach: Callable[[np.ndarray], np.ndarray] | None = None

    def targets(self, part: Dataset, soft: np.ndarray) -> np.ndarray:
        """Return the targets of `part`: (N, K) soft labels, with the votes beside them where the auxiliary head learns them."""
        return np.concatenate([soft, vote_shares(part)], 1) if self.votes else soft

    def save(self, folder: Path, name: str) -> None:
        """Write the weights that `learning` has now as `<name>.keras` with its sidecar, each atomically."""
        self.saved.set_weights(self.core.get_weights())
        with atomic(folder / f"{name}.keras") as temporary:
            self.saved.save(temporary)
        write_text(folder / f"{name}.ferviz.json", to_json(self.sidecar, indent=2) + "\n")


def prepare(plan: Plan) -> Networks:
    """Build what `plan` asks for. Raises UsageError, ModelError (start or a teacher cannot be used), DataError (no votes)."""
    classes = len(plan.faces.scheme)
    if plan.start is not None:
        from ferviz.training.fine_tuning import pair_from_file

        core, saved = pair_from_file(plan.start, plan.faces.names)
    else:
        with policy(resolve(plan.recipe.precision)):
            core = build(plan.architecture, classes, seed=plan.seed, logits=True, **plan.options)
        with policy("float32"):
            saved = build(plan.architecture, classes, seed=plan.seed, **plan.options)
    freeze(core, plan.recipe.freeze)
    height, width, channels = saved.inputs[0].shape[1:]
    size = (height or 48, width or 48, channels)
    made = Networks(core, core, saved, sidecar(plan, size), size)
    if plan.recipe.votes:
        if plan.faces.votes is None:
            raise DataError(
                "the votes are to be learned too, but the data has none; name FERPlus' fer2013new.csv with --votes"
            )
        made.learning, made.votes = _with_votes(core, plan.seed), VOTES
    if plan.teachers:
        from ferviz.training.distillation import answers

        made.teach = answers(plan.teachers, plan.faces.names, resolve(plan.recipe.precision))
    return made


def freeze(network: Any, layers: int) -> None:
    """Keep the weights of the first `layers` layers that have any, those of nested networks counted one by one."""
    kept = [layer for layer in network._flatten_layers() if layer.weights and not hasattr(layer, "layers")]
    for layer in kept[:layers]:
        layer.trainable = False


def vote_shares(part: Dataset) -> np.ndarray:
    """Return (N, 8) float32, FERPlus' votes as shares of the eight emotions; zeros where nobody voted for one."""
    assert part.votes is not None
    votes = part.votes[:, :VOTES].astype(np.float32)
    return votes / np.maximum(votes.sum(1, keepdims=True), 1)


def _with_votes(core: Any, seed: int) -> Any:
    """Return a network of (K + 8) outputs: `core`'s logits and, from what its last dense layer sees, the votes'."""
    keras = load_keras()
    last = core.layers[-1]
    features = last.input if isinstance(last, keras.layers.Dense) else core.outputs[0]
    start = keras.initializers.GlorotUniform(seed=seed + 1)
    head = keras.layers.Dense(VOTES, kernel_initializer=start, dtype="float32", name="votes")
    both = keras.layers.Concatenate(dtype="float32", name="outputs")([core.outputs[0], head(features)])
    return keras.Model(core.inputs[0], both, name="learning")


def sidecar(plan: Plan, size: tuple[int, int, int]) -> dict[str, Any]:
    """Return what is written as `<network>.ferviz.json`: labels and input spec, and what it is for those who ask."""
    about = {"architecture": plan.architecture, "options": plan.options, "scheme": plan.faces.scheme.name}
    if plan.start is not None:
        about = {"start": plan.start, "scheme": plan.faces.scheme.name}
    spec: dict[str, Any] = {"height": size[0], "width": size[1], "scaling": "0..255", "resize": "uint8"}
    if size[2] == 3:
        spec["order"] = "rgb"
    return {"schema_version": 1, "labels": list(plan.faces.names), "input": spec, "about": about}
