"""Load weights from a file into a network, whichever version of Keras stored them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.backend import running
from ferviz.errors import ModelError
from ferviz.models.formats.build import leaf_layers
from ferviz.models.formats.read import keras_origin, one_line, open_hdf5, read_attribute, read_names
from ferviz.native_logs import without_warnings

Values = list[tuple[str, np.ndarray]]
"""(stored name, array) of each weight of a layer, in the stored order."""

_NUMBERS = "biuf"
"""NumPy's kinds of types that weights have."""

_FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_STATE = ("statevar", "state_var", "seed", "rng_state", "seed_generator_state")
_OLD_CONTAINER = "_layer_checkpoint_dependencies"
_KERAS3_GROUPS = ("layers", _OLD_CONTAINER, "vars", "_operations", "_functional")


def count_weights(source: Path | bytes, where: str) -> int:
    """Count the numbers of all weights in an HDF5 file.

    Args:
        source: a path, or the bytes of a file.
        where: the file's name, for messages.

    Raises:
        ModelError: the file is damaged.
    """
    total = 0
    with open_hdf5(source, where) as file:

        def add(name: str, item: Any) -> None:
            nonlocal total
            if hasattr(item, "dtype") and not name.startswith("optimizer"):
                total += int(item.size)

        file.visititems(add)
    return total


def is_keras3_layout(file: Any) -> bool:
    """Return whether weights are stored as by Keras 3 (and tf.keras since 2.12): groups that mirror the network, without lists of names.

    Args:
        file: an open h5py.File.
    """
    return "layer_names" not in file.attrs and "layer_names0" not in file.attrs and "model_weights" not in file and (
        any(key.replace("\\", "/").split("/")[0] in _KERAS3_GROUPS for key in file)
    )  # fmt: skip


def load_weights(network: Any, source: Path | bytes, where: str, note: Callable[[str], None]) -> None:
    """Load the weights of an HDF5 file into a network.

    Args:
        network: a keras.Model.
        source: a path, or the bytes of a file.
        where: the file's name, for messages.
        note: takes a sentence about what was assumed.

    Raises:
        ModelError: names, numbers or shapes do not fit, or a weight is not finite.
    """
    with open_hdf5(source, where) as file:
        if is_keras3_layout(file):
            _load_keras3(network, file, where)
        else:
            group = file.get("model_weights", file)
            version, backend = keras_origin(file)
            _load_by_layer(network, _stored(group, where), where, _Origin(version, backend, note))
    for layer in leaf_layers(network):
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()
    check_finite(network, where, "the file is damaged")


def check_finite(network: Any, where: str, advice: str) -> None:
    """Check that every weight of a network is a finite number.

    Args:
        network: a keras.Model.
        where: the network or its file, for messages.
        advice: what the user should know or do, the end of the message.

    Raises:
        ModelError: a weight is NaN or infinite.
    """
    to_numpy = running().ops.convert_to_numpy
    for layer in leaf_layers(network):
        if not all(np.isfinite(to_numpy(weight)).all() for weight in layer.weights):
            raise ModelError(f"{where} has weights in layer {layer.name!r} that are not finite numbers; {advice}")


# -- Keras 3 -----------------------------------------------------------------------------------------------------------


def _load_keras3(network: Any, file: Any, where: str) -> None:
    keras = running()
    with tempfile.TemporaryDirectory(prefix="ferviz-") as folder:
        # Keras demands its own suffix; and tf.keras 2.12 on Windows wrote backslashes into the groups' names.
        copy = Path(folder) / "network.weights.h5"
        _copy(file, copy)
        try:
            with without_warnings():
                keras.Model.load_weights(network, str(copy))
        except Exception as error:
            raise ModelError(f"the weights of {where} do not fit its architecture: {one_line(error, 240)}") from error


