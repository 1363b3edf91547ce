"""Files of Keras: a configuration as JSON, a .keras archive, HDF5 with and without the configuration."""

from __future__ import annotations

import base64
import importlib.util
import json
import marshal
import tempfile
import zlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fuzz.mutate.archives import read_members, write_members, zip_mutator
from fuzz.mutate.documents import mutate_json
from fuzz.mutate.hdf5 import mutate_hdf5
from fuzz.mutate.raw import Mutator, mutate_bytes
from fuzz.target import Target

_PAYLOAD = "lambda x: [open('touched-by-a-payload', 'w').close(), x][1]"


@cache
def _old_files() -> ModuleType:
    """-> tests/models/conftest.py, which writes files as old Keras versions did."""
    path = Path(__file__).resolve().parents[3] / "models" / "conftest.py"
    spec = importlib.util.spec_from_file_location("ferviz_old_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _network() -> Any:
    from ferviz.engines.backend import keras as get_keras

    keras = get_keras()
    layers = keras.layers
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            layers.Input((12, 12, 1), name="picture"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="head"),
        ],
        name="small",
    )
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 0.1, np.float32))
    return network


def _functional() -> Any:
    from ferviz.engines.backend import keras as get_keras

    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((12, 12, 1), name="picture")
    x = layers.Conv2D(4, 3, padding="same", name="conv", kernel_regularizer="l2")(picture)
    x = layers.BatchNormalization(name="norm")(x)
    short = layers.Conv2D(4, 1, name="short")(picture)
    x = layers.Activation("relu")(layers.Add(name="add")([x, short]))
    inner = keras.Sequential(
        [layers.Input((12, 12, 4)), layers.SeparableConv2D(4, 3, name="separable"), layers.MaxPooling2D()], name="inner"
    )
    x = layers.Concatenate(name="both")([inner(x), inner(x)])
    x = layers.Dropout(0.5)(layers.Flatten()(keras.ops.multiply(x, 2.0)))
    return keras.Model(picture, layers.Dense(3, activation="softmax", name="head")(x), name="functional")


def _lambda(network: dict) -> dict:
    """-> a configuration of Keras 3 with a Lambda layer whose code writes a file."""
    code = base64.b64encode(marshal.dumps(compile(_PAYLOAD, "lambda", "eval").co_consts[0])).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    evil = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "config": {"name": "evil", "function": function, "arguments": {}},
    }
    changed = json.loads(json.dumps(network))
    changed["config"]["layers"].insert(2, evil)
    return changed


def _keras2() -> dict:
    """-> the configuration of the sequential network, as Keras 2 wrote it."""
    return {"class_name": "Sequential", "keras_version": "2.3.1", "backend": "tensorflow", "config": {"name": "sequential_1", "layers": [
        {"class_name": "Conv2D", "config": {"name": "conv", "batch_input_shape": [None, 12, 12, 1], "dtype": "float32", "filters": 4,
        "kernel_size": [3, 3],
         "strides": [1, 1], "padding": "valid", "data_format": "channels_last", "activation": "relu", "use_bias": True,
         "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform",
         "seed": None}}}},
        {"class_name": "BatchNormalization", "config": {"name": "norm", "axis": -1, "momentum": 0.99, "epsilon": 0.001}},
        {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool", "data_format": "channels_last"}},
        {"class_name": "Dense", "config": {"name": "head", "units": 3, "activation": "softmax"}}]}}  # fmt: skip


