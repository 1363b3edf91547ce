"""Dreaming end to end on tiny networks: it climbs, repeats itself, stays in range, and copes with every kind of network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz import objectives
from ferviz.dreaming.ascent import ascend
from ferviz.dreaming.ascent.ascent_config import AscentConfig
from ferviz.dreaming.ascent.border import border_reach
from ferviz.dreaming.ascent.compiled_ascent import CompiledAscent
from ferviz.dreaming.ascent.differentiable import DreamNetwork, takes_any_size
from ferviz.dreaming.deepdream import Octaves
from ferviz.dreaming.dream import DreamConfig
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.dreaming.parameterizations.spatial import Pixels
from ferviz.dreaming.priors import PRIORS, prior
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.sheets.dream_titles import dream_names, dream_title
from ferviz.dreaming.terms.layer_terms import Channel, Layer, window
from ferviz.dreaming.terms.term import Term
from ferviz.dreaming.transforms import NONE
from ferviz.engines.base import LayerInfo
from ferviz.errors import PictureError, UnknownNameError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

Get = Callable[..., Any]
FEW: dict[str, Any] = {"steps": 6, "config": DreamConfig(samples=2)}
PLAIN = DreamConfig(samples=1, transforms=NONE)


class Darkness(Term):
    """Somebody's own term, as docs/extending/write-an-objective.md shows one."""

    def value(self, tensor: Any, parameter: Any) -> Any:
        import tensorflow as tf

        return -tf.reduce_mean(tensor, [1, 2, 3])


EACH = {
    "logit": objectives.logit("happy"),
    "probability": objectives.probability("sad"),
    "odds": objectives.odds("angry"),
    "contrast": objectives.contrast("happy", "sad"),
    "layer": objectives.layer("relu1"),
    "channel": objectives.channel("relu2", 1),
    "neuron": objectives.neuron("norm1", 2),
    "direction": objectives.direction("norm1", [1, -1, 0, 2, 1]),
    "sum": 2 * objectives.logit("happy") - 0.5 * objectives.layer("relu1"),
    "own": objectives.Objective(((1.0, Darkness("norm1")),)),
}


@pytest.mark.parametrize("name", [pytest.param("faces", marks=pytest.mark.slow), "spectrum", "none"])
def test_ascent_ascends_for_every_objective(model: Get, name: str) -> None:
    alive = objectives.channel("pool", objectives.most_active(model(), "pool", 1)[0])
    # What an objective is knows nothing of the prior: all under one, a class, a layer and a vector under the others.
    asked = (
        {**EACH, "vector": alive} if name == "faces" else {"logit": EACH["logit"], "sum": EACH["sum"], "vector": alive}
    )
    config = DreamConfig(samples=1, transforms=NONE, regularizers=Regularizers())
    made = ferviz.dream(model(), list(asked.values()), steps=24, prior=name, config=config)
    assert made.trace.shape == (len(asked), 24)
    for kind, course in zip(asked, made.trace, strict=True):
        assert course[-4:].mean() > course[0] + 1e-3 * abs(course[0]) + 1e-6, kind


def test_diversity_makes_copies_differ_more(model: Get) -> None:
    channel = objectives.channel("relu1", 1)
    asked = [channel, channel + 5 * objectives.diversity("relu1")]
    made = ferviz.dream(model(), asked, copies=3, steps=24, prior="none", config=DreamConfig(samples=1, diversity=0))
    alike, apart = made.images[:3], made.images[3:]

    def unlikeness(images: Any) -> float:
        maps = model().engine.activations(model().preprocess(images), ["relu1"])[0].astype(np.float64)
        flat = (maps - maps.mean((0, 1, 2))).reshape(3, -1, maps.shape[-1])
        gram = np.einsum("npc,npd->ncd", flat, flat).reshape(3, -1)
        gram /= np.linalg.norm(gram, axis=1, keepdims=True)
        return -float((gram @ gram.T)[np.triu_indices(3, 1)].mean())

    assert len({image.tobytes() for image in alike}) == 3
    assert unlikeness(apart) > unlikeness(alike)


@pytest.mark.parametrize(
    ("asked", "chosen"), [("happy", "faces"), ("happy", "none"), (objectives.channel("relu1", 1), None)]
)
def test_copies_differ(model: Get, asked: Any, chosen: str | None) -> None:
    made = ferviz.dream(model(), asked, copies=4, steps=24, prior=chosen, config=DreamConfig(samples=1))
    assert np.corrcoef(made.images.reshape(4, -1))[np.triu_indices(4, 1)].mean() <= 0.8
    assert made.objective == made.objective[:1] * 4  # the reward for being unlike has no place in the name


