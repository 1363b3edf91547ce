"""What every attribution method promises, each promise by itself. A new method gets these tests by being registered."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.explain import explain as explain_and_test
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.methods.method import PICTURE
from ferviz.attribution.methods.registry import METHODS, methods
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

explain = partial(explain_and_test, test=False)  # what the deletion test promises is in tests/trust
LABELS = ("angry", "happy", "sad", "fear")
OURS = [name for name in methods() if ":" not in name and not METHODS[name].needs_explainer]
"""... that any network can be asked by; what FastSHAP promises of a taught one is in tests/training/test_teach.py."""
KINDS = [
    "functional", "sequential", "subclassed", "with_function", "nested", "shared", "channels_first", "rgb", "any_size",
    "softmax_layer", "activation_layer", "sigmoid", "linear", "mixed_precision",
]  # fmt: skip
QUICK = {
    "rise": {"masks": 24}, "smoothgrad": {"samples": 5}, "integrated-gradients": {"steps": 5}, "occlusion": {"patch": 6},
    "regions": {"permutations": 2, "template": True}, "region-occlusion": {"template": True},
    "shapley": {"cells": 3, "samples": 28},
}  # fmt: skip
"""Fewer passes than the defaults; what is promised does not depend on them."""
ZERO = 1e-9

# Every method on a network of each data layout, and on every kind of network a method of each family:
# what a kind needs is done by its engine (tests/engines holds all of them to that), not by each method again.
METHODS_ON_EVERY_KIND = ["gradcam", "integrated-gradients", "occlusion"]
KINDS_BY_EVERY_METHOD = ["functional", "channels_first"]
CELLS = [(k, n) for n in OURS for k in KINDS if n in METHODS_ON_EVERY_KIND or k in KINDS_BY_EVERY_METHOD]

on_every_kind = pytest.mark.parametrize("kind", KINDS)
with_every_kind_and_method = pytest.mark.parametrize(("kind", "name"), CELLS)
by_every_method = pytest.mark.parametrize("name", OURS)


class Networks:
    """The networks of tests/networks.py as models, each with its state before anything was explained."""

    def __init__(self, engine: Any) -> None:
        self._engine, self._models, self.before = engine, {}, {}

    def __call__(self, kind: str) -> Model:
        if kind not in self._models:
            size = (None, None) if kind == "any_size" else (18, 18)
            spec = InputSpec(*size, 3 if kind == "rgb" else 1, default_side=18)
            self._models[kind] = Model(kind, "", LABELS, spec, self._engine(kind))
            self.before[kind] = state(self._models[kind])
        return self._models[kind]


def state(model: Model) -> tuple[list[np.ndarray], list[bool]]:
    network: Any = model.engine.network  # type: ignore[attr-defined]
    return [w.copy() for w in network.get_weights()], [v.trainable for v in network.variables]


@pytest.fixture(scope="session")
def model_of(engine: Any) -> Networks:
    return Networks(engine)


@pytest.fixture(scope="module")
def explained(model_of: Networks) -> Any:
    """(kind, method) -> the explanation of three faces for a contrast and the predicted class, two in a pass; made once."""
    kept: dict[tuple[str, str], Explanation] = {}

    def get(kind: str, name: str) -> Explanation:
        if (kind, name) not in kept:
            kept[kind, name] = ask(model_of(kind), name)
        return kept[kind, name]

    return get


TARGETS = "happy-sad,predicted"
"""Two targets everywhere: TensorFlow differentiates anew for every other number of them."""


def ask(model: Model, name: str) -> Explanation:
    return explain(model, faces(3), name, TARGETS, batch_size=2, seed=3, **QUICK.get(name, {}))


def alone(model: Model, name: str, targets: str = TARGETS) -> Explanation:
    """The third face by itself."""
    return explain(model, faces(3)[2:], name, targets, seed=3, **QUICK.get(name, {}))


def tolerance(kind: str, whole: Explanation) -> float:
    """Half precision rounds differently in batches of different sizes."""
    return (0.05 if kind == "mixed_precision" else 2e-3) * max(float(np.abs(whole.raw).max()), 1e-6)


def faces(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 18, 18, 3)).astype(np.uint8)


@with_every_kind_and_method
def test_maps_are_finite_float32(kind: str, name: str, explained: Any) -> None:
    for maps in (explained(kind, name).heatmaps, explained(kind, name).raw):
        assert maps.dtype == np.float32
        assert np.isfinite(maps).all()


@with_every_kind_and_method
def test_heatmaps_have_the_networks_size_and_raw_maps_the_layers(
    kind: str, name: str, explained: Any, model_of: Networks
) -> None:
    made = explained(kind, name)
    assert made.heatmaps.shape == (3, 2, 18, 18)
    if METHODS[name].at == PICTURE:
        assert (made.layer, made.raw.shape) == ("input", (3, 2, 18, 18))
    else:
        height, width = model_of(kind).layer(made.layer).shape[:2]
        assert made.raw.shape[:2] == (3, 2)
        assert height is None or made.raw.shape[2] == height
        assert width is None or made.raw.shape[3] == width


@with_every_kind_and_method
def test_these_networks_see_something(kind: str, name: str, explained: Any) -> None:
    assert np.abs(explained(kind, name).raw).max() > ZERO


@with_every_kind_and_method
def test_the_same_call_gives_the_same_maps(kind: str, name: str, explained: Any, model_of: Networks) -> None:
    np.testing.assert_array_equal(ask(model_of(kind), name).heatmaps, explained(kind, name).heatmaps)


@with_every_kind_and_method
def test_a_batch_is_its_singles(kind: str, name: str, explained: Any, model_of: Networks) -> None:
    whole = explained(kind, name)
    single = alone(model_of(kind), name)
    np.testing.assert_allclose(whole.raw[2:], single.raw, atol=tolerance(kind, whole))
    assert whole.predictions[2].label == single.predictions[0].label


@with_every_kind_and_method
def test_the_predicted_class_can_be_named(kind: str, name: str, explained: Any, model_of: Networks) -> None:
    whole = explained(kind, name)
    named = alone(model_of(kind), name, f"happy-sad,{whole.predictions[2].label}")
    np.testing.assert_allclose(named.raw, whole.raw[2:], atol=tolerance(kind, whole))


@on_every_kind
def test_the_network_is_left_as_it_was(kind: str, explained: Any, model_of: Networks) -> None:
    for name in (name for k, name in CELLS if k == kind):
        explained(kind, name)
    (weights, trainable), (now, trainable_now) = model_of.before[kind], state(model_of(kind))
    for before, after in zip(weights, now, strict=True):
        np.testing.assert_array_equal(before, after)
    assert trainable_now == trainable


@pytest.fixture(scope="module")
def blank(networks: Any) -> Model:
    """A network all of whose weights are zero: its maps are empty and it answers nothing."""
    from ferviz.engines.keras import KerasEngine

    network = networks.functional()
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    return Model("blank", "", LABELS, InputSpec(18, 18, 1), KerasEngine(network))


@by_every_method
def test_no_evidence_is_an_empty_map(name: str, blank: Model) -> None:
    made = explain(blank, faces(2), name, "happy,sad", **QUICK.get(name, {}))
    assert not made.heatmaps.any()
    assert not made.raw.any()


@pytest.mark.parametrize("name", [n for n in OURS if n not in ("eigencam",)])
def test_the_target_matters(name: str, model_of: Any) -> None:
    """Different classes get different maps; Eigen-CAM, which cannot tell them apart, says so."""
    made = explain(model_of("functional"), faces(1), name, "happy,sad", **QUICK.get(name, {}))
    assert len({heat.tobytes() for heat in made.heatmaps[0]}) > 1


@pytest.mark.parametrize("name", [name for name in OURS if METHODS[name].caution])
def test_a_methods_caution_is_among_the_warnings(name: str, model_of: Any) -> None:
    assert METHODS[name].caution in explain(model_of("functional"), faces(1), name, "happy,sad").warnings


def test_methods_that_do_not_depend_on_the_class_carry_a_caution() -> None:
    assert "class" in METHODS["eigencam"].caution
    assert "explanation" in METHODS["guided-backprop"].caution


def test_eigencam_has_one_map_for_every_class(model_of: Any) -> None:
    same = explain(model_of("functional"), faces(1), "eigencam", "happy,sad").raw[0]
    assert all(np.array_equal(same[0], other) for other in same)


@by_every_method
def test_methods_with_chance_follow_their_seed(name: str, model_of: Any) -> None:
    first, same, other = (
        explain(model_of("functional"), faces(1), name, "happy,sad", seed=seed, **QUICK.get(name, {}))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.raw, same.raw)
    random = (
        "occlusion",
        "region-occlusion",
        "regions",
        "rise",
        "shapley",
        "smoothgrad",
    )  # the harmonic fill has noise
    assert np.array_equal(first.raw, other.raw) == (name not in random)


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


@by_every_method
def test_batch_size_changes_nothing(name: str, model_of: Any) -> None:
    """... but the memory: chunks of pictures and, in the methods that change pictures, chunks of copies."""
    settings = QUICK.get(name, {})
    whole = explain(model_of("functional"), faces(5), name, "happy,predicted-sad", **settings).raw
    small = explain(model_of("functional"), faces(5), name, "happy,predicted-sad", batch_size=2, **settings).raw
    np.testing.assert_allclose(small, whole, atol=2e-4 * np.abs(whole).max())


@by_every_method
def test_the_most_pictures_in_one_pass_are_batch_size(name: str, model_of: Any) -> None:
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
    layer = None if METHODS[name].at == PICTURE else "relu2"
    explain(counted, faces(5), name, "happy,sad", layer=layer, batch_size=4, **QUICK.get(name, {}))
    assert 0 < max(seen) <= 4


@by_every_method
def test_a_method_has_a_title_and_settings_with_defaults(name: str) -> None:
    method = METHODS[name]
    assert method.title
    assert set(method.signed) <= set(method.settings)
    assert method.resolve_settings({}) == method.settings


@by_every_method
def test_a_contrast_is_signed_where_the_method_can_be(name: str) -> None:
    method = METHODS[name]
    resolved = method.resolve_settings({}, contrast=True)
    changed = {key: value for key, value in resolved.items() if value != method.settings[key]}
    assert changed == ({} if method.magnitude else dict(method.signed))
    for key, value in method.signed.items():
        assert method.resolve_settings({key: not value}, contrast=True)[key] is not value  # what is given counts