def _copy(file: Any, path: Path) -> None:
    """Copy everything but the optimizer, under the paths of today's Keras."""
    import h5py

    items: dict[str, Any] = {}
    file.visititems(lambda name, item: None if name.startswith("optimizer") else items.update({name: item}))
    with h5py.File(path, "w") as target:
        for key in file.attrs:
            target.attrs[key] = file.attrs[key]
        for name, item in zip(_upgrade_paths(list(items)), items.values(), strict=True):
            if isinstance(item, h5py.Dataset):
                if item.dtype.kind not in _NUMBERS:
                    continue
                target.create_dataset(name, data=item[()])
                copy = target[name]
            else:
                copy = target.require_group(name)
            for key in item.attrs:
                copy.attrs[key] = item.attrs[key]


def _upgrade_paths(names: list[str]) -> list[str]:
    """-> today's paths for those of tf.keras 2.12, which numbered the layers of a class by twos (conv2d, conv2d_2, conv2d_4)."""
    paths = [name.replace("\\", "/").split("/") for name in names]
    odd = set()  # (path of the container, class) that is numbered by ones nevertheless
    for path in paths:
        for i, part in enumerate(path[1:], 1):
            kind, number = _numbered(part)
            if path[i - 1] == _OLD_CONTAINER and number % 2:
                odd.add(("/".join(path[:i]), kind))

    def upgrade(path: list[str]) -> Iterator[str]:
        for i, part in enumerate(path):
            kind, number = _numbered(part)
            if i and path[i - 1] == _OLD_CONTAINER and number and ("/".join(path[:i]), kind) not in odd:
                part = f"{kind}_{number // 2}"
            yield "layers" if part == _OLD_CONTAINER else part

    return ["/".join(upgrade(path)) for path in paths]


def _numbered(part: str) -> tuple[str, int]:
    """-> (conv2d, 4) for conv2d_4."""
    kind, _, number = part.rpartition("_")
    return (kind, int(number)) if kind and number.isdecimal() else (part, 0)


# -- Keras 1 and 2, and .h5 of Keras 3 ---------------------------------------------------------------------------------


class _Origin:
    """The Keras that wrote the weights; version and backend are "" if unknown, `note` takes sentences."""

    def __init__(self, version: str, backend: str, note: Callable[[str], None]) -> None:
        self.old = version.startswith(("0.", "1.")) or not version
        self.backend, self.note = backend, note


def _stored(group: Any, where: str) -> dict[str, Values]:
    """-> {layer: values} for every layer with weights, in the stored order."""
    if "nb_layers" in group.attrs:  # Keras 0.x and 1.0: layer_0/param_0 ...
        result = {}
        for i in range(min(int(read_attribute(group, "nb_layers")), 5000)):
            layer = group[f"layer_{i}"]
            result[f"layer_{i}"] = [
                (f"param_{p}", _array(layer, f"param_{p}")) for p in range(int(read_attribute(layer, "nb_params")))
            ]
    else:
        listed = read_names(group, "layer_names")
        if not listed:
            raise ModelError(f"{where} is HDF5, but holds no Keras weights: it has no layer_names")
        result = {
            name: [(w, _array(group[name], w)) for w in read_names(group[name], "weight_names")] for name in listed
        }
    return {name: values for name, values in result.items() if values and not all(_is_state(*v) for v in values)}


def _array(group: Any, name: str) -> np.ndarray:
    item = group[name]
    if getattr(item, "dtype", np.dtype(object)).kind not in _NUMBERS:
        raise ModelError(f"{group.file.filename}: {name} of {group.name} holds no numbers; the file is damaged")
    return np.asarray(item)


def _is_state(name: str, value: np.ndarray) -> bool:
    """Whether a stored array is the state of a random generator, which augmentation layers stored among the weights."""
    last = name.rpartition("/")[2].lower()
    return value.dtype.kind in "iu" and any(word in last for word in _STATE)


def _load_by_layer(network: Any, stored: dict[str, Values], where: str, origin: _Origin) -> None:
    layers = [layer for layer in network.layers if _variables(layer)]
    by_name = {layer.name: layer for layer in layers}
    plain = {_plain(name): values for name, values in stored.items()}
    if len(stored) != len(layers):
        raise ModelError(
            f"the weights of {where} belong to {len(stored)} layers, but its architecture has {len(layers)} with weights; "
            "architecture and weights do not belong together"
        )
    if set(by_name) == set(plain) and len(by_name) == len(layers):
        pairs = [(by_name[name], values) for name, values in plain.items()]
    else:  # the same network built again has other numbers in its names: then the order decides, as in Keras
        pairs = list(zip(layers, stored.values(), strict=True))
    for layer, values in pairs:
        _load_layer(layer, values, where, origin)