def _keras1() -> list | dict:
    return {"class_name": "Sequential", "keras_version": "1.2.2", "config": [
        {"class_name": "Convolution2D", "config": {"name": "conv", "batch_input_shape": [None, 12, 12, 1], "nb_filter": 4, "nb_row": 3,
        "nb_col": 3,
         "subsample": [1, 1], "border_mode": "valid", "dim_ordering": "tf", "activation": "relu", "init": "glorot_uniform", "bias": True}},
        {"class_name": "BatchNormalization", "config": {"name": "norm", "axis": -1, "mode": 0, "epsilon": 1e-3}},
        {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool", "dim_ordering": "tf"}},
        {"class_name": "Dense", "config": {"name": "head", "output_dim": 3, "activation": "softmax"}}]}  # fmt: skip


def _configuration_seeds() -> dict[str, bytes]:
    sequential, functional = json.loads(_network().to_json()), json.loads(_functional().to_json())
    documents = {
        "sequential": sequential,
        "functional": functional,
        "lambda": _lambda(sequential),
        "keras2": _keras2(),
        "keras1": _keras1(),
    }
    return {f"{name}.json": json.dumps(document).encode() for name, document in documents.items()}


def _weights_of(network: Any) -> dict[str, list[tuple[str, np.ndarray]]]:
    from ferviz.models.formats.build import leaf_layers

    return {
        layer.name: [
            (f"{layer.name}/{w.name}:0", np.asarray(w))
            for w in [*layer.trainable_weights, *layer.non_trainable_weights]
        ]
        for layer in leaf_layers(network)
    }


def _hdf5_seeds(config: bool) -> dict[str, bytes]:
    seeds = {}
    network, functional = _network(), _functional()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.weights.h5"
        write = _old_files().write_h5
        if config:
            seeds["keras2.h5"] = write(path, _keras2(), _weights_of(network)).read_bytes()
            seeds["functional.h5"] = write(
                path, json.loads(functional.to_json()), _weights_of(functional), "3.3.0"
            ).read_bytes()
            seeds["lambda.h5"] = write(path, _lambda(json.loads(network.to_json())), _weights_of(network)).read_bytes()
        else:
            network.save_weights(path)
            seeds["keras3.h5"] = path.read_bytes()
            seeds["layers.h5"] = write(path, None, _weights_of(network)).read_bytes()
    return seeds


def _archive_seeds() -> dict[str, bytes]:
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.keras"
        for name, network in (("sequential", _network()), ("functional", _functional())):
            network.save(path)
            members = read_members(path.read_bytes())
            seeds[f"{name}.keras"] = write_members(members)
        config = json.loads(read_members(seeds["sequential.keras"])["config.json"])
        members = read_members(seeds["sequential.keras"])
        seeds["lambda.keras"] = write_members({**members, "config.json": json.dumps(_lambda(config)).encode()})
    return seeds


def _of_member(name: str) -> Mutator:
    return mutate_json if name.endswith(".json") else mutate_hdf5 if name.endswith(".h5") else mutate_bytes


def _companions() -> Path:
    """-> a folder with net.json and its weights, made once a process."""
    return _made_companions(str(Path(tempfile.gettempdir())))


@cache
def _made_companions(folder: str) -> Path:
    path = Path(folder) / "companions"
    path.mkdir(exist_ok=True)
    network = _network()
    (path / "net.json").write_text(network.to_json())
    _old_files().write_h5(path / "net.h5", None, _weights_of(network))
    return path


def _use(model: Any, path: Path) -> None:
    """Predict with one network of four: tracing takes longer than all the rest."""
    height, width = model.input.size
    if zlib.crc32(path.read_bytes()) % 4 == 0 and height * width <= 256**2:
        model.probabilities(np.zeros((1, height, width), np.uint8))


def _load_configuration(path: Path) -> None:
    from ferviz.models.load import load_model

    _use(load_model(path, weights=_companions() / "net.h5", engine="keras"), path)


def _load_weights(path: Path) -> None:
    from ferviz.models.load import load_model

    _use(load_model(_companions() / "net.json", weights=path, engine="keras"), path)


def _load_file(path: Path) -> None:
    from ferviz.models.load import load_model

    _use(load_model(path, engine="keras"), path)


def prepare_keras() -> None:
    """Import TensorFlow, and make what cases need beside them."""
    from ferviz.engines.backend import tensorflow

    tensorflow().config.threading.set_intra_op_parallelism_threads(1)
    _load_file(_companions() / "net.json")


def _prepare_configuration() -> None:
    """The weights are sound and the same in every case: they are not probed each time."""
    prepare_keras()
    from ferviz.models.formats import keras_file

    check, sound = keras_file.check_readable, _companions() / "net.h5"
    keras_file.check_readable = lambda path: None if path == sound else check(path)  # type: ignore[assignment]


_FORKED = ("h5py", "numpy")

TARGETS = (
    Target(
        "configuration",
        "load_model(.json)",
        ".json",
        _configuration_seeds,
        mutate_json,
        _load_configuration,
        _prepare_configuration,
        _FORKED,
    ),
    Target(
        "keras-file",
        "load_model(.keras)",
        ".keras",
        _archive_seeds,
        zip_mutator(_of_member),
        _load_file,
        prepare_keras,
        _FORKED,
    ),
    Target(
        "hdf5-file",
        "load_model(.h5)",
        ".h5",
        lambda: _hdf5_seeds(True),
        mutate_hdf5,
        _load_file,
        prepare_keras,
        _FORKED,
    ),
    Target(
        "weights",
        "load_model(weights=)",
        ".h5",
        lambda: _hdf5_seeds(False),
        mutate_hdf5,
        _load_weights,
        prepare_keras,
        _FORKED,
    ),
)
