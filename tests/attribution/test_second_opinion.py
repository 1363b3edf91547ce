"""Against tf-keras-vis, an implementation that shares no code with ours."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain as explain_and_test
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.errors import ModelError
from ferviz.models.input_spec import InputSpec
from ferviz.models.load import load_model
from ferviz.models.model import Model

explain = partial(explain_and_test, test=False)  # the maps alone
LABELS = ("angry", "happy", "sad", "fear")


def faces(n: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 6, 6)).astype(np.uint8)
    return coarse.repeat(size // 6, 1).repeat(size // 6, 2)


@pytest.fixture(scope="module")
def mini_xception(shared_data: Path) -> Model:
    return load_model(shared_data / "models" / "mini_xception_48.hdf5", labels="7", scaling="-1..1")


@pytest.mark.slow
def test_gradcam_is_tf_keras_vis_on_a_published_network(mini_xception: Model) -> None:
    pictures = faces(8, 48)
    for target, layer in (("happy", "add_4"), ("angry", "conv2d_7")):
        ours = explain(mini_xception, pictures, "gradcam", target, layer)
        theirs = explain(mini_xception, pictures, "tf-keras-vis:gradcam", target, layer)
        assert ours.raw.shape == theirs.raw.shape == (8, 1, 6, 6)
        assert ours.raw.max() > 0
        np.testing.assert_allclose(ours.raw, theirs.raw, atol=1e-4)


@pytest.mark.slow
def test_where_the_last_map_has_one_channel_a_class_gradcam_is_that_channel(mini_xception: Model) -> None:
    """The logit is the mean of its channel, so Grad-CAM = relu(channel) / positions, exactly."""
    pictures = faces(4, 48)
    (channels,) = mini_xception.engine.activations(mini_xception.preprocess(pictures), ["conv2d_7"])
    made = explain(mini_xception, pictures, "gradcam", "all", "conv2d_7")
    positions = channels.shape[1] * channels.shape[2]
    np.testing.assert_allclose(made.raw, np.maximum(channels, 0).transpose(0, 3, 1, 2) / positions, atol=1e-6)
    assert any("one channel per class" in warning for warning in made.warnings)
    assert mini_xception.default_layer()[0] != "conv2d_7"


# Grad-CAM on every kind of network, the other methods on one; what is not exact is measured on the first two kinds alone.
FUNCTIONAL, ACTIVATION, SEQUENTIAL = "functional", "activation_layer", "sequential"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "exact", "kind"),
    [
        (*case, kind)
        for *case, kinds in (
            ("gradcam", "gradcam", True, (FUNCTIONAL, ACTIVATION, SEQUENTIAL)),
            ("layercam", "layercam", True, (SEQUENTIAL,)),
            ("saliency", "saliency", True, (FUNCTIONAL, SEQUENTIAL)),
            ("gradcam++", "gradcam++", False, (FUNCTIONAL,)),
            ("scorecam", "scorecam", False, (ACTIVATION,)),
            ("scorecam", "faster-scorecam", None, (SEQUENTIAL,)),
            ("smoothgrad", "smoothgrad", None, (FUNCTIONAL,)),
        )
        for kind in kinds
    ],
)
def test_methods_against_tf_keras_vis(kind: str, ours: str, theirs: str, exact: bool | None, engine: Any) -> None:
    """exact: the same numbers; False: the same up to what that library does differently; None: it runs and sees something."""
    model = Model(kind, "", LABELS, InputSpec(18, 18, 1), engine(kind))
    layer = None if ours in ("saliency", "smoothgrad") else "relu2" if kind != "sequential" else "conv1"
    a, b = (explain(model, faces(3, 18), name, "happy", layer) for name in (ours, f"tf-keras-vis:{theirs}"))
    assert a.raw.shape == b.raw.shape
    assert np.isfinite(b.raw).all()
    assert b.raw.max() > 0
    if exact:
        np.testing.assert_allclose(a.raw, b.raw, atol=1e-4 * max(1.0, a.raw.max()))
    elif (
        exact is False and kind != "sequential"
    ):  # it scales each alpha map to sum 1; the more they vary, the more that moves
        assert np.mean([rank_correlation(x, y) for x, y in zip(a.raw[:, 0], b.raw[:, 0], strict=True)]) > 0.8


def test_their_picture_size_map_aligns_corners_and_ours_does_not(engine: Any) -> None:
    """The documented difference: with `expand` the evidence of the outermost cells sits on the picture's border."""
    from ferviz.attribution.maps.resize import resize_maps

    model = Model("functional", "", LABELS, InputSpec(18, 18, 1), engine("functional"))
    raw = explain(model, faces(2, 18), "tf-keras-vis:gradcam", "happy", "relu2")
    expanded = explain(model, faces(2, 18), "tf-keras-vis:gradcam", "happy", "relu2", expand=True).heatmaps
    np.testing.assert_allclose(expanded[..., 0, 0], raw.raw[..., 0, 0], atol=1e-5)
    np.testing.assert_allclose(raw.heatmaps, resize_maps(raw.raw, 18, 18), atol=1e-6)
    assert np.abs(expanded - raw.heatmaps).max() > 0.01 * raw.raw.max()


@pytest.mark.parametrize(
    ("kind", "layer", "says"),
    [
        ("subclassed", "conv2", "functional or Sequential"),
        ("channels_first", "conv2", "channels last"),
        ("nested", "backbone/inner/conv3", "top level"),
        ("shared", "twice:0", "top level"),
    ],
)
def test_networks_that_tf_keras_vis_cannot_run_are_named(kind: str, layer: str, says: str, engine: Any) -> None:
    model = Model(kind, "", LABELS, InputSpec(18, 18, 1), engine(kind))
    with pytest.raises(ModelError, match=says):
        explain(model, faces(1, 18), "tf-keras-vis:gradcam", "happy", layer)


def test_the_network_and_the_global_generator_are_left_alone(engine: Any) -> None:
    model = Model("functional", "", LABELS, InputSpec(18, 18, 1), engine("functional"))
    network = model.engine.network
    head, before = network.get_layer("head"), [w.copy() for w in network.get_weights()]
    activation, state = head.activation, np.random.get_state()[1].copy()  # noqa: NPY002
    explain(model, faces(1, 18), "tf-keras-vis:smoothgrad", "happy", seed=5)
    explain(model, faces(1, 18), "tf-keras-vis:gradcam", "happy")
    assert head.activation is activation
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
