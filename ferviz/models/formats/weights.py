"""From weights in a file to the variables of a network, across the ways in which Keras has stored them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.engines.backend import running
from ferviz.errors import ModelError
from ferviz.models.formats.build import leaf_layers
from ferviz.models.formats.read import attribute, keras_origin, names, one_line, open_hdf5

Values = list[tuple[str, np.ndarray]]
"""(stored name, array) of each weight of a layer, in the stored order."""

_FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_STATE = ("statevar", "state_var", "seed", "rng_state", "seed_generator_state")
_OLD_CONTAINER = "_layer_checkpoint_dependencies"
_V3 = ("layers", _OLD_CONTAINER, "vars", "_operations", "_functional")


def count_weights(source: Path | bytes, where: str) -> int:
    """Return how many numbers the weights in an HDF5 file have together. Raises ModelError for a damaged file."""
    total = 0
    with open_hdf5(source, where) as file:

        def add(name: str, item: Any) -> None:
            nonlocal total
            if hasattr(item, "dtype") and not name.startswith("optimizer"):
                total += int(item.size)

        file.visititems(add)
    return total


def is_v3(file: Any) -> bool:
    """Is this the layout of Keras 3 (and of tf.keras since 2.12): groups that mirror the network, without lists of names?"""
    return "layer_names" not in file.attrs and "layer_names0" not in file.attrs and "model_weights" not in file and (
        any(key.replace("\\", "/").split("/")[0] in _V3 for key in file)
    )  # fmt: skip


def load_weights(network: Any, source: Path | bytes, where: str, note: Callable[[str], None]) -> None:
    """Put the weights in `source` into `network`.

    source: a path, or the bytes of an HDF5 file. where: named in messages. note: takes a sentence about what was assumed.
    Raises ModelError when names, numbers or shapes do not fit, or when a weight is not finite.
    """
    with open_hdf5(source, where) as file:
        if is_v3(file):
            _load_v3(network, file, where)
        else:
            group = file.get("model_weights", file)
            version, backend = keras_origin(file)
            _load_by_layer(network, _stored(group, where), where, _Origin(version, backend, note))
    for layer in leaf_layers(network):
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()
        for weight in layer.weights:
            if not np.isfinite(np.asarray(weight)).all():
                raise ModelError(
                    f"{where} has weights in layer {layer.name!r} that are not finite numbers; the file is damaged"
                )


# -- Keras 3 -----------------------------------------------------------------------------------------------------------


def _load_v3(network: Any, file: Any, where: str) -> None:
    keras = running()
    with tempfile.TemporaryDirectory(prefix="ferviz-") as folder:
        # Keras insists on its own suffix; and tf.keras 2.12 on Windows wrote backslashes into the groups' names.
        copy = Path(folder) / "network.weights.h5"
        _copied(file, copy)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                keras.Model.load_weights(network, str(copy))
        except Exception as error:
            raise ModelError(f"the weights of {where} do not fit its architecture: {one_line(error, 240)}") from error


def _copied(file: Any, to: Path) -> None:
    import h5py

    found: dict[str, Any] = {}
    file.visititems(lambda name, item: None if name.startswith("optimizer") else found.update({name: item}))
    with h5py.File(to, "w") as target:
        for key in file.attrs:
            target.attrs[key] = file.attrs[key]
        for name, item in zip(_todays_paths(list(found)), found.values(), strict=True):
            if isinstance(item, h5py.Dataset):
                target.create_dataset(name, data=item[()])
                made = target[name]
            else:
                made = target.require_group(name)
            for key in item.attrs:
                made.attrs[key] = item.attrs[key]


def _todays_paths(names: list[str]) -> list[str]:
    """The paths in a file of tf.keras 2.12 -> today's: it counted the layers of a class by twos (conv2d, conv2d_2, conv2d_4)."""
    paths = [name.replace("\\", "/").split("/") for name in names]
    odd = set()  # (path of the container, class) that was counted by ones after all
    for path in paths:
        for i, part in enumerate(path[1:], 1):
            kind, number = _numbered(part)
            if path[i - 1] == _OLD_CONTAINER and number % 2:
                odd.add(("/".join(path[:i]), kind))

    def today(path: list[str]) -> Iterator[str]:
        for i, part in enumerate(path):
            kind, number = _numbered(part)
            if i and path[i - 1] == _OLD_CONTAINER and number and ("/".join(path[:i]), kind) not in odd:
                part = f"{kind}_{number // 2}"
            yield "layers" if part == _OLD_CONTAINER else part

    return ["/".join(today(path)) for path in paths]


def _numbered(part: str) -> tuple[str, int]:
    """conv2d_4 -> (conv2d, 4)."""
    kind, _, number = part.rpartition("_")
    return (kind, int(number)) if kind and number.isdecimal() else (part, 0)


# -- Keras 1 and 2, and .h5 of Keras 3 ---------------------------------------------------------------------------------


class _Origin:
    """Who wrote the weights. version, backend: "" if unknown. note: takes sentences."""

    def __init__(self, version: str, backend: str, note: Callable[[str], None]) -> None:
        self.old = version.startswith(("0.", "1.")) or not version
        self.backend, self.note = backend, note


