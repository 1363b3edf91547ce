"""What `explain` and its job do with targets, layers, settings and engines, whatever the method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.attribution import attribution_job
from ferviz.attribution.attribution_job import AttributionJob, join
from ferviz.attribution.explain import explain
from ferviz.attribution.methods.registry import METHODS, methods
from ferviz.attribution.request import LazyMasks, MethodInput
from ferviz.attribution.targets import parse_targets, target_weights
from ferviz.engines.protocols import CAPABILITIES
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.faces.crops import as_faces
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad", "fear")
OURS = [name for name in methods() if ":" not in name and not METHODS[name].needs_explainer]
"""... that any network can be asked by; what FastSHAP promises of a taught one is in tests/training/test_teach.py."""
QUICK = {
    "rise": {"masks": 24}, "smoothgrad": {"samples": 5}, "integrated-gradients": {"steps": 5}, "occlusion": {"patch": 6},
    "regions": {"permutations": 2, "template": True}, "region-occlusion": {"template": True},
}  # fmt: skip


@pytest.fixture(scope="session")
def model_of(engine: Any) -> Any:
    return lambda kind: Model(kind, "", LABELS, InputSpec(18, 18, 1), engine(kind))


@pytest.fixture
def bare(model_of: Any) -> Model:
    """A network on an engine with the three primitives and nothing else, as one of another framework has them."""
    model = model_of("functional")

    class Bare:
        name, head, input_shape, channels_first = "bare", "softmax", (18, 18, 1), False
        classes, layers = model.engine.classes, model.engine.layers
        logits, activations, gradients = model.engine.logits, model.engine.activations, model.engine.gradients

    return Model("bare", "", LABELS, model.input, Bare())  # type: ignore[arg-type]


def faces(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 18, 18, 3)).astype(np.uint8)


def test_contrasts_are_signed_unless_told_otherwise(model_of: Any) -> None:
    model = model_of("functional")
    both = explain(model, faces(4), "gradcam", "happy-sad").raw
    positive = explain(model, faces(4), "gradcam", "happy-sad", relu=True).raw
    assert both.min() < 0 < both.max()
    np.testing.assert_array_equal(positive, np.maximum(both, 0))
    np.testing.assert_allclose(explain(model, faces(4), "gradcam", "sad-happy").raw, -both, atol=1e-6)
    assert explain(model, faces(4), "gradcam", "happy").raw.min() >= 0


def test_targets_are_linear(model_of: Any) -> None:
    model = model_of("functional")
    happy, sad, mixed = (
        explain(model, faces(2), "gradcam", t, relu=False).raw for t in ("happy", "sad", {"happy": 2, "sad": -0.5})
    )
    np.testing.assert_allclose(mixed, 2 * happy - 0.5 * sad, atol=1e-5)


def test_all_is_every_class_in_order(model_of: Any) -> None:
    model = model_of("functional")
    every = explain(model, faces(2), target="all")
    assert every.targets == LABELS
    for i, label in enumerate(LABELS):
        np.testing.assert_allclose(every.raw[:, i : i + 1], explain(model, faces(2), target=label).raw, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"method": "gradcamm"}, UnknownNameError, "method 'gradcamm' is not known.*did you mean 'gradcam'"),
        ({"target": "hapy"}, UnknownNameError, "class 'hapy' is not in this model.*did you mean 'happy'"),
        ({"target": "happy-sadd"}, UnknownNameError, "class 'sadd' is not in this model"),
        ({"layer": "relu9"}, UnknownNameError, "layer 'relu9' is not in this model"),
        ({"layer": "pool"}, ModelError, "layer 'pool' is .* not a map.*last map is relu2"),
        ({"layer": ["relu1", "relu1"]}, UsageError, "layer is named twice"),
        ({"method": "saliency", "layer": "relu1"}, UsageError, "looks at the picture and not at a layer"),
        ({"method": "rise", "maskss": 3}, UnknownNameError, "setting 'maskss' is not in this method; it has masks"),
        ({"method": "rise", "masks": 1}, UsageError, "masks >= 2"),
        ({"method": "occlusion", "patch": 19}, UsageError, "patch of 19 pixels"),
        ({"method": "occlusion", "fill": "pink"}, UsageError, "fill 'pink' is not known"),
        ({"method": "smoothgrad", "samples": 0}, UsageError, "samples >= 1"),
        ({"method": "integrated-gradients", "steps": 0}, UsageError, "steps >= 1"),
        ({"batch_size": 0}, UsageError, "batch_size"),
    ],
)
def test_bad_questions_end_as_one_sentence(model_of: Any, arguments: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        explain(model_of("functional"), faces(1), **arguments)


def test_one_output_unit_is_refused(model_of: Any) -> None:
    model = model_of("functional")
    with pytest.raises(ModelError, match="one output unit"):
        explain(Model("single", "", ("only",), model.input, model.engine), faces(1))


@pytest.mark.parametrize("name", [name for name in methods() if METHODS[name].needs])
def test_an_engine_without_what_a_method_needs_is_refused_before_any_face(name: str, bare: Model) -> None:
    """The error names the method, the engine and what is missing."""
    with pytest.raises(ModelError) as caught:
        AttributionJob.prepare(bare, name)
    member = CAPABILITIES[METHODS[name].needs[0]].rpartition("(")[2].rstrip(")")
    for word in (name, "bare engine", member):
        assert word in str(caught.value)


@pytest.mark.parametrize("name", [name for name in OURS if not METHODS[name].needs])
def test_three_primitives_are_enough(name: str, bare: Model, model_of: Any) -> None:
    settings = QUICK.get(name, {})
    ours = explain(model_of("functional"), faces(2), name, "predicted-sad,fear", **settings).raw
    theirs = explain(bare, faces(2), name, "predicted-sad,fear", **settings).raw
    np.testing.assert_allclose(theirs, ours, atol=1e-5 * np.abs(ours).max())


def test_a_job_parses_nothing_again(model_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = AttributionJob.prepare(model_of("functional"), "integrated-gradients", "happy-sad", settings={"steps": 3})
    whole = explain(model_of("functional"), faces(4), "integrated-gradients", "happy-sad", steps=3)

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is checked for a chunk")

    for name in ("parse_targets", "resolve_layers", "check_integer", "supports", "target_weights", "as_model"):
        monkeypatch.setattr(attribution_job, name, fail)
    monkeypatch.setattr(type(job.method), "resolve_settings", fail)
    parts = [job(as_faces(faces(4)[i : i + 2])) for i in (0, 2)]
    np.testing.assert_array_equal(np.concatenate([part.raw for part in parts]), join(parts).raw)
    np.testing.assert_allclose(join(parts).raw, whole.raw, atol=1e-5)
    assert [len(values) for values in join(parts).settings["details"].values()] == [4, 4]
    assert join(parts).settings.keys() == whole.settings.keys()


@pytest.fixture
def request_of(model_of: Any) -> Any:
    def get(batch_size: int = 64) -> MethodInput:
        model = model_of("functional")
        batch = model.preprocess(faces(3))
        weights = target_weights(parse_targets("happy-sad,predicted", LABELS), LABELS, 3)
        pictures = model.input.resized(faces(3))
        return MethodInput(model.engine, batch, "relu2", weights, batch_size, 0, pictures, model.input)

    return get


def test_masks_of_ones_show_the_picture_and_zeros_the_fill(request_of: Any) -> None:
    masks = np.stack([np.ones((18, 18), np.float32), np.zeros((18, 18), np.float32)])
    scores = request_of().masked_scores(masks, "mean")
    assert scores.shape == (3, 2, 2)
    np.testing.assert_allclose(scores[..., 0], request_of().full_scores, rtol=1e-5)
    np.testing.assert_allclose(scores[..., 1], request_of().scores(request_of().baseline("mean")), rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_masked_scores_of_shared_own_and_lazy_masks_agree(request_of: Any, batch_size: int) -> None:
    masks = np.random.default_rng(0).random((5, 18, 18)).astype(np.float32)
    own = np.repeat(masks[None], 3, axis=0)
    used = np.ones((3, 5), bool)
    used[1, 2] = False
    scores = request_of(batch_size).masked_scores(masks, 64)
    np.testing.assert_allclose(request_of().masked_scores(own, 64), scores, atol=1e-5)
    lazy = request_of(batch_size).masked_scores(LazyMasks(used, lambda _, mask: masks[mask]), 64)
    assert np.isnan(lazy[1, :, 2]).all()
    np.testing.assert_allclose(np.where(used[:, None], lazy, scores), scores, atol=1e-5)


def test_masked_scores_never_pass_more_than_a_batch(request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request, sizes = request_of(4), []
    logits = request.engine.logits
    monkeypatch.setattr(request.engine, "logits", lambda batch: sizes.append(len(batch)) or logits(batch))
    request.masked_scores(np.ones((5, 18, 18), np.float32), "black")
    assert max(sizes) <= 4
    assert sum(sizes) == 3 + 3 * 5  # the pictures themselves, for the predicted class, and each under each mask


def test_coarse_and_one_channel_a_class_layers_carry_warnings(model_of: Any) -> None:
    made = explain(model_of("softmax_layer"), faces(1), layer="classes")
    assert any("one channel per class" in warning for warning in made.warnings)
    made = explain(model_of("sequential"), faces(1), layer="conv2")
    assert made.raw.shape[2:] == (6, 6)
    assert not made.warnings
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((18, 18, 1))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(7, 6, strides=6, name="coarse")(picture))
    coarse = Model("c", "", LABELS, InputSpec(18, 18, 1), KerasEngine(keras().Model(picture, layers.Dense(4)(x))))
    for layer in (None, "coarse"):
        assert any("3 x 3 cells" in warning for warning in explain(coarse, faces(1), layer=layer).warnings)


def test_targets_of_the_parser_and_of_explain_are_the_same(model_of: Any) -> None:
    made = explain(model_of("functional"), faces(1), target="2*happy-sad,predicted")
    assert (
        made.targets
        == tuple(t.name for t in parse_targets("2*happy-sad,predicted", LABELS))
        == ("2*happy-sad", "predicted")
    )
