"""The PyTorch engine against answers on paper and against PyTorch itself; what every engine promises is in test_contract.py."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from ferviz.engines.base import INPUT
from ferviz.engines.protocols import GuidedGradients, LayerInterventions, Noting, PredictedTargets, supports
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models.features import default_layer

pytest.importorskip("torch", reason="PyTorch is not installed (make test-frameworks installs it)")

import torch
from torch import nn
from torch.nn import functional

from ferviz.engines.torch.module_copy import ours
from ferviz.engines.torch.module_network import open_module
from ferviz.engines.torch.torch_engine import TorchEngine
from tests.torch_networks import (
    CLASSES,
    SIZE,
    Functional,
    InPlace,
    Plain,
    pictures,
    seeded,
    tensor,
)

SHAPE = (SIZE, SIZE, 1)


class Flat(nn.Module):
    """`net(x)` without a picture's order: what is computed is written where it is used."""

    def __init__(self, function: Any, **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def head(function: Any = lambda values: values) -> Flat:
    """A network of one convolution and one matrix, with something behind its scores."""
    return seeded(
        Flat(
            lambda net, x: function(net.fc(functional.relu(net.conv(x)).mean((2, 3)))),
            conv=nn.Conv2d(1, 5, 3),
            fc=nn.Linear(5, CLASSES),
        )
    )


def weights(count: int, targets: int = 1, classes: int = CLASSES) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, targets, classes)).astype(np.float32)


def test_layers_are_modules_and_the_functions_between_them() -> None:
    engine = TorchEngine(seeded(Functional()), SHAPE)
    assert [layer.name for layer in engine.layers] == [
        "conv1", "norm1", "relu1", "depth", "point", "short", "add", "relu2", "mean", "drop", "head", "softmax",
    ]  # fmt: skip
    shapes = {layer.name: (layer.kind, layer.shape, layer.spatial, layer.parameters) for layer in engine.layers}
    assert shapes["conv1"] == ("Conv2d", (18, 18, 5), True, 50)
    assert shapes["add"] == ("add", (9, 9, 6), True, 0)
    assert shapes["head"] == ("Linear", (4,), False, 28)
    assert default_layer(engine.layers, CLASSES, "net") == ("relu2", "")


def test_a_layer_that_runs_twice_has_two_addresses() -> None:
    net = seeded(
        Flat(
            lambda net, x: net.twice(net.twice(net.conv(x))).mean((2, 3)),
            conv=nn.Conv2d(1, 4, 1),
            twice=nn.Conv2d(4, 4, 1),
        )
    )
    engine = TorchEngine(net, SHAPE)
    batch = pictures(2)
    first, second = engine.activations(batch, ["twice", "twice:1"])
    once = net.twice(net.conv(tensor(batch)))
    np.testing.assert_allclose(np.moveaxis(first, 3, 1), once.detach(), atol=1e-5)
    np.testing.assert_allclose(np.moveaxis(second, 3, 1), net.twice(once).detach(), atol=1e-5)


def test_a_container_is_the_layer_whose_output_it_has() -> None:
    net = seeded(Flat(lambda net, x: net.block(x).mean((2, 3)), block=nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh())))
    engine = TorchEngine(net, SHAPE)
    assert [(layer.name, layer.container) for layer in engine.layers][:3] == [
        ("block.0", False), ("block.1", False), ("block", True),
    ]  # fmt: skip
    assert default_layer(engine.layers, CLASSES, "net")[0] == "block.1"
    batch = pictures(2)
    for block, last in zip(
        engine.gradients(batch, "block", weights(2)), engine.gradients(batch, "block.1", weights(2)), strict=True
    ):
        np.testing.assert_array_equal(block, last)


