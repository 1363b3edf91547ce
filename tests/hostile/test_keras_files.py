"""Configurations of Keras that are made to do harm or were damaged: a ModelError in one sentence, before anything large is allocated."""

from __future__ import annotations

import contextlib
import copy
import json
import random

import pytest

from ferviz.engines.backend import keras as get_keras
from ferviz.errors import ModelError
from ferviz.models.formats import activation_sizes
from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.build import build
from ferviz.models.formats.diagnosis import find_culprit, find_reason
from ferviz.models.formats.legacy.upgrade import upgrade_config


def open_config(document, budget=1000, version=""):
    config, _ = upgrade_config(document, version)
    check_config(config, "net.keras")
    return build(config, "net.keras", budget)


def layer(kind, name, *sources, **settings):
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": calls}


def picture(*sides):
    return layer("InputLayer", "picture", batch_shape=[None, *sides])


def operation(kind, name, *operands, module="keras.src.ops.numpy", **options):
    node = {"args": list(operands), "kwargs": options}
    return {"module": module, "class_name": kind, "name": name, "config": {"name": name}, "inbound_nodes": [node]}


def tensor(name):
    settings = {"shape": [None, 1], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": settings}


def constant(value, dtype="float32", kind="__numpy__"):
    return {"class_name": kind, "config": {"value": value, "dtype": dtype}}


def graph(*layers, end="GlobalAveragePooling2D"):
    last = layers[-1]["name"]
    layers = [*layers, layer(end, "pool", last), layer("Dense", "head", "pool", units=2)]
    ends = {"input_layers": [["picture", 0, 0]], "output_layers": [["head", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": layers, **ends}}


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


# -- memory ------------------------------------------------------------------------------------------------------------

FLAT = layer("Reshape", "flat", "picture", target_shape=[36_864, 1])
LARGE = {
    "scores of an attention": (graph(picture(192, 192, 1), FLAT, layer("Attention", "look", "flat", "flat"),
                                     end="GlobalAveragePooling1D"), "look"),
    "any size, enlarged": (graph(picture(None, None, 1), layer("UpSampling2D", "up", "picture", size=[400, 400])), "up"),
    "between two convolutions": (graph(picture(96, 96, 1), layer("SeparableConv2D", "sep", "picture", filters=1, kernel_size=1,
                                                                depth_multiplier=400_000)), "sep"),
    "inside a network inside": (graph(picture(96, 96, 1), {
        **graph(picture(None, None, 1), layer("UpSampling2D", "up", "picture", size=[400, 400])), "name": "inner",
        "inbound_nodes": [[["picture", 0, 0, {}]]]}, end="Flatten"), "up"),
}  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
def test_a_tensor_that_fills_the_memory_is_refused_before_it_is_computed(case):
    document, culprit = LARGE[case]
    get_keras()
    with pytest.raises(ModelError, match=f"layer '{culprit}'.* numbers a face"):
        open_config(document, budget=1_000_000)


def test_a_network_of_any_size_is_opened():
    network = open_config(graph(picture(None, None, 1), layer("UpSampling2D", "up", "picture", size=[2, 2])))
    assert network.output_shape == (None, 2)
    with pytest.raises(ModelError, match="layer 'up'"):
        activation_sizes.check_activations(network, "net.keras", side=4096 * 2)


@pytest.mark.parametrize(
    ("operand", "match"),
    [
        (constant(0, "S2000000000"), "S2000000000"),
        (constant(0, "V2000000000"), "V2000000000"),
        (constant(0, "object"), "object"),
        (constant(0, "S2000000000", "__tensor__"), "S2000000000"),
        (constant("text"), "not made of numbers"),
        (constant({"a": 1}), "not made of numbers"),
        ({"class_name": "__numpy__", "config": 3}, "type 'None'"),
        ({"class_name": "__numpy__", "config": None}, "type 'None'"),
        ({"class_name": "__numpy__", "config": {"dtype": ["f"]}}, "type"),
    ],
)
def test_constants_are_numbers(operand, match):
    with pytest.raises(ModelError, match=match):
        open_config(graph(picture(8, 8, 1), operation("Add", "sum", tensor("picture"), operand)))


def test_a_constant_of_numbers_is_read():
    network = open_config(graph(picture(8, 8, 1), operation("Add", "sum", tensor("picture"), constant([1.5]))))
    assert network.operations[1].output.shape == (None, 8, 8, 1)


@pytest.mark.parametrize(
    "hidden", [[], [{"class_name": "__slice__", "config": {"start": tensor("picture"), "stop": None, "step": None}}]]
)
def test_nothing_is_computed_while_a_file_is_read(hidden):
    node = operation("Tile", "tile", constant([1, 2, 3]), [100_000, 100_000], *hidden)
    with pytest.raises(ModelError, match="layer 'tile' with constants alone"):
        open_config(graph(picture(8, 8, 1), node))


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_sequential_connects_each_layer_once(monkeypatch):
    keras = get_keras()
    calls = []
    original = keras.layers.Activation.__call__
    monkeypatch.setattr(
        keras.layers.Activation, "__call__", lambda self, *a, **k: (calls.append(1), original(self, *a, **k))[1]
    )
    steps = [layer("Activation", f"step{i}", activation="relu") for i in range(60)]
    network = open_config(
        sequential(picture(4, 4, 1), *steps, layer("Flatten", "flat"), layer("Dense", "head", units=2))
    )
    assert len(network.layers) == 62
    assert len(calls) == 60
    assert type(network) is keras.Sequential


@pytest.mark.slow
def test_more_layers_in_a_row_than_keras_connects():
    steps = [layer("Activation", f"step{i}", activation="relu") for i in range(1500)]
    document = graph(picture(2, 2, 1), *(
        {**step, "inbound_nodes": [[["picture" if i == 0 else f"step{i - 1}", 0, 0, {}]]]} for i, step in enumerate(steps)))  # fmt: skip
    with pytest.raises(ModelError, match="follow each other"):
        open_config(document)


def test_networks_that_contain_each_other_many_times():
    inner = layer("Activation", "step", activation="relu")
    for depth in range(15):
        calls = [[["picture", 0, 0, {}]], [[inner["name"], 0, 0, {}]], [[inner["name"], 1, 0, {}]]]
        inner = {**graph(picture(2, 2, 1), {**inner, "inbound_nodes": calls}), "name": f"level{depth}"}
        inner["config"]["name"] = inner["name"]
    with pytest.raises(ModelError, match="calls its layers"):
        check_config(upgrade_config(inner)[0], "net.keras")


# -- what the message says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"units": -3}, "positive"),
        ({"units": 2, "activation": "nonsense"}, "nonsense"),
        ({"units": 2, "unknown": 1}, "unknown"),
        ({"units": {"a": 1}}, "a"),
    ],
)
def test_the_message_names_the_layer_and_the_innermost_reason(settings, reason):
    with pytest.raises(ModelError, match=rf"at layer 'bad': .*{reason}") as caught:
        open_config(sequential(picture(4, 4, 1), layer("Flatten", "flat"), layer("Dense", "bad", **settings)))
    assert "Error when deserializing" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_culprit_is_the_layer_and_not_the_budget():
    """A large layer that the file has the weights for is not blamed for another one's mistake."""
    layers = [
        picture(40, 40, 1),
        layer("Flatten", "flat"),
        layer("Dense", "large", units=2000),
        layer("Dense", "bad", units=-1),
    ]
    with pytest.raises(ModelError, match="at layer 'bad'"):
        open_config(sequential(*layers), budget=4_000_000)


@pytest.mark.parametrize("name", ["a\nferviz: wrote x.png", "\x1b[2Jx", "\u202egnp.exe", "\udcff", "x" * 5000])
def test_names_of_layers_can_be_shown(name):
    with pytest.raises(ModelError, match="cannot be shown") as caught:
        open_config(sequential(picture(4, 4, 1), layer("Flatten", name)))
    str(caught.value).encode()
    assert str(caught.value).isprintable()


# -- mutations ---------------------------------------------------------------------------------------------------------

ATOMS = [None, True, False, 0, -1, 3, 1.5, 10**400, float("nan"), "", "relu", "Dense", "\udcff", [], {}, [[]], [None], {"config": 3},
         {"class_name": "Dense"}, {"class_name": 3, "config": []}, {"layers": 3}, {"layers": {"a": 1}}, {"name": ["a"]}]  # fmt: skip


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutate(document, rng):
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(places(document)))
        if not path:
            return rng.choice(ATOMS)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if rng.random() < 0.25:
            del parent[path[-1]]
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(ATOMS))
    return document


