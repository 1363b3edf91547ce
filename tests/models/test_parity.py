"""Compiled explanations of published networks are Keras' own.

Every kind of network with the default method and one at the picture; every method on one of them, and on one of two more. The table
of benchmarks/parity.py holds every published network with every method.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.backend import keras as get_keras
from ferviz.engines.base import INPUT
from ferviz.engines.keras import KerasEngine
from ferviz.models.compiled.compile import compile_model, open_compiled

FEW = ("gradcam", "saliency")
NETWORKS = {
    "mini_xception_48.hdf5": METHODS,
    "allconv_v6_23.hdf5": [*METHODS][::2],
    "highintothesky_anysize_rgb.h5": [*METHODS][1::2],
    "emopy_012.hdf5": FEW,
    "pouyazr_emotion_model.h5": FEW,
    "patientwolfx_112.keras": FEW,
    "trial_gap_48.keras": FEW,
}
"""Each network with its methods. The others have nothing that these lack, but for teachable_machine_224's size: MobileNet takes longer than
half of these together."""
QUICK: dict[str, dict[str, Any]] = {
    "rise": {"masks": 16},
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "occlusion": {"patch": 16, "stride": 16},
    "regions": {"permutations": 2},
    "shapley": {"cells": 3, "samples": 28},
}
ROUNDED = {
    "gradcam++", "xgradcam", "saliency", "gradient-x-input", "smoothgrad", "integrated-gradients", "guided-backprop",
}  # fmt: skip
"""The methods whose answer is not continuous in what they work on, so that rounding decides it on some faces.

Gradients at the picture jump where a ReLU or a maximum on the way changes sides. The weights of gradcam++ and xgradcam have poles on
maps that are negative somewhere: a quotient's lower part goes through 0. There a map may be as far from Keras' as Keras' own is from
itself when its numbers move by the few rounding steps that lie between the engines (two to six on an AMD EPYC);
everywhere else, and for all other methods, it is 1e-4 of the map's range."""
STEPS = 1e-5 / np.finfo(np.float32).eps
"""Most rounding steps between the engines' maps and logits: both are within 1e-5 of the largest number."""
EARLIER = 1.5
"""Eight draws sample Keras' own greatest movement; the greatest itself is somewhat larger."""


@pytest.fixture(scope="module")
def parity(script: Callable[[str], ModuleType]) -> ModuleType:
    """The module benchmarks/parity.py, which also prints the table of benchmarks/results.md."""
    return script("benchmarks/parity.py")


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> np.ndarray:
    sheet = np.asarray(Image.open(shared_data / "fer2013" / "PublicTest.png"))
    return np.stack([sheet[:48, 48 * at : 48 * at + 48] for at in (3, 70)])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_its_methods_give_the_same_maps(
    name: str, published: Callable[[str], Any], faces: np.ndarray, parity: ModuleType
) -> None:
    keras = published(name)
    layer = keras.default_layer()[0]
    litert = open_compiled(compile_model(keras, layers=[layer]))
    assert litert.engine.compiled.refused == {}  # type: ignore[attr-defined]
    assert litert.engine.name == "litert"
    channels = keras.layer(layer).shape[-1] or 0
    wrong, beyond = [], []
    for method in NETWORKS[name]:
        if ":" in method or METHODS[method].needs_explainer:
            continue
        alone = keras.input.size[0] > 64 or (method in parity.MANY and channels > parity.WIDE)
        found = parity.compare(keras, litert, faces[:1] if alone else faces, method, **QUICK.get(method, {}))
        most = max(parity.STRICT, EARLIER * found.own) if method in ROUNDED else parity.STRICT
        if found.off > most or found.steps > STEPS or not found.peak or not found.labels:
            wrong.append(f"{method}: {found}")
        if found.off > parity.STRICT:
            beyond.append(method)
    assert not wrong, f"{name}: {', '.join(wrong)}"
    # In most networks nothing is thrown; what is must stay what ReLUs or poles explain.
    assert len(beyond) <= 4, f"{name}: {', '.join(beyond)}"


def test_the_yardstick_is_no_longer_than_rounding(parity: ModuleType) -> None:
    """Where a network has no kinks, the trembling engine moves gradients by no more than 1e-5 of their size, and never nothing."""
    k = get_keras()
    picture = k.layers.Input((12, 12, 1))
    x = k.layers.Conv2D(4, 3, activation="tanh", name="conv")(picture)
    x = k.layers.Dense(8, activation="tanh")(k.layers.Flatten()(x))
    engine = KerasEngine(k.Model(picture, k.layers.Dense(4)(x)))
    rng = np.random.default_rng(0)
    engine.network.set_weights(
        [0.3 * rng.normal(size=w.shape).astype(np.float32) for w in engine.network.get_weights()]
    )
    batch = rng.random((2, 12, 12, 1), np.float32)
    weights = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
    for layer in ("conv", INPUT):
        still, moved = (e.gradients(batch, layer, weights)[1] for e in (engine, parity.Trembling(engine, 0)))
        assert 0 < np.abs(moved - still).max() < 1e-5 * np.abs(still).max()


def test_a_peak_is_another_one_only_where_it_is_lower(parity: ModuleType) -> None:
    maps = np.array([[0, 1, 1 - 1e-6, 0.5]] * 3, np.float32)
    np.testing.assert_allclose(parity.lower_at(maps, np.array([1, 2, 3])), [0, 0, 0.5], atol=2e-6)


@pytest.mark.parametrize(
    "name",
    [
        "not_a_model_text.h5",
        "not_a_model_html.h5",
        "keras1_channels_first_architecture_only.json",
        "patientwolfx_savedmodel",
    ],
)
def test_what_cannot_be_compiled_is_one_sentence(name: str, shared_data: Path, tmp_path: Path, capsys: Any) -> None:
    from ferviz.cli import run

    assert run(["compile", str(shared_data / "models" / name), "--out", str(tmp_path / "x.ferviz")]) == 4
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("ferviz: ")
    assert not (tmp_path / "x.ferviz").exists()
