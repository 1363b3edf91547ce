"""Diagrams: the connections are the network's, the boxes stand apart, and what is not drawn is said."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.engines.graph.topology import connections
from ferviz.engines.keras.keras_engine import has_own_code
from ferviz.errors import ModelError, OutputExistsError, UsageError
from ferviz.rendering.diagram.placement import THIN, place_boxes

RESIDUAL = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "short": ["b"], "add": ["d", "short", "a"], "end": ["add"]}


def sources_by_layer(engine) -> dict[str, tuple[str, ...]]:
    return {layer.name: sources for layer, sources in connections(engine)}


def test_connections_of_each_kind_of_network(engine):
    assert sources_by_layer(engine("functional")) == {
        "conv1": ("input",), "norm1": ("conv1",), "relu1": ("norm1",), "short": ("relu1",), "conv2": ("relu1",),
        "add": ("conv2", "short"), "relu2": ("add",), "pool": ("relu2",), "drop": ("pool",), "head": ("drop",),
    }  # fmt: skip
    shared = sources_by_layer(engine("shared"))
    assert (shared["twice:0"], shared["twice:1"]) == (("first",), ("twice:0",))
    nested = sources_by_layer(engine("nested"))
    assert nested["backbone/inner/conv3"] == ("backbone/conv1",)
    assert set(nested) & {"backbone", "backbone/inner"} == set()
    # The relu between them is a function, not a layer.
    assert sources_by_layer(engine("subclassed")) == {"conv1": ("input",), "conv2": ("conv1",), "head": ("conv2",)}
    assert sources_by_layer(engine("channels_first"))["conv2"] == ("depth",)


def test_a_layer_that_hands_on_its_input_is_not_skipped():
    """Dropout returns the very tensor that it was given; what is fed by the tensor before it is another branch."""
    from ferviz.engines.backend import keras as get_keras
    from ferviz.engines.keras import KerasEngine

    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, name="conv")(picture)
    y = layers.Dropout(0.5, name="drop")(x)
    x = layers.Add(name="add")([layers.ReLU(name="relu")(y), x])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(picture, layers.Dense(2, name="head")(x))
    found = sources_by_layer(KerasEngine(network))
    assert (found["drop"], found["relu"], found["add"]) == (("conv",), ("drop",), ("relu", "conv"))


def test_a_layer_of_its_own_class_is_one_box():
    from ferviz.engines.backend import keras as get_keras
    from ferviz.engines.keras import KerasEngine

    keras = get_keras()
    layers = keras.layers

    class Gate(layers.Layer):
        def __init__(self, **more):
            super().__init__(**more)
            self.inside = layers.Conv2D(3, 1, activation="sigmoid", name="inside")

        def call(self, x):
            return x * self.inside(x)

    network = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(3, 3, name="conv"), Gate(name="gate"), layers.Flatten(name="flat"),
         layers.Dense(2, name="head")]
    )  # fmt: skip
    assert sources_by_layer(KerasEngine(network)) == {
        "conv": ("input",), "gate": ("conv",), "flat": ("gate",), "head": ("flat",)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "own"), [("functional", False), ("nested", False), ("sequential", False), ("subclassed", True)]
)
def test_code_of_its_own_is_said(engine, name, own):
    network = engine(name).network
    assert has_own_code(network) is own
    notes = ferviz.diagram(ferviz.load_model(network)).notes
    assert bool(notes) is own
    assert all("code of its own" in note for note in notes)


def test_networks_are_left_as_they_were(engine):
    made = engine("functional")
    batch = np.random.default_rng(0).random((2, 18, 18, 1), np.float32)
    before = made.logits(batch)
    kept = {layer.name: dict(layer.__dict__) for layer in made.network.layers}
    connections(made)
    assert {layer.name: dict(layer.__dict__) for layer in made.network.layers} == kept
    np.testing.assert_array_equal(made.logits(batch), before)


def test_the_longest_path_is_straight_and_others_lie_right_of_it():
    plan = place_boxes(RESIDUAL)
    across = {box: place[0] for box, place in plan.places.items()}
    np.testing.assert_allclose([across[box] for box in ("b", "c", "d", "add", "end")], across["a"], atol=1e-6)
    assert across["short"] == pytest.approx(across["a"] + 1)
    past = next(line for line in plan.lines if line[0] == plan.places["a"] and line[-1] == plan.places["add"])
    assert len(past) == 5
    # Beside the boxes of each rank that it passes, never through one.
    for x, down, column in past[1:-1]:
        for place in plan.places.values():
            if place[1:] == (down, column):
                assert abs(place[0] - x) >= (1 + THIN) / 2 - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_boxes_never_overlap_and_lines_end_at_boxes(seed):
    rng = np.random.default_rng(seed)
    sources: dict[str, list[str]] = {"0": []}
    for n in range(1, 60):
        sources[str(n)] = [str(m) for m in sorted({int(m) for m in rng.integers(max(0, n - 8), n, rng.integers(1, 4))})]
    plan = place_boxes(sources)
    assert sum(plan.columns) == len({(place[1], place[2]) for place in plan.places.values()})
    for one, other in itertools.combinations(plan.places.values(), 2):
        assert one[1:] != other[1:] or abs(one[0] - other[0]) >= 1 - 1e-9
    ends = {(line[0], line[-1]) for line in plan.lines}
    assert ends == {(plan.places[a], plan.places[b]) for b, given in sources.items() for a in given}
    for line in plan.lines:
        for here, there in itertools.pairwise(line):
            assert there[1] == here[1] + 1 if here[2] == there[2] else (there[1], there[2]) == (0, here[2] + 1)
    for place in plan.places.values():
        left, right = plan.spans[place[2]]
        assert left - 1e-9 <= place[0] - 0.5
        assert place[0] + 0.5 <= right + 1e-9


def test_a_long_network_is_broken_into_columns_of_like_height():
    chain = {str(n): [str(n - 1)] if n else [] for n in range(100)}
    plan = place_boxes(chain)
    assert len(plan.columns) > 3
    assert max(plan.columns) - min(plan.columns) <= 0.4 * max(plan.columns)
    assert len(place_boxes({"a": []}).columns) == 1


def test_columns_are_cut_where_one_connection_crosses():
    blocks: dict[str, list[str]] = {"in": []}
    last = "in"
    for n in range(12):
        blocks[f"a{n}"], blocks[f"b{n}"] = [last], [f"a{n}"]
        blocks[f"add{n}"] = [f"b{n}", last]
        blocks[f"relu{n}"] = [f"add{n}"]
        last = f"relu{n}"
    plan = place_boxes(blocks)
    assert len(plan.columns) > 1
    for column in range(len(plan.columns) - 1):
        assert (
            sum(a[2] == column and b[2] == column + 1 for line in plan.lines for a, b in itertools.pairwise(line)) == 1
        )


def test_files_say_what_was_drawn(engine, tmp_path):
    made = ferviz.diagram(ferviz.load_model(engine("functional").network))
    for suffix in (".png", ".svg", ".pdf", ".json"):
        made.save(tmp_path / f"net{suffix}")
    text = (tmp_path / "net.svg").read_text()
    for word in (
        "conv1",
        "SeparableConv2D",
        "9×9×6",
        "81 weights",
        "picture",
        "10 layers",
        "ends in softmax over 4 classes",
    ):
        assert word in text
    document = json.loads((tmp_path / "net.json").read_text())
    assert document["layers"][6]["sources"] == ["conv2", "short"]
    assert document["default_layer"] == "relu2"
    with Image.open(tmp_path / "net.png") as picture:
        assert json.loads(picture.text["ferviz"])["layers"] == document["layers"]
    assert made.parameters == sum(int(np.prod(w.shape)) for w in engine("functional").network.weights)
    with pytest.raises(OutputExistsError):
        made.save(tmp_path / "net.png")
    with pytest.raises(UsageError, match=r"\.npz.*\.png.*\.pdf, \.svg, \.json"):
        made.save(tmp_path / "net.npz")


def test_every_box_is_drawn_inside_the_page(engine):
    figure = ferviz.diagram(ferviz.load_model(engine("nested").network)).plot()
    figure.draw_without_rendering()
    page = figure.bbox
    words = [text for axes in figure.axes for text in axes.texts]
    assert len(words) == 2 * 6
    for text in words:
        box = text.get_window_extent()
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1


@pytest.mark.parametrize(("layers", "width", "font_size"), [(12, 84, 6), (24, 174, 8), (24, 174, 12)])
def test_a_printed_diagram_has_its_width_and_stays_on_a_page(layers, width, font_size):
    from ferviz.rendering.diagram.boxes import Box, diagram_figure

    chain = [Box(f"layer{n}", "Conv2D", "24x24x64", (f"layer{n - 1}",) if n else ()) for n in range(layers)]
    figure = diagram_figure(chain, "net", f"{layers} layers", inches=width / 25.4, font_size=font_size)
    assert figure.get_figwidth() == pytest.approx(width / 25.4)
    assert figure.get_figheight() * 25.4 <= 230
    names = [t for axes in figure.axes for t in axes.texts if t.get_text().startswith("layer")]
    assert len(names) == layers
    assert 5 <= names[0].get_fontsize() <= font_size + 1e-9
    assert {t.get_fontfamily()[0] for t in names} == {"Aileron"}
    figure.draw_without_rendering()
    spans = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in names)
    assert spans[0][0] >= figure.bbox.x0
    assert max(end for _, end in spans) <= figure.bbox.x1


def test_a_longer_page_instead_of_letters_that_nobody_can_read():
    from ferviz.rendering.diagram.boxes import Box, diagram_figure

    chain = [Box(f"layer{n}", "Conv2D", "", (f"layer{n - 1}",) if n else ()) for n in range(150)]
    figure = diagram_figure(chain, "net", "150 layers", inches=84 / 25.4, font_size=8)
    assert figure.get_figheight() * 25.4 > 230
    assert min(t.get_fontsize() for axes in figure.axes for t in axes.texts if t.get_text()[:5] == "layer") >= 5 - 1e-9


def test_a_compiled_model_does_not_know_its_connections():
    from ferviz.models.bundled import ASSETS

    with pytest.raises(ModelError, match=r"drawing a diagram.*litert engine"):
        ferviz.diagram(ferviz.load_model(ASSETS / "bundled.ferviz"))


def test_engines_without_layers_say_why():
    from types import SimpleNamespace

    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model
    from ferviz.models.require_graph import require_graph

    def model(engine):
        return Model("net", "", ("a", "b"), InputSpec(8, 8), engine)

    other_backend = SimpleNamespace()
    other_backend.name, other_backend.keras_engine = "keras-predict", lambda: other_backend
    with pytest.raises(ModelError, match="KERAS_BACKEND=tensorflow"):
        require_graph(model(other_backend), "reading kernels")
    with pytest.raises(ModelError, match=r"reading kernels \(net\).*onnx engine"):
        require_graph(model(SimpleNamespace(name="onnx")), "reading kernels")
    with pytest.raises(UsageError, match=r"call ferviz\.load_model first"):
        ferviz.diagram("net.keras")