def _load_layer(layer: Any, values: Values, where: str, origin: _Origin) -> None:
    inner = [leaf for leaf in leaf_layers(layer) if _variables(leaf)] if getattr(layer, "layers", None) else []
    parts = _by_inner_layer(values, inner)
    if parts is not None:
        for leaf, own in parts:
            _load_layer(leaf, own, where, origin)
        return
    variables = _variables(layer)
    if len(values) != len(variables):
        raise ModelError(
            f"layer {layer.name!r} of {where} has {len(variables)} weights, but {len(values)} are stored; "
            "architecture and weights do not belong together"
        )
    # The variables of one layer, or those of a nested network in the order in which Keras 2 listed them.
    owners = {id(variable): leaf for leaf in inner for variable in _variables(leaf)}
    for position, (variable, (_, value)) in enumerate(zip(variables, values, strict=True)):
        owner = owners.get(id(variable), layer)
        value = _convert(owner, value, tuple(variable.shape), position if owner is layer else value.ndim < 2, origin)
        if tuple(value.shape) != tuple(variable.shape):
            raise ModelError(
                f"layer {owner.name!r} of {where} needs weights of shape {tuple(variable.shape)}, but {tuple(value.shape)} "
                "are stored; architecture and weights do not belong together"
            )
        variable.assign(value.astype(np.float32) if value.dtype.kind == "f" else value)


def _variables(layer: Any) -> list[Any]:
    """-> a layer's variables in the order in which Keras 1 and 2 stored them: the trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _by_inner_layer(values: Values, inner: Sequence[Any]) -> list[tuple[Any, Values]] | None:
    """Sort a nested network's weights by the layers in their names; -> None where the names do not tell the layers."""
    layers = {leaf.name: leaf for leaf in inner}
    if not inner or len(layers) != len(inner):
        return None
    parts: dict[str, Values] = {}
    for name, value in values:
        # "backbone/block/conv/kernel:0" belongs to "conv" or to what was "block/conv" and is "block_conv" here.
        words = name.split("/")[:-1]
        owners = ("_".join(words[start:]) for start in range(len(words)))
        parts.setdefault(next((owner for owner in owners if owner in layers), ""), []).append((name, value))
    if set(parts) != set(layers):
        return None
    return [(layers[name], own) for name, own in parts.items()]


def _plain(name: str) -> str:
    """-> a layer's name as `ferviz.models.formats.legacy.inbound_nodes` upgrades it: Keras 3 allows no slash."""
    return name.replace("/", "_")


def _convert(
    layer: Any, value: np.ndarray, shape: tuple[int, ...], position: int | bool, origin: _Origin
) -> np.ndarray:
    """-> a stored array in today's order of axes. position: which weight of the layer it is (0 = the kernel)."""
    kind = type(layer).__name__
    if position != 0 or value.ndim < 3:
        return value
    first = getattr(layer, "data_format", None) == "channels_first"
    if kind == "Conv1D" and value.ndim == 4:
        value = value[:, 0] if value.shape[1] == 1 else np.transpose(value, (2, 3, 1, 0))[:, 0]
    elif value.ndim == 4 and (
        (origin.old and first) or (value.shape != shape and kind in ("Conv2D", "DepthwiseConv2D"))
    ):
        # "th" order: (filters, channels, rows, columns)
        value = np.transpose(value, (2, 3, 1, 0))
    elif kind == "Conv2DTranspose" and origin.old and value.ndim == 4:
        value = np.transpose(value, (0, 1, 3, 2))
    theano = origin.backend == "theano" or (not origin.backend and origin.old and first)
    if kind in _FLIPPED and theano:
        # Theano computes true convolutions: its kernels are flipped.
        value = np.flip(value, axis=tuple(range(value.ndim - 2)))
        if not origin.backend:
            origin.note(
                "the weights are assumed to be Theano's (channels first, Keras 1), so the kernels are rotated by 180 degrees"
            )
    return value