def test_the_padding_reaches_one_cell_further_with_each_convolution() -> None:
    class Even:
        """Even pictures whose n outermost cells see the padding: 0, 1 and all of them."""

        name, classes, head, labels = "even", 2, "softmax", ("happy", "sad")
        layers = tuple(LayerInfo(f"reach {n}", "Conv2D", (8, 8, 1), True) for n in (0, 1, 4))

        def activations(self, batch: np.ndarray, names: Any) -> list[np.ndarray]:
            outputs = []
            for name in names:
                reach = int(name[-1])
                cells = np.ones((len(batch), 8, 8, 1), np.float32)
                inner = cells[:, reach : 8 - reach, reach : 8 - reach]
                inner *= 1 + batch.mean((1, 2, 3), keepdims=True)
                if reach == 4:
                    cells += np.arange(8, dtype=np.float32)[:, None, None]
                outputs.append(cells)
            return outputs

    even = Model("even", "", ("happy", "sad"), InputSpec(16, 16, 1, "0..1"), Even())  # type: ignore[arg-type]
    assert [border_reach(even, f"reach {n}") for n in (0, 1, 4)] == [0, 1, 4]


def test_cells_that_see_the_padding_do_not_count() -> None:
    counted = window((5, 12, 12, 3), 3)[0, :, :, 0]
    assert counted.sum() == pytest.approx(1)
    assert (counted[:3] == 0).all()
    assert (counted[:, -3:] == 0).all()
    assert counted[5, 5] > counted[3, 5] > 0
    assert window((5, 6, 6, 3), 99)[0, 2:4, 2:4, 0] == pytest.approx(1 / 9)  # the middle stays: half, one, one, half
    assert window((5, 7), 4).shape == (1, 1)
    rng = np.random.default_rng(0)
    tensor = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    tensor[:, :2], tensor[:, -2:] = 1e6, -1e6
    tensor[:, :, :2], tensor[:, :, -2:] = 1e6, 1e6
    for term, parameter in ((Layer("a", margin=2), np.zeros(0)), (Channel("a", index=1, margin=2), np.eye(3)[1])):
        values, gradient = term.value_and_gradient(tensor, parameter.astype(np.float32))
        assert np.abs(values).max() < 10
        assert (gradient[:, :2] == 0).all()
        np.testing.assert_allclose(np.asarray(term.value(tensor, parameter.astype(np.float32))), values, rtol=1e-5)
        step = rng.normal(size=tensor.shape).astype(np.float32)
        step[:, :2], step[:, -2:], step[:, :, :2], step[:, :, -2:] = 0, 0, 0, 0
        moved, _ = term.value_and_gradient(tensor + 1e-2 * step, parameter.astype(np.float32))
        slope = (gradient * step).reshape(2, -1).sum(1)
        np.testing.assert_allclose((moved - values) / 1e-2, slope, rtol=0.05, atol=0.02)


def test_a_picture_stands_before_what_became_of_it(model: Get, tmp_path: Path) -> None:
    face = np.random.default_rng(0).integers(0, 256, (18, 18), dtype=np.uint8)
    made = ferviz.dream(model(), ["happy", "sad"], image=face, **FEW)
    assert made.before.shape == made.images.shape
    assert np.abs(made.before[0].astype(int) - face).max() <= 1
    known = model().probabilities(made.before[:1])[0]
    np.testing.assert_allclose(made.probability_before, known[1:3], rtol=1e-5)
    assert "(before " in made.captions()[0][0]
    words = {t.get_text() for t in made.plot().findobj(lambda a: hasattr(a, "get_text"))}
    assert {"before", "happy", "sad"} <= words
    made.save(tmp_path / "d.npz")
    again = ferviz.Dream.load(tmp_path / "d.npz")
    np.testing.assert_array_equal(again.before, made.before)
    assert again[1].names == ("sad",)
    assert ferviz.dream(model(), "sad", **FEW).before.shape == (0, 18, 18)