def test_what_an_in_place_relu_overwrites_is_still_the_convolutions_output() -> None:
    net = seeded(InPlace())
    engine = TorchEngine(net, SHAPE)
    batch = pictures(3)
    with torch.no_grad():
        truth = np.moveaxis(net.body[0](tensor(batch)).numpy(), 1, 3)
    assert truth.min() < -0.1
    np.testing.assert_allclose(engine.activations(batch, ["body.0"])[0], truth, atol=1e-6)
    at_conv = engine.gradients(batch, "body.0", weights(3))
    at_relu = engine.gradients(batch, "body.1", weights(3))
    np.testing.assert_allclose(at_conv[0], truth, atol=1e-6)
    np.testing.assert_allclose(at_conv[1], at_relu[1] * (truth > 0)[:, None], atol=1e-6)
    assert engine.logits(batch).shape == (3, CLASSES)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda values: values, "linear"),
        (lambda values: functional.softmax(values, dim=1), "softmax"),
        (lambda values: functional.log_softmax(values, dim=1), "softmax"),
        (nn.Softmax(dim=1), "softmax"),
        (lambda values: torch.softmax(values, 1)[:, :, None, None], "softmax"),
        (torch.sigmoid, "sigmoid"),
        (lambda values: values.sigmoid(), "sigmoid"),
    ],
)
def test_logits_are_found_under_what_follows_them(function: Any, kind: str) -> None:
    batch = pictures(3)
    plain = head().eval()(tensor(batch)).detach().numpy()
    engine = TorchEngine(head(function), SHAPE)
    assert (engine.head, engine.classes) == (kind, CLASSES)
    np.testing.assert_allclose(engine.logits(batch), plain, atol=1e-5)
    np.testing.assert_allclose(engine.gradients(batch, "conv", weights(3))[2], plain, atol=1e-5)


def test_a_softmax_inside_is_no_head() -> None:
    net = seeded(
        Flat(
            lambda net, x: net.fc((functional.softmax(net.conv(x), 1) * 3).mean((2, 3))),
            conv=nn.Conv2d(1, 5, 3),
            fc=nn.Linear(5, CLASSES),
        )
    )
    assert TorchEngine(net, SHAPE).head == "linear"


def test_probabilities_that_no_softmax_made_are_logits_of_themselves() -> None:
    def powers(values: Any) -> Any:
        return values.exp() / values.exp().sum(1, keepdim=True)

    engine = TorchEngine(head(powers), SHAPE)
    expected = functional.log_softmax(head().eval()(tensor(pictures(3))), 1).detach().numpy()
    assert engine.head == "softmax"
    np.testing.assert_allclose(engine.logits(pictures(3)), expected, atol=1e-5)


def test_dropout_that_was_left_on_is_off_and_said() -> None:
    net, batch = seeded(Plain()), pictures(3)
    engine = TorchEngine(net, SHAPE)
    assert supports(engine, Noting)
    assert any("dropout" in note for note in engine.notes)
    with torch.no_grad():
        x = net.pool(functional.relu(net.conv1(tensor(batch))))
        truth = net.fc(net.pool(functional.relu(net.conv2(x))).reshape(3, -1)).numpy()
    for _ in range(3):
        np.testing.assert_allclose(engine.logits(batch), truth, atol=1e-5)
    np.testing.assert_allclose(engine.gradients(batch, "conv2", weights(3))[2], truth, atol=1e-5)
    assert not TorchEngine(seeded(Functional()), SHAPE).notes


def test_a_network_that_flattens_with_view_runs_in_its_own_order() -> None:
    """`view` refuses what channels last in memory gives; the order of what is flattened is the network's."""
    net = seeded(Plain())
    engine = TorchEngine(net, SHAPE)
    names = [layer.name for layer in engine.layers]
    assert names == ["conv1", "relu", "pool", "conv2", "relu:1", "pool:1", "fc", "log_softmax"]
    batch = pictures(2)
    changed = engine.logits_from(batch, "pool:1", engine.activations(batch, ["pool:1"])[0])
    np.testing.assert_allclose(changed, engine.logits(batch), atol=1e-5)


@pytest.mark.parametrize("network", [Plain, Functional, InPlace])
def test_random_weights_are_those_of_another_network(network: Any) -> None:
    engine, batch = TorchEngine(seeded(network()), SHAPE), pictures(3)
    before = engine.logits(batch)
    one, again, other = (engine.randomised(seed, batch) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.logits(batch), again.logits(batch))
    np.testing.assert_array_equal(one.randomised(2, batch).logits(batch), other.logits(batch))
    np.testing.assert_array_equal(one.logits(batch), again.logits(batch))  # drawing from it has not changed it
    assert np.abs(one.logits(batch) - other.logits(batch)).max() > 1e-3
    np.testing.assert_array_equal(engine.logits(batch), before)
    assert [layer.name for layer in one.layers] == [layer.name for layer in engine.layers]


