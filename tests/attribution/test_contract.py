"""What every attribution method promises, over every kind of network. A new method gets these tests by being registered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain
from ferviz.attribution.methods.method import PICTURE
from ferviz.attribution.methods.registry import METHODS, methods
from ferviz.attribution.targets import parse_targets
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad", "fear")
OURS = [name for name in methods() if ":" not in name]
KINDS = [
    "functional", "sequential", "subclassed", "with_function", "nested", "shared", "channels_first", "rgb", "any_size",
    "softmax_layer", "activation_layer", "sigmoid", "linear", "mixed_precision",
]  # fmt: skip
QUICK = {
    "rise": {"masks": 24}, "smoothgrad": {"samples": 5}, "integrated-gradients": {"steps": 5}, "occlusion": {"patch": 6},
}  # fmt: skip
"""Fewer passes than the defaults; what is promised does not depend on them."""
ZERO_DIM = 1e-9


@pytest.fixture(scope="session")
def model_of(engine: Any) -> Any:
    def get(kind: str) -> Model:
        size = (None, None) if kind == "any_size" else (18, 18)
        spec = InputSpec(*size, 3 if kind == "rgb" else 1, default_side=18)
        return Model(kind, "", LABELS, spec, engine(kind))

    return get


def faces(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 18, 18, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_keeps_the_contract_on_every_kind_of_network(kind: str, model_of: Any) -> None:
    model, pictures = model_of(kind), faces(3)
    network = model.engine.network
    weights = [w.copy() for w in network.get_weights()]
    trainable = [v.trainable for v in network.variables]
    layers = {info.name: info for info in model.layers}
    for name in OURS:
        settings = QUICK.get(name, {})
        made = explain(model, pictures, name, "happy-sad,predicted", batch_size=2, seed=3, **settings)
        where = f"{name} on {kind}"
        assert made.heatmaps.shape == (3, 2, 18, 18), where
        assert made.heatmaps.dtype == made.raw.dtype == np.float32, where
        assert np.isfinite(made.heatmaps).all(), where
        assert np.isfinite(made.raw).all(), where
        if METHODS[name].at == PICTURE:
            assert (made.layer, made.raw.shape[2:]) == ("input", (18, 18)), where
        else:
            expected = tuple(
                b if a is None else a for a, b in zip(layers[made.layer].shape, made.raw.shape[2:], strict=False)
            )
            assert made.raw.shape[2:] == expected, where
        again = explain(model, pictures, name, "happy-sad,predicted", batch_size=2, seed=3, **settings)
        np.testing.assert_array_equal(made.heatmaps, again.heatmaps, err_msg=where)
        # One contrast makes all maps of an explanation signed; alone they are asked for so.
        settings = {**settings, **{k: v for k, v in made.settings.items() if k in METHODS[name].signed}}
        # A batch is its singles; half precision rounds differently in batches of different sizes.
        tolerance = (0.05 if kind == "mixed_precision" else 2e-3) * max(np.abs(made.raw).max(), 1e-6)
        alone = explain(model, pictures[2:], name, "predicted", seed=3, **settings)
        np.testing.assert_allclose(made.raw[2:, 1:], alone.raw, atol=tolerance, err_msg=where)
        assert made.predictions[2].label == alone.predictions[0].label, where
        named = explain(model, pictures[2:], name, alone.predictions[0].label, seed=3, **settings)
        np.testing.assert_allclose(named.raw, alone.raw, atol=tolerance, err_msg=where)
        assert np.abs(made.raw).max() > ZERO_DIM, where  # these networks do see something
    for before, after in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [v.trainable for v in network.variables] == trainable


@pytest.fixture(scope="module")
def blank(networks: Any) -> Model:
    """A network all of whose weights are zero: its maps are empty and it answers nothing."""
    from ferviz.engines.keras import KerasEngine

    network = networks.functional()
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    return Model("blank", "", LABELS, InputSpec(18, 18, 1), KerasEngine(network))


@pytest.mark.parametrize("name", OURS)
def test_no_evidence_is_an_empty_map(name: str, blank: Model) -> None:
    made = explain(blank, faces(2), name, "all", **QUICK.get(name, {}))
    assert not made.heatmaps.any()
    assert not made.raw.any()


@pytest.mark.parametrize("name", [n for n in OURS if n not in ("eigencam",)])
def test_the_target_matters(name: str, model_of: Any) -> None:
    """Different classes get different maps; Eigen-CAM, which cannot tell them apart, says so."""
    made = explain(model_of("functional"), faces(1), name, "all", **QUICK.get(name, {}))
    assert len({heat.tobytes() for heat in made.heatmaps[0]}) > 1


def test_methods_that_do_not_depend_on_the_class_carry_a_caution(model_of: Any) -> None:
    for name, word in (("eigencam", "class"), ("guided-backprop", "do not read it as an explanation")):
        made = explain(model_of("functional"), faces(1), name, "all")
        assert any(word in warning for warning in made.warnings)
    same = explain(model_of("functional"), faces(1), "eigencam", "all").raw[0]
    assert all(np.array_equal(same[0], other) for other in same)


@pytest.mark.parametrize("name", OURS)
def test_methods_with_chance_follow_their_seed(name: str, model_of: Any) -> None:
    first, same, other = (
        explain(model_of("functional"), faces(1), name, "happy", seed=seed, **QUICK.get(name, {})) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.raw, same.raw)
    assert np.array_equal(first.raw, other.raw) == (name not in ("rise", "smoothgrad"))


@pytest.mark.parametrize("name", [n for n in OURS if METHODS[n].at != PICTURE])
def test_several_layers_are_fused(name: str, model_of: Any) -> None:
    made = explain(model_of("functional"), faces(2), name, "happy", layer=["relu1", "relu2"])
    assert made.layer == "relu1+relu2"
    assert made.raw.shape == made.heatmaps.shape == (2, 1, 18, 18)
    parts = [
        explain(model_of("functional"), faces(2), name, "happy", layer=layer).heatmaps for layer in ("relu1", "relu2")
    ]
    scaled = [p / np.maximum(np.abs(p).max((2, 3), keepdims=True), 1e-30) for p in parts]
    wanted = np.where(np.abs(scaled[0]) >= np.abs(scaled[1]), *scaled)
    np.testing.assert_allclose(made.heatmaps, wanted, atol=1e-6)


def test_batch_size_changes_nothing(model_of: Any) -> None:
    """... but the memory: chunks of pictures and, in the methods that change pictures, chunks of copies."""
    for name in OURS:
        settings = QUICK.get(name, {})
        whole = explain(model_of("functional"), faces(5), name, "happy,predicted-sad", **settings).raw
        small = explain(model_of("functional"), faces(5), name, "happy,predicted-sad", batch_size=2, **settings).raw
        np.testing.assert_allclose(small, whole, atol=2e-4 * np.abs(whole).max(), err_msg=name)


def test_the_most_pictures_in_one_pass_are_batch_size(model_of: Any) -> None:
    """Bounded memory, counted: no method ever hands the engine more pictures than batch_size at once."""
    model = model_of("functional")
    seen: list[int] = []

    class Counting:
        name, takes_predicted = "counting", True

        def __getattr__(self, attribute: str) -> Any:
            function = getattr(model.engine, attribute)

            def call(batch: np.ndarray, *rest: Any) -> Any:
                seen.append(len(batch))
                return function(batch, *rest)

            return call if callable(function) else function

    counted = Model("counted", "", LABELS, model.input, Counting())  # type: ignore[arg-type]
    for name in OURS:
        seen.clear()
        explain(counted, faces(5), name, "all", layer=None if METHODS[name].at == PICTURE else "relu2", batch_size=4)
        assert 0 < max(seen) <= 4, (name, max(seen))


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
        ({"method": "occlusion", "baseline": "pink"}, UsageError, "baseline 'pink' is not known"),
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


def test_an_engine_without_what_a_method_needs_says_so(model_of: Any) -> None:
    model = model_of("functional")

    class Plain:
        """The three primitives and nothing else, as an engine of another framework has them."""

        name = "plain"
        classes, layers = model.engine.classes, model.engine.layers
        logits, activations, gradients = model.engine.logits, model.engine.activations, model.engine.gradients

    plain = Model("plain", "", LABELS, model.input, Plain())  # type: ignore[arg-type]
    for name in OURS:
        if name in ("guided-backprop", "ablationcam"):
            with pytest.raises(ModelError, match=rf"^{name} needs .*plain engine.*engine='keras'"):
                explain(plain, faces(1), name)
        else:
            settings = QUICK.get(name, {})
            ours = explain(model, faces(2), name, "predicted-sad,fear", **settings).raw
            theirs = explain(plain, faces(2), name, "predicted-sad,fear", **settings).raw
            np.testing.assert_allclose(theirs, ours, atol=1e-5 * np.abs(ours).max(), err_msg=name)


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