def test_titles_say_what_is_shown(model: Get) -> None:
    kinds = {
        "classes": [objectives.odds("happy"), objectives.logit("sad")],
        "one class rather than another": [objectives.contrast("happy", "sad")],
        "channels of relu1": [objectives.channel("relu1", 1), objectives.channel("relu1", 2)],
        "whole layers what excites relu1 of net": [objectives.layer("relu1")],
        "what moves net": [objectives.odds("happy"), objectives.layer("relu1")],
    }
    for words, asked in kinds.items():
        assert words in " ".join(dream_title(asked, "net", False))
    assert dream_names(kinds["one class rather than another"]) == ("happy rather than sad",)
    assert dream_names(kinds["channels of relu1"]) == ("channel 1", "channel 2")
    two = [objectives.channel("relu1", 1), objectives.channel("norm1", 1)]
    assert dream_names(two) == ("relu1 1", "norm1 1")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(model: Get, every: Any) -> None:
    first, again = every, ferviz.dream(model(), steps=6, config=DreamConfig(samples=2, frames=3))
    other = ferviz.dream(model(), seed=5, **FEW)
    assert first.images.tobytes() == again.images.tobytes()
    assert first.trace.tobytes() == again.trace.tobytes()
    assert first.frames.tobytes() == again.frames.tobytes()
    for one, another in zip(first.images, other.images, strict=True):
        assert one.tobytes() != another.tobytes()


def test_a_class_dreams_the_same_alone_and_among_others(model: Get, every: Any) -> None:
    alone = ferviz.dream(model(), "sad", **FEW)
    difference = every.images[2].astype(int) - alone.images[0]
    assert np.abs(difference).max() <= 1
    assert every.objective == ("angry", "happy", "sad", "surprise")


@pytest.mark.parametrize("name", PRIORS)
def test_pictures_stay_in_range_however_hard_the_ascent_pulls(model: Get, name: str) -> None:
    import tensorflow as tf

    dreaming = DreamNetwork(model())
    chosen = prior(name, [objectives.logit("happy")], dreaming.size, 1.0, face_statistics())
    config = AscentConfig(chosen.parameterization, NONE, Regularizers(), steps=4)
    ascent = CompiledAscent(dreaming.forward, [objectives.logit(0)], dreaming.size, config)
    starts = np.clip(np.random.default_rng(0).random((1, *dreaming.size)), 0.02, 0.98).astype(np.float32)
    variables = ascent.start([0]).variables
    for factor in (0.0, 1.0, 1e2, 1e6):
        drawn = np.asarray(ascent.pictures(tf.sign(variables) * factor, starts))
        assert drawn.min() >= 0
        assert drawn.max() <= 1


def test_a_furious_ascent_stays_finite(model: Get) -> None:
    pulled = ferviz.dream(model(), 1e6 * objectives.logit("happy"), learning_rate=100.0, **FEW)
    assert np.isfinite(pulled.trace).all()


def mean_face(side: int) -> np.ndarray:
    return np.rint(face_statistics().sized((side, side)).mean * 255).astype(np.uint8)[None]


REACHED = {"nested": "backbone/inner/conv3", "channels_first": "depth", "shared": "twice:0"}
"""A layer by its address, where that is not just its name."""


@pytest.mark.parametrize(
    "name",
    [
        "sequential", "subclassed", "nested", "shared", "channels_first", "rgb", "any_size", "sigmoid", "mixed_precision",
    ],
)  # fmt: skip
def test_every_kind_of_network_dreams(model: Get, name: str) -> None:
    network = model(name)
    layer = REACHED.get(name)
    channels = [objectives.channel(layer, 2)] if layer else []
    made = ferviz.dream(network, ["happy", "sad", *channels], steps=18 if layer else 12, seed=1, config=PLAIN)
    side = 20 if name == "any_size" else 18
    assert made.images.shape[1:] == ((side, side, 3) if name == "rgb" else (side, side))
    assert (made.trace[:, -1] > made.trace[:, 0]).all()
    # The saved 8-bit pictures themselves please the network more than the mean face they began with.
    assert (made.probability[:2] > network.probabilities(mean_face(side))[0, [1, 2]]).all()
    if layer:
        activation = network.engine.activations(network.preprocess(made.images[2:]), [layer])[0]
        begun = network.engine.activations(network.preprocess(np.full((1, 18, 18), 128, np.uint8)), [layer])[0]
        counted = window(activation.shape, border_reach(network, layer))[
            0, ..., 0
        ]  # without cells that see the padding
        after, before = ((values[0, ..., 2] * counted).sum() / counted.sum() for values in (activation, begun))
        assert after > before
        assert made.trace[2, -1] == pytest.approx(after, rel=0.15, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("scaling", ["0..1", "-1..1", "0..255", "standardize"])
def test_the_network_sees_what_it_was_trained_on(model: Get, scaling: str) -> None:
    import tensorflow as tf

    network = model(scaling=scaling)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 18, 18), np.uint8)
    forward = tf.function(DreamNetwork(network).forward)
    dreaming = forward(tf.constant(pixels[..., None] / np.float32(255)), ["logits", "relu1", "conv1"])
    assert np.asarray(dreaming["logits"]) == pytest.approx(network.logits(pixels), rel=1e-3, abs=1e-3)
    for layer in ("relu1", "conv1"):  # conv1 itself disappears when its normalisation is folded in, and is still there
        expected = network.engine.activations(network.preprocess(pixels), [layer])[0]
        assert np.asarray(dreaming[layer]) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("shape", [(), (18, 18), (18, 18, 3), (3,)])
