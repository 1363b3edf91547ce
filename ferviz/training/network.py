"""The two forms of a network in training: one that learns (logits, fast arithmetic), one that is saved (float32, softmax)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.engines.precision import check_bfloat16, has_bfloat16
from ferviz.errors import DataError, UsageError
from ferviz.files import atomic, write_text
from ferviz.manifests import to_json
from ferviz.models.architectures import build
from ferviz.models.architectures.layers import load_keras
from ferviz.training.losses.additive import additive_network

if TYPE_CHECKING:
    from ferviz.training.run_folder import Plan

FERPLUS_OUTPUTS = 8
"""FERPlus' emotions; its columns "unknown" and "not a face" are not learned."""

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
"""Keras' dtype policy for each precision: the weights are float32 under all of them."""


def resolve_precision(precision: str) -> str:
    """Return the number format that a network trains in on this machine.

    Args:
        precision: "float32", "bfloat16", "float16", or "auto" for bfloat16 where a GPU or the processor itself (AMX, AVX512-BF16)
            computes it and float32 elsewhere.

    Raises:
        UsageError: "bfloat16", where ONEDNN_MAX_CPU_ISA in the environment keeps TensorFlow from computing in it.
    """
    if precision in ("float32", "float16"):
        return precision
    on_tensorflow = load_keras().config.backend() == "tensorflow"
    if on_tensorflow:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return "bfloat16"
    if precision == "auto":
        return "bfloat16" if has_bfloat16() else "float32"
    if on_tensorflow:
        check_bfloat16("bfloat16", "float32")
    return precision


@contextlib.contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Within the block, build layers for a precision; afterwards the process' own policy holds again.

    Args:
        precision: "float32", "bfloat16" or "float16".
    """
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclass
class Networks:
    """A network as it learns and as it is saved, with the same weights.

    Attributes:
        learning: the network that the optimizer works on: the saved network's logits and, behind them, the auxiliary head's or, in
            additive training, the cells' errors.
        core: the part of `learning` that is saved.
        saved: the saved network: float32, with softmax.
        sidecar: labels and input spec, which the network's file does not hold.
        size: (height, width, channels) of the input.
        ferplus_outputs: outputs of the auxiliary head that learns FERPlus' votes; 0 without one.
        teacher: see `ferviz.training.batches.Source`.
    """

    learning: Any
    core: Any
    saved: Any
    sidecar: dict[str, Any]
    size: tuple[int, int, int]
    ferplus_outputs: int = 0
    teacher: Callable[[np.ndarray], np.ndarray] | None = None

    def targets(self, part: Dataset, soft: np.ndarray) -> np.ndarray:
        """Return the targets of some faces: soft labels, with the votes beside them where the auxiliary head learns them.

        Args:
            part: the faces.
            soft: (N, K) float32, their soft labels.
        """
        return np.concatenate([soft, vote_shares(part)], 1) if self.ferplus_outputs else soft

    def save(self, folder: Path, name: str) -> None:
        """Write the present weights of `learning` as `<name>.keras` with its sidecar, each atomically.

        Args:
            folder: the run folder.
            name: the file's name without its suffix.
        """
        self.saved.set_weights(self.core.get_weights())
        with atomic(folder / f"{name}.keras", durable=True) as temporary:
            self.saved.save(temporary)
        self.save_sidecar(folder, name)

    def save_sidecar(self, folder: Path, name: str) -> None:
        """Write the sidecar of `<name>.keras`, atomically.

        Args:
            folder: the run folder.
            name: the file's name without its suffix.
        """
        write_text(folder / f"{name}.ferviz.json", to_json(self.sidecar, indent=2) + "\n")


def build_networks(plan: Plan) -> Networks:
    """Return the networks of a run.

    Args:
        plan: the run.

    Raises:
        UsageError: an option of the architecture is wrong.
        ModelError: `init_from` or a teacher cannot be used, or the network cannot be trained additively.
        DataError: the votes are to be learned and the data has none.
    """
    config = plan.config
    if config.additive_weight and plan.init_from is None:
        raise UsageError("additive training starts from a trained network; name it as init_from (--init-from)")
    classes = len(plan.faces.scheme)
    if plan.init_from is not None:
        from ferviz.training.fine_tuning import pair_from_file

        core, saved = pair_from_file(plan.init_from, plan.faces.names, resolve_precision(config.precision))
    else:
        with dtype_policy(resolve_precision(config.precision)):
            core = build(plan.architecture, classes, seed=config.seed, logits=True, **plan.options)
        with dtype_policy("float32"):
            saved = build(plan.architecture, classes, seed=config.seed, **plan.options)
    freeze(core, config.freeze)
    height, width, channels = saved.inputs[0].shape[1:]
    size = (height or 48, width or 48, channels)
    networks = Networks(core, core, saved, sidecar(plan, size), size)
    if config.ferplus_weight:
        if plan.faces.votes is None:
            raise DataError(
                "ferplus_weight needs FERPlus' votes, and the data has none; name fer2013new.csv with --votes"
            )
        networks.learning, networks.ferplus_outputs = _with_votes(core, config.seed), FERPLUS_OUTPUTS
    if config.additive_weight:
        networks.learning = additive_network(core)
    if config.teachers:
        from ferviz.training.losses.distillation import teacher_logits

        precision = resolve_precision(config.precision)
        networks.teacher = teacher_logits(config.teachers, plan.faces.names, precision)
    return networks


def freeze(network: Any, layers: int) -> None:
    """Keep the weights of a network's first layers while it trains.

    Args:
        network: a keras.Model.
        layers: how many; layers without weights do not count, those of nested networks count one by one.
    """
    kept = [layer for layer in network._flatten_layers() if layer.weights and not hasattr(layer, "layers")]
    for layer in kept[:layers]:
        layer.trainable = False


def vote_shares(part: Dataset) -> np.ndarray:
    """Return FERPlus' votes as shares of the eight emotions, (N, 8) float32; zeros where nobody voted for one of them.

    Args:
        part: faces with votes.
    """
    assert part.votes is not None
    votes = part.votes[:, :FERPLUS_OUTPUTS].astype(np.float32)
    return votes / np.maximum(votes.sum(1, keepdims=True), 1)


def _with_votes(core: Any, seed: int) -> Any:
    """Return a network of (K + 8) outputs: `core`'s logits and, from the input of its last dense layer, the votes'."""
    keras = load_keras()
    last = core.layers[-1]
    features = last.input if isinstance(last, keras.layers.Dense) else core.outputs[0]
    start = keras.initializers.GlorotUniform(seed=seed + 1)
    head = keras.layers.Dense(FERPLUS_OUTPUTS, kernel_initializer=start, dtype="float32", name="votes")
    both = keras.layers.Concatenate(dtype="float32", name="outputs")([core.outputs[0], head(features)])
    return keras.Model(core.inputs[0], both, name="learning")


def sidecar(plan: Plan, size: tuple[int, int, int]) -> dict[str, Any]:
    """Return the sidecar of a run's networks: labels, input spec, and how the network came about.

    Args:
        plan: the run.
        size: (height, width, channels) of the input.
    """
    about = {"architecture": plan.architecture, "options": plan.options, "scheme": plan.faces.scheme.name}
    if plan.init_from is not None:
        about = {"init_from": plan.init_from, "scheme": plan.faces.scheme.name}
    spec: dict[str, Any] = {"height": size[0], "width": size[1], "scaling": "0..255", "resize": "uint8"}
    if size[2] == 3:
        spec["order"] = "rgb"
    return {"schema_version": 1, "labels": list(plan.faces.names), "input": spec, "about": about}
