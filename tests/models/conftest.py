"""Files as old Keras versions wrote them, made in code; and a small network to break in every way."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ferviz.engines.backend import keras as get_keras

Weights = dict[str, list[tuple[str, np.ndarray]]]


def write_h5(
    path: Path, config: dict | None, weights: Weights, version: str | None = "2.3.1", backend: str | None = "tensorflow"
) -> Path:
    """Write a whole-model HDF5 (config given) or a weights-only one, the way Keras 1 and 2 did: lists of names as attributes."""
    with h5py.File(path, "w") as file:
        group: Any = file
        facts = {"keras_version": version, "backend": backend}
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["training_config"] = json.dumps(
                {"loss": "my_own_loss", "optimizer_config": {"lr": 1, "decay": 0}}
            ).encode()
            group = file.create_group("model_weights")
        for key, value in facts.items():
            if value is not None:
                file.attrs[key] = value.encode()
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, values in weights.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = (
                np.array([n.encode() for n, _ in values], dtype="S64") if values else np.zeros(0)
            )
            for n, value in values:
                layer.create_dataset(n, data=value)
    return path


@pytest.fixture
def old_h5() -> Callable[..., Path]:
    return write_h5


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small network (12x12 grey, three classes), saved as keras, h5, json, weights, v3 weights and SavedModel."""
    keras = get_keras()
    folder = tmp_path_factory.mktemp("small")
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
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape).astype(np.float32))
    files = {"keras": folder / "small.keras", "h5": folder / "small_whole.h5", "json": folder / "parts" / "net.json"}
    (folder / "parts").mkdir()
    files["weights"] = folder / "parts" / "net.weights.h5"
    files["savedmodel"] = folder / "saved"
    network.save(files["keras"])
    from ferviz.models.formats.build import leaf_layers

    values: Weights = {
        layer.name: [
            (f"{layer.name}/{w.name}:0", np.asarray(w))
            for w in [*layer.trainable_weights, *layer.non_trainable_weights]
        ]
        for layer in leaf_layers(network)
    }
    write_h5(files["h5"], json.loads(network.to_json()), values)
    files["json"].write_text(network.to_json())
    network.save_weights(files["weights"])
    network.export(files["savedmodel"], verbose=False)
    return files


@pytest.fixture
def rewritten(small: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """A function that writes small.keras again with a changed configuration or other members."""

    def write(change: Callable[[dict], Any] | None = None, name: str = "changed.keras", **members: bytes) -> Path:
        with zipfile.ZipFile(small["keras"]) as archive:
            contents = {n: archive.read(n) for n in archive.namelist()}
        if change is not None:
            config = json.loads(contents["config.json"])
            contents["config.json"] = json.dumps(change(config) or config).encode()
        contents |= members
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for n, content in contents.items():
                archive.writestr(n, content)
        return path

    return write


@pytest.fixture
def faces() -> np.ndarray:
    """Five grey pictures (5, 12, 12) uint8."""
    return np.random.default_rng(7).integers(0, 256, (5, 12, 12), np.uint8)