def test_standardization_by_arrays_and_colour_order(shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    from ferviz.dreaming.ascent.differentiable import scaled
    from ferviz.models.input_spec import InputSpec

    random = np.random.default_rng(0)
    spec = InputSpec(
        18, 18, 3, "standardize", order="bgr", mean=random.random(shape), std=0.5 + random.random(shape), unit=255
    )
    pixels = random.integers(0, 256, (2, 18, 18, 3), np.uint8)
    got = np.asarray(scaled(spec, tf.constant(pixels / np.float32(255))))
    assert got == pytest.approx(spec.preprocess(pixels), abs=1e-4)


@pytest.mark.slow
def test_many_channels_need_no_more_memory_than_a_few(model: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [objectives.channel("norm1", index) for index in range(5)]
    whole = ferviz.dream(model(), asked, prior="none", **FEW)
    seen: list[int] = []
    real = ascend.CompiledAscent

    class Counting(real):  # type: ignore[misc, valid-type]
        def __init__(self, forward: Any, groups: Any, *rest: Any) -> None:
            def counted(views: Any, layers: Any) -> Any:
                seen.append(views.shape[0])
                return forward(views, layers)

            super().__init__(counted, groups, *rest)

    monkeypatch.setattr(ascend, "MAX_VIEWS", 4)
    monkeypatch.setattr(ascend, "CompiledAscent", Counting)
    reported: list[tuple[int, int]] = []
    parts = ferviz.dream(
        model(), asked, prior="none", progress=lambda done, total: reported.append((done, total)), **FEW
    )
    assert seen == [4], "one trace, of no more than 4 views, serves all three batches"
    assert reported[-1] == (18, 18)
    assert len(parts) == 5
    assert np.abs(parts.images.astype(int) - whole.images).max() <= 1
    assert parts.trace == pytest.approx(whole.trace, rel=1e-3, abs=1e-3)


def test_no_filter_gradient_is_computed(model: Get) -> None:
    from tensorflow.python.eager import context

    context.enable_run_metadata()
    try:
        ferviz.dream(model(), "happy", steps=2, config=DreamConfig(samples=1))
        ran = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    kinds = {node.op for graph in ran.partition_graphs for node in graph.node}
    kinds |= {n.op for g in ran.function_graphs for n in g.post_optimization_graph.node}
    assert any("BackpropInput" in kind for kind in kinds)
    assert not [kind for kind in kinds if "BackpropFilter" in kind]


def test_a_blurred_gradient_changes_large_forms_first(model: Get) -> None:
    def roughness(smooth: float) -> float:
        config = DreamConfig(
            samples=1, smooth=smooth, parameterization=Pixels(0.0), regularizers=Regularizers(), transforms=NONE
        )
        made = ferviz.dream(
            model(), objectives.channel("norm1", 1), prior="none", steps=4, seed=1, learning_rate=0.02, config=config
        )
        change = made.images[0].astype(float) - 128
        assert np.abs(change).mean() > 1
        return float(np.abs(np.diff(change, axis=0)).mean() / np.abs(change).mean())

    assert roughness(6.0) < 0.8 * roughness(0.0)


@pytest.mark.slow
def test_frames_lead_from_the_start_to_the_dream(model: Get) -> None:
    made = ferviz.dream(model(), ["happy", "sad"], steps=40, config=DreamConfig(samples=1, frames=8))
    assert made.frames.shape == (8, 2, 18, 18)
    assert (made.frames[-1] == made.images).all()
    first = np.abs(made.frames[0].astype(int) - made.images).mean()
    assert first > np.abs(made.frames[4].astype(int) - made.images).mean()
    without = ferviz.dream(model(), ["happy", "sad"], steps=40, config=DreamConfig(samples=1))
    assert (without.images == made.images).all(), "keeping frames changes nothing"
    assert without.frames.shape == (0, 2, 18, 18)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"objective": objectives.layer("conv9")}, UnknownNameError, "conv9"),
        ({"objective": "hapy"}, UnknownNameError, "'happy'"),
        ({"objective": []}, UsageError, "objective"),
        ({"steps": 0}, UsageError, "steps"),
        ({"config": DreamConfig(samples=0)}, UsageError, "samples"),
        ({"copies": -1}, UsageError, "copies"),
        ({"prior": "face"}, UnknownNameError, "'faces'"),
        ({"config": DreamConfig(facets=2)}, UsageError, "labelled faces"),
        ({"octaves": Octaves(2)}, UsageError, "octaves"),
        ({"image": np.zeros((9, 40, 3), np.uint8)}, PictureError, "40 x 9"),
        (
            {"image": np.zeros((9, 40, 3), np.uint8), "objective": objectives.layer("relu1")},
            PictureError,
            "at least 16",
        ),
        (
            {"image": np.zeros((40, 40, 3), np.uint8), "octaves": Octaves(9)},
            UsageError,
            "9 octaves",
        ),
        ({"image": np.zeros((40, 40, 3), np.uint8), "octaves": Octaves(ratio=1.0)}, UsageError, "ratio"),
    ],
)
def test_what_makes_no_sense_is_reported_in_one_sentence(
    model: Get, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        ferviz.dream(model(), options.pop("objective", None), **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def photograph(height: int = 40, width: int = 56) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    red = 128 + 60 * np.sin(x / 6.0)
    return np.stack([red, 90 + y, 200 - x], 2).clip(0, 255).astype(np.uint8)


def test_deepdream_finds_more_of_the_layer_and_keeps_picture_and_colours(model: Get) -> None:
    network, picture = model(), photograph()
    made = ferviz.dream(
        network, objectives.layer("relu2"), image=picture, octaves=Octaves(2, size=56), steps=12, seed=2
    )
    assert made.settings["octaves"] == ((29, 40), (40, 56))
    assert made.images.shape == (1, 40, 56, 3)
    assert made.trace[0, -1] > made.trace[0, 6]
    change = made.images[0].astype(float) - picture
    assert 1 < np.abs(change).mean() < 60
    inside = (made.images[0] > 0) & (made.images[0] < 255)
    grey = change.mean(2, keepdims=True)
    assert np.abs(change - grey)[inside.all(2)].max() <= 2, "a grey network changes luminance only"

    def seen(image: np.ndarray) -> float:
        return float((network.engine.activations(network.preprocess([image]), ["relu2"])[0] ** 2).mean())

    assert seen(made.images[0]) > seen(picture)


@pytest.mark.slow
def test_octaves_carry_their_detail(model: Get) -> None:
    picture = photograph()
    single = ferviz.dream(model(), objectives.layer("relu2"), image=picture, octaves=Octaves(1, size=56), steps=1)
    # All but one of the steps are spent on the smaller size; what they dreamt must still be there.
    many = ferviz.dream(model(), objectives.layer("relu2"), image=picture, octaves=Octaves(2, size=56), steps=13)
    small = many.images[0].astype(float) - picture
    assert np.abs(small).mean() > 2 * np.abs(single.images[0].astype(float) - picture).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sequential", "nested", "any_size", "channels_first"])
def test_networks_tied_to_their_size_dream_pictures_too(model: Get, name: str) -> None:
    layer = {"sequential": "conv2", "nested": "backbone/inner/conv3", "channels_first": "conv2"}.get(name, "relu2")
    network = model(name)
    assert takes_any_size(network) is (name != "sequential")
    made = ferviz.dream(
        network,
        objectives.layer(layer),
        image=photograph(),
        octaves=Octaves(None if name == "nested" else 1, size=48) if name != "sequential" else None,
        steps=8,
    )
    shape = (40, 56, 3) if name == "sequential" else (34, 48, 3)
    assert made.images.shape == (1, *shape)
    if name == "sequential":
        assert made.settings["octaves"] == ((18, 18),)
    elif name == "nested":
        assert len(made.settings["octaves"]) > 1, "as many as the picture has room for"
    assert made.trace[0, -1] > made.trace[0, 0]


def test_a_class_can_be_dreamt_into_a_face(model: Get) -> None:
    picture = photograph(40, 40)
    made = ferviz.dream(model(), ["happy", "sad"], image=picture, steps=24, config=PLAIN)
    p = model().probabilities(picture)[0]
    began = np.log(p / (1 - p))
    assert made.images.shape == (2, 18, 18)
    assert made.trace[:, 0] == pytest.approx(began[[1, 2]], abs=0.5)
    assert (made.trace[:, -1] > began[[1, 2]]).all()
    assert made.settings["start"] == "picture"