def _stored(group: Any, where: str) -> dict[str, Values]:
    """-> {layer: values} of every layer with weights, in the stored order."""
    if "nb_layers" in group.attrs:  # Keras 0.x and 1.0: layer_0/param_0 ...
        result = {}
        for i in range(min(int(attribute(group, "nb_layers")), 5000)):
            one = group[f"layer_{i}"]
            result[f"layer_{i}"] = [
                (f"param_{p}", _array(one, f"param_{p}")) for p in range(int(attribute(one, "nb_params")))
            ]
    else:
        listed = names(group, "layer_names")
        if not listed:
            raise ModelError(f"{where} is HDF5, but no Keras weights: it has no layer_names")
        result = {name: [(w, _array(group[name], w)) for w in names(group[name], "weight_names")] for name in listed}
    return {name: values for name, values in result.items() if values and not all(_is_state(*v) for v in values)}


def _array(group: Any, name: str) -> np.ndarray:
    return np.asarray(group[name])


def _is_state(name: str, value: np.ndarray) -> bool:
    """Random generators of augmentation layers were stored among the weights; they are none."""
    last = name.rpartition("/")[2].lower()
    return value.dtype.kind in "iu" and any(word in last for word in _STATE)


def _load_by_layer(network: Any, stored: dict[str, Values], where: str, origin: _Origin) -> None:
    layers = [layer for layer in network.layers if _variables(layer)]
    by_name = {layer.name: layer for layer in layers}
    plain = {_plain(name): values for name, values in stored.items()}
    if len(stored) != len(layers):
        raise ModelError(
            f"the weights of {where} are for {len(stored)} layers, but its architecture has {len(layers)} with weights; "
            "they do not belong together"
        )
    if set(by_name) == set(plain) and len(by_name) == len(layers):
        pairs = [(by_name[name], values) for name, values in plain.items()]
    else:  # the same network built another time has other numbers in its names: then the order counts, as Keras does it
        pairs = list(zip(layers, stored.values(), strict=True))
    for layer, values in pairs:
        _load_layer(layer, values, where, origin)


def _load_layer(layer: Any, values: Values, where: str, origin: _Origin) -> None:
    inner = [one for one in leaf_layers(layer) if _variables(one)] if getattr(layer, "layers", None) else []
    parts = _by_inner_layer(values, inner)
    if parts is not None:
        for one, own in parts:
            _load_layer(one, own, where, origin)
        return
    variables = _variables(layer)
    if len(values) != len(variables):
        raise ModelError(
            f"layer {layer.name!r} of {where} has {len(variables)} weights, but {len(values)} are stored; "
            "architecture and weights do not belong together"
        )
    # All of one layer, or the variables of a nested network in the order in which Keras 2 listed them.
    owners = {id(variable): one for one in inner for variable in _variables(one)}
    for position, (variable, (_, value)) in enumerate(zip(variables, values, strict=True)):
        owner = owners.get(id(variable), layer)
        value = _converted(owner, value, tuple(variable.shape), position if owner is layer else value.ndim < 2, origin)
        if tuple(value.shape) != tuple(variable.shape):
            raise ModelError(
                f"layer {owner.name!r} of {where} needs weights of shape {tuple(variable.shape)}, but {tuple(value.shape)} "
                "are stored; architecture and weights do not belong together"
            )
        variable.assign(value.astype(np.float32) if value.dtype.kind == "f" else value)


def _variables(layer: Any) -> list[Any]:
    """The order in which Keras 1 and 2 stored a layer's weights: what is trained first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _by_inner_layer(values: Values, inner: Sequence[Any]) -> list[tuple[Any, Values]] | None:
    """Sort a nested network's weights by the layer that their names tell; None where the names do not tell."""
    layers = {one.name: one for one in inner}
    if not inner or len(layers) != len(inner):
        return None
    parts: dict[str, Values] = {}
    for name, value in values:
        # "backbone/block/conv/kernel:0" belongs to "conv" or to what was "block/conv" and is "block_conv" here.
        words = name.split("/")[:-1]
        owners = ("_".join(words[start:]) for start in range(len(words)))
        parts.setdefault(next((one for one in owners if one in layers), ""), []).append((name, value))
    if set(parts) != set(layers):
        return None
    return [(layers[name], own) for name, own in parts.items()]


def _plain(name: str) -> str:
    """The name of a layer as `ferviz.models.formats.legacy.inbound_nodes` mends it: Keras 3 allows no slash."""
    return name.replace("/", "_")


def _converted(
    layer: Any, value: np.ndarray, shape: tuple[int, ...], position: int | bool, origin: _Origin
) -> np.ndarray:
    """Bring one stored array into today's order of axes. position: which weight of the layer it is (0 = the kernel)."""
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
        # Theano convolves in the mathematical sense: its kernels stand on their heads.
        value = np.flip(value, axis=tuple(range(value.ndim - 2)))
        if not origin.backend:
            origin.note(
                "the weights are taken for Theano's (channels first, Keras 1), whose kernels are turned by 180 degrees"
            )
    return value
