"""Model: the default layer by shapes alone, probabilities, names."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.engines.base import LayerInfo
from ferviz.errors import ModelError, UnknownNameError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


class Recorded:
    """An engine that answers what it was told to."""

    name = "keras"

    def __init__(self, layers=(), logits=None, head="softmax"):
        self.layers, self.answer, self.head = layers, logits, head
        self.classes = 3
        self.batches: list[int] = []

    def logits(self, batch):
        self.batches.append(len(batch))
        start = sum(self.batches[:-1])
        return self.answer[start : start + len(batch)]


def layer(name, *shape, weights=0):
    spatial = len(shape) == 3 and (None in shape[:2] or shape[0] * shape[1] > 1)
    return LayerInfo(name, "X", shape, spatial, weights)


def model(*layers, **engine):
    return Model("net", "", ("angry", "happy", "sad"), InputSpec(6, 6), Recorded(layers, **engine))


TRUNK = (layer("conv1", 24, 24, 8, weights=9), layer("relu1", 24, 24, 8), layer("pool1", 12, 12, 8))


def test_the_last_map_after_its_activation_and_before_its_pooling():
    net = model(*TRUNK, layer("conv2", 12, 12, 16, weights=9), layer("relu2", 12, 12, 16), layer("pool2", 6, 6, 16),
                layer("flat", 576), layer("head", 3, weights=9))  # fmt: skip
    assert net.default_layer() == ("relu2", "")


def test_joined_branches_count_as_one_map():
    net = model(*TRUNK, layer("a", 12, 12, 4, weights=9), layer("b", 12, 12, 4, weights=9), layer("join", 12, 12, 8),
                layer("gap", 8), layer("head", 3, weights=9))  # fmt: skip
    assert net.default_layer() == ("join", "")


def test_one_channel_per_class_gives_way_to_the_map_before():
    net = model(*TRUNK, layer("conv2", 12, 12, 16, weights=9), layer("relu2", 12, 12, 16),
                layer("classes", 12, 12, 3, weights=9), layer("gap", 3), layer("softmax", 3))  # fmt: skip
    name, note = net.default_layer()
    assert name == "relu2"
    assert "classes" in note
    assert "channel per class" in note


def test_as_many_channels_as_classes_by_chance_is_no_class_map():
    net = model(*TRUNK, layer("conv2", 12, 12, 3, weights=9), layer("flat", 432), layer("head", 3, weights=9))
    assert net.default_layer() == ("conv2", "")


def test_coarse_maps_are_told_with_a_finer_one():
    name, note = model(
        *TRUNK, layer("conv2", 3, 3, 16, weights=9), layer("gap", 16), layer("head", 3, weights=9)
    ).default_layer()
    assert name == "conv2"
    assert "3 x 3" in note
    assert "pool1" in note


def test_a_nested_network_is_looked_into():
    net = model(layer("base/conv", 12, 12, 8, weights=9), layer("base/relu", 12, 12, 8), layer("base", 12, 12, 8, weights=9),
                layer("gap", 8), layer("head", 3, weights=9))  # fmt: skip
    assert net.default_layer()[0] == "base/relu"


def test_sizes_that_are_free():
    net = model(
        layer("conv", None, None, 8, weights=9),
        layer("pool", None, None, 8),
        layer("gap", 8),
        layer("head", 3, weights=9),
    )
    assert net.default_layer()[0] in ("conv", "pool")  # their sizes cannot be told apart


def test_no_map_at_all():
    with pytest.raises(ModelError, match="no layer whose output is a map"):
        model(layer("dense", 8, weights=9), layer("head", 3, weights=9)).default_layer()


def test_layers_by_name():
    net = model(*TRUNK)
    assert net.layer("relu1").shape == (24, 24, 8)
    assert net.layer("input").shape == (6, 6, 1)
    with pytest.raises(UnknownNameError, match=r"layer 'conv9'.*conv1, relu1, pool1.*conv1"):
        net.layer("conv9")


def test_probabilities_and_predictions():
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]], np.float32))
    faces = np.zeros((2, 6, 6), np.uint8)
    first, second = model(logits=logits).predict(faces)
    assert first.label == "happy"
    assert first.probabilities == pytest.approx({"angry": 0.2, "happy": 0.5, "sad": 0.3})
    assert second.label == "angry"
    assert second.face.pixels.shape == (6, 6, 3)


def test_huge_logits_do_not_overflow():
    logits = np.array([[1000, -1000, 0], [0, 0, 0]], np.float32)
    values = model(logits=logits).probabilities(np.zeros((2, 6, 6), np.uint8))
    assert values == pytest.approx(np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]))
    values = model(logits=logits, head="sigmoid").probabilities(np.zeros((2, 6, 6), np.uint8))
    assert values == pytest.approx(np.array([[1, 0, 0.5], [0.5, 0.5, 0.5]]))


def test_batches_are_bounded_and_in_order():
    logits = np.arange(21, dtype=np.float32).reshape(7, 3)
    net = model(logits=logits)
    assert (net.logits(np.zeros((7, 6, 6), np.uint8), batch_size=3) == logits).all()
    assert net.engine.batches == [3, 3, 1]


def test_a_model_is_frozen():
    with pytest.raises(AttributeError):
        model().name = "other"