def test_a_stage_of_the_cascade_leaves_what_lies_before_it() -> None:
    """In order of execution, whatever the order of definition is."""
    parts = {"fc": nn.Linear(5, CLASSES), "norm": nn.BatchNorm2d(5), "conv": nn.Conv2d(1, 5, 3)}
    net = Flat(lambda net, x: net.fc(torch.relu(net.norm(net.conv(x))).mean((2, 3))), **parts)
    engine, batch = TorchEngine(seeded(net), SHAPE), pictures(6)
    last, every = (engine.randomised(1, batch, share) for share in (0, 1))
    for name in ("conv", "norm"):
        before, kept, drawn = (e.activations(batch, [name])[0] for e in (engine, last, every))
        np.testing.assert_array_equal(kept, before)
        assert np.abs(drawn - before).max() > 1e-3
    assert np.abs(last.logits(batch) - engine.logits(batch)).max() > 1e-3
    heads = [e._source.fc.weight.detach().numpy() for e in (last, every)]
    np.testing.assert_array_equal(*heads)  # one seed, one head


def test_a_network_that_cannot_be_copied_runs_and_keeps_its_weights() -> None:
    """Exported programs are such: whatever order in memory was tried first, and whoever asks for random weights."""
    engine, batch = TorchEngine(ours(seeded(Plain())), SHAPE), pictures(3)
    logits = TorchEngine(seeded(Plain()), SHAPE).logits(batch)
    np.testing.assert_allclose(engine.logits(batch), logits, atol=1e-6)
    with pytest.raises(ModelError, match="no second one with random weights"):
        engine.randomised(1, batch)
    np.testing.assert_allclose(engine.logits(batch), logits, atol=1e-6)


def test_a_network_that_fails_with_random_weights_is_one_sentence() -> None:
    def forward(net: Any, x: Any) -> Any:
        if net.training or net.norm.training:
            raise ValueError("never train me")
        return net.fc(net.norm(net.conv(x)).mean((2, 3)))

    net = Flat(forward, conv=nn.Conv2d(1, 5, 3), norm=nn.BatchNorm2d(5), fc=nn.Linear(5, CLASSES))
    with pytest.raises(ModelError, match=r"cannot be run with random weights: never train me"):
        TorchEngine(seeded(net), SHAPE).randomised(1, pictures(2))