SOUND = [
    sequential(picture(8, 8, 1), layer("Flatten", "flat"), layer("Dense", "head", units=2, activation="softmax")),
    graph(picture(8, 8, 1), operation("Add", "sum", tensor("picture"), constant([1.5])),
          {**sequential(layer("Conv2D", "conv", filters=2, kernel_size=3)), "name": "net", "inbound_nodes": [[["sum", 0, 0, {}]]]}),
]  # fmt: skip


def test_finding_the_culprit_stands_any_json():
    """`make` refuses what has no name that is text, so that the search goes on inside, as it does for Keras."""
    rng = random.Random(13)

    def make(config):
        if not isinstance(config["config"]["name"], str) or "layers" in config["config"]:
            raise ValueError("no")

    for _ in range(2000):
        assert isinstance(find_culprit(mutate(rng.choice(SOUND), rng), make), str)


def test_upgrading_and_checking_stand_any_json():
    rng = random.Random(21)
    outcomes = {"refused": 0, "passed": 0}
    for _ in range(1500):
        document = json.loads(json.dumps(mutate(rng.choice(SOUND), rng)))
        if not isinstance(document, dict):
            continue  # `read.parse` takes objects only
        try:
            check_config(upgrade_config(document, rng.choice(["", "1.2", "2.3", "3.5"]))[0], "net.keras")
            outcomes["passed"] += 1
        except ModelError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 150


@pytest.mark.slow
def test_building_stands_any_json():
    get_keras()
    rng = random.Random(34)
    for _ in range(60):
        document = json.loads(json.dumps(mutate(rng.choice(SOUND), rng)))
        if isinstance(document, dict):
            with contextlib.suppress(ModelError):
                open_config(document)


def test_reasons_of_any_exception():
    assert find_reason(KeyError("units")) == "the key 'units' is missing"
    assert find_reason(ValueError()) == "ValueError"
    wrapper = TypeError("Error when deserializing class 'Dense' using config={}.\n\nException encountered: ")
    wrapper.__context__ = ZeroDivisionError("by zero")
    assert find_reason(wrapper) == "by zero"
