"""Compiled explanations of published networks are Keras' own: every network that compiles, every method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferviz.attribution.explain import explain
from ferviz.attribution.methods import METHODS, PICTURE
from ferviz.models.compiled import compile_model, open_explainer
from ferviz.models.load import load_model

NETWORKS = [
    "mini_xception_48.hdf5", "big_xception_64.hdf5", "emopy_012.hdf5", "allconv_v6_23.hdf5", "himanshu_fer.h5", "akipekoren_fer.h5",
    "pouyazr_emotion_model.h5", "binni24_hdf5_named.keras", "patientwolfx_112.keras", "chetanvamsi_augmenting.keras",
    "highintothesky_anysize_rgb.h5", "trial_gap_48.keras", "teachable_machine_224.h5",
]  # fmt: skip
QUICK = {
    "rise": {"masks": 16},
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "occlusion": {"patch": 16, "stride": 16},
}
MANY = ("scorecam", "ablationcam")
JUMPING = {"saliency", "gradient-x-input", "smoothgrad", "integrated-gradients", "guided-backprop"}
"""Gradients at the picture jump where a ReLU or a maximum on the way changes sides, and rounding decides that: Keras itself does
not give the same ones for a face alone and in a batch. So all but a few pixels have to agree."""
QUOTIENTS = {"gradcam++", "xgradcam"}
"""Weights that are a quotient of sums; where the sum below is nearly zero, rounding is blown up. Keras differs from itself then, by
up to 5e-3 of the range for a face alone and in a batch."""


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> np.ndarray:
    sheet = np.asarray(Image.open(shared_data / "fer2013" / "PublicTest.png"))
    return np.stack([sheet[:48, 48 * at : 48 * at + 48] for at in (3, 70)])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_method_gives_the_same_maps(name: str, shared_data: Path, faces: np.ndarray) -> None:
    keras = load_model(shared_data / "models" / name, engine="keras")
    litert = open_explainer(compile_model(keras, layers=[keras.default_layer()[0]]))
    assert litert.engine.contents.refused == {}  # type: ignore[attr-defined]
    deep = (
        name == "teachable_machine_224.h5"
    )  # fifty layers of ReLU6, 224 x 224 pixels: one face, and the quick methods
    some = faces[:1] if keras.input.size[0] > 64 else faces
    channels = keras.layer(keras.default_layer()[0]).shape[-1]
    for method in METHODS:
        if (
            ":" in method
            or (method in MANY and channels > 130)
            or (deep and method in ("rise", "occlusion", "smoothgrad"))
        ):
            continue
        settings: dict[str, Any] = QUICK.get(method, {})
        target = "all" if METHODS[method].at != PICTURE and method not in MANY else "predicted"
        ours, theirs = (explain(model, some, method, target, seed=1, **settings) for model in (litert, keras))
        assert ours.settings["engine"] == "litert"
        assert [p.label for p in ours.predictions] == [p.label for p in theirs.predictions]
        span = np.ptp(theirs.raw, axis=(2, 3), keepdims=True)
        off = np.abs(ours.raw - theirs.raw) / np.maximum(span, 1e-9)
        where = f"{method} on {name}: {off.max():.1e}"
        if method in JUMPING:
            alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours.raw, theirs.raw, strict=True)]
            assert min(alike) > 0.99, where
            assert deep or np.mean(off > 1e-4) < 0.1, where
            continue
        if method in QUOTIENTS:
            assert off.max() < 2e-2, where
            assert np.corrcoef(ours.raw.ravel(), theirs.raw.ravel())[0, 1] > 0.9999, where
        else:
            assert off.max() < 1e-4, where
        peaks = [m.heatmaps.reshape(-1, m.heatmaps.shape[2] * m.heatmaps.shape[3]) for m in (ours, theirs)]
        clear = np.ptp(peaks[1], axis=1) > 0
        assert (peaks[0].argmax(1) == peaks[1].argmax(1))[clear].all(), where


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