def test_the_users_module_stays_as_it_is() -> None:
    net = seeded(Functional())
    net.conv1.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    engine = TorchEngine(net, SHAPE)
    batch = pictures(4)
    untouched = batch.copy()
    engine.gradients(batch, "relu1", weights(4, 3))
    engine.guided_gradients(batch, INPUT, weights(4))
    with pytest.raises(UnknownNameError):
        engine.activations(batch, ["nowhere"])
    copied = list(engine._runner.module.parameters())
    assert not any(
        value.requires_grad or value.grad is not None for value in copied
    )  # gradients of maps, never of filters
    assert net.training
    assert all(part.training for part in net.modules())
    assert [name for name, value in net.named_parameters() if not value.requires_grad] == ["conv1.weight"]
    assert all(value.grad is None for value in net.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    np.testing.assert_array_equal(batch, untouched)


def test_a_network_that_fails_leaves_nothing_behind() -> None:
    """Its own exception becomes one sentence, and the next call works as if nothing had happened."""
    fails = {"now": False}

    def forward(net: Any, x: Any) -> Any:
        x = net.conv(x)
        if fails["now"]:
            raise RuntimeError("out of luck")
        return net.fc(functional.relu(x).mean((2, 3)))

    engine = TorchEngine(seeded(Flat(forward, conv=nn.Conv2d(1, 5, 3), fc=nn.Linear(5, CLASSES))), SHAPE)
    before = engine.gradients(pictures(2), "relu", weights(2))
    fails["now"] = True
    with pytest.raises(ModelError, match="out of luck"):
        engine.gradients(pictures(2), "relu", weights(2))
    fails["now"] = False
    for first, second in zip(before, engine.gradients(pictures(2), "relu", weights(2)), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_a_thousand_calls_leave_no_hooks_and_no_tensors() -> None:
    engine, batch = TorchEngine(seeded(Functional()), SHAPE), pictures(1)

    def count() -> tuple[int, int]:
        gc.collect()
        hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in engine._runner.module.modules())
        return hooks, sum(1 for thing in gc.get_objects() if type(thing) in (torch.Tensor, nn.Parameter))

    def ask() -> None:
        engine.gradients(batch, "relu2", weights(1))
        engine.guided_gradients(batch, INPUT, weights(1))
        engine.activations(batch, ["add", "relu1"])
        engine.logits_from(batch, "relu2", np.zeros((1, 9, 9, 6), np.float32))

    ask()
    before = count()
    for _ in range(250):
        ask()
    assert count() == before


def test_guided_backpropagation_on_paper() -> None:
    """y = relu(x) with scores (y0 - y1, y1): a path with a negative gradient and one with a negative value are both stopped."""

    def forward(net: Any, x: Any) -> Any:
        y = functional.relu(x[:, 0, 0, :2])
        return torch.stack([y[:, 0] - y[:, 1], y[:, 1]], 1)

    engine = TorchEngine(Flat(forward, unused=nn.Conv2d(1, 1, 1)), (2, 2, 1))
    batch = np.array([[3.0, 4.0], [0, 0]], np.float32).reshape(1, 2, 2, 1)
    first = np.array([[[1.0, 0.0]]], np.float32)
    assert engine.gradients(batch, INPUT, first)[1][0, 0, 0, :, 0].tolist() == [1.0, -1.0]
    assert engine.guided_gradients(batch, INPUT, first)[1][0, 0, 0, :, 0].tolist() == [1.0, 0.0]
    assert engine.guided_gradients(-batch, INPUT, first)[1][0, 0, 0, :, 0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("inner", [nn.ReLU(inplace=True), nn.ReLU6(), nn.Sequential(nn.ReLU())])
def test_every_form_of_relu_is_guided(inner: nn.Module) -> None:
    net = Flat(lambda net, x: -net.act(x).reshape(len(x), 4), act=inner)
    engine = TorchEngine(net, (2, 2, 1))
    batch = np.full((1, 2, 2, 1), 0.5, np.float32)
    assert (engine.gradients(batch, INPUT, weights(1))[1] != 0).any()
    positive = np.abs(weights(1))
    assert not engine.guided_gradients(batch, INPUT, positive)[1].any()


def test_a_layer_that_the_scores_do_not_depend_on_is_said() -> None:
    net = Flat(
        lambda net, x: (net.conv(x).detach() + net.side(x)).mean((2, 3)),
        conv=nn.Conv2d(1, 4, 1),
        side=nn.Conv2d(1, 4, 1),
    )
    engine = TorchEngine(seeded(net), SHAPE)
    with pytest.raises(ModelError, match="conv"):
        engine.gradients(pictures(1), "conv", weights(1))
    assert engine.gradients(pictures(1), "side", weights(1))[1].any()


def test_a_network_for_one_picture_at_a_time_answers_many() -> None:
    net = seeded(
        Flat(lambda net, x: net.fc(net.conv(x).view(1, -1)), conv=nn.Conv2d(1, 2, 3), fc=nn.Linear(512, CLASSES))
    )
    engine = TorchEngine(net, SHAPE)
    batch = pictures(3)
    alone = np.concatenate([net.eval()(tensor(batch[n : n + 1])).detach() for n in range(3)])
    np.testing.assert_allclose(engine.logits(batch), alone, atol=1e-5)
    activation, gradient, logits = engine.gradients(batch, "conv", weights(3, 2))
    assert (activation.shape, gradient.shape) == ((3, 16, 16, 2), (3, 2, 16, 16, 2))
    np.testing.assert_allclose(logits, alone, atol=1e-5)


def test_of_several_outputs_the_one_with_the_classes_is_explained() -> None:
    def forward(net: Any, x: Any) -> Any:
        x = net.conv(x)
        return x, {"age": x.mean((2, 3))[:, :2], "emotion": net.fc(x.mean((2, 3)))}

    net = seeded(Flat(forward, conv=nn.Conv2d(1, 5, 3), fc=nn.Linear(5, 7)))
    engine = TorchEngine(net, SHAPE)
    assert engine.classes == 7
    np.testing.assert_allclose(engine.logits(pictures(2)), net(tensor(pictures(2)))[1]["emotion"].detach(), atol=1e-5)
    assert TorchEngine(net, SHAPE, classes=2).classes == 2


def test_half_precision_answers_in_float32() -> None:
    net = seeded(Functional()).to(torch.bfloat16)
    engine = TorchEngine(net, SHAPE)
    activation, gradient, logits = engine.gradients(pictures(2), "relu2", weights(2))
    assert activation.dtype == gradient.dtype == logits.dtype == np.float32
    np.testing.assert_allclose(logits, TorchEngine(seeded(Functional()), SHAPE).logits(pictures(2)), atol=0.1)


def test_wrappers_are_taken_off() -> None:
    net = seeded(Functional())
    np.testing.assert_array_equal(
        TorchEngine(nn.DataParallel(net), SHAPE).logits(pictures(2)), TorchEngine(net, SHAPE).logits(pictures(2))
    )
    assert TorchEngine(nn.DataParallel(net), SHAPE).layers[0].name == "conv1"


def test_optional_protocols() -> None:
    engine = TorchEngine(seeded(Functional()), SHAPE)
    assert all(supports(engine, p) for p in (GuidedGradients, LayerInterventions, PredictedTargets, Noting))
    column = np.zeros((3, 1, CLASSES + 1), np.float32)
    column[..., -1] = 1
    batch = pictures(3)
    one_hot = np.eye(CLASSES, dtype=np.float32)[engine.logits(batch).argmax(1)][:, None]
    np.testing.assert_array_equal(
        engine.gradients(batch, "conv1", column)[1], engine.gradients(batch, "conv1", one_hot)[1]
    )


def test_the_size_that_a_network_takes_is_found_by_trying() -> None:
    flat = Flat(
        lambda net, x: net.fc(net.conv(x).view(-1, 4 * 40 * 40)), conv=nn.Conv2d(1, 4, 5), fc=nn.Linear(6400, 7)
    )
    assert open_module(flat, None, None).engine.input_shape == (44, 44, 1)
    free = open_module(Functional(3), None, None).engine
    assert free.input_shape == (None, None, 3)
    assert next(layer.shape for layer in free.layers if layer.name == "conv1") == (None, None, 5)
    assert free.logits(np.zeros((1, 30, 22, 3), np.float32)).shape == (1, CLASSES)


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (nn.Sequential(nn.Conv1d(22, 8, 5), nn.Flatten(), nn.Linear(8 * 60, 4)), "any usual size"),  # EEG
        (nn.Sequential(nn.Conv2d(5, 8, 3), nn.Flatten()), "5 channels"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)), "single output"),
        (nn.Conv2d(1, 7, 3), "score for each class"),
    ],
)
def test_what_is_no_network_for_pictures_is_said(net: nn.Module, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        open_module(net, None, None)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ModelError, match="48 x 48 x 1"):
        TorchEngine(seeded(Plain()), (48, 48, 1))
    with pytest.raises(UsageError, match="18"):
        TorchEngine(seeded(Plain()), SHAPE).logits(np.zeros((1, 20, 20, 1), np.float32))


def test_a_norm_without_stored_statistics_is_said() -> None:
    net = Flat(
        lambda net, x: net.norm(net.conv(x)).mean((2, 3)),
        conv=nn.Conv2d(1, 4, 3),
        norm=nn.BatchNorm2d(4, track_running_stats=False),
    )
    assert any("beside it" in note for note in TorchEngine(net, SHAPE).notes)
