"""Dreams through engines that TensorFlow cannot compile: the loop in NumPy, held against the compiled one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz import objectives
from ferviz.dreaming.ascent.ascend import AscentResult, ascend
from ferviz.dreaming.ascent.ascent_config import AscentConfig
from ferviz.dreaming.ascent.differentiable import DreamNetwork
from ferviz.dreaming.ascent.engine_network import EngineNetwork
from ferviz.dreaming.deepdream import Octaves
from ferviz.dreaming.dream import DreamConfig
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterizations.parameterization import Parameterization
from ferviz.dreaming.parameterizations.spatial import Pixels
from ferviz.dreaming.parameterizations.spectra import Fourier
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.transforms import NONE
from ferviz.engines.base import INPUT
from ferviz.errors import FervizError, ModelError, UsageError

Get = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "extending" / "write-an-engine.md"


class Plain:
    """Another engine's primitives and no more: no Keras network can be reached through it."""

    name = "plain"

    def __init__(self, engine: Any) -> None:
        self.logits, self.activations, self.gradients = engine.logits, engine.activations, engine.gradients
        self.classes, self.layers, self.head = engine.classes, engine.layers, engine.head
        self.input_shape, self.channels_first = engine.input_shape, engine.channels_first


def plain(model: Any) -> Any:
    return replace(model, engine=Plain(model.engine))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of docs/extending/write-an-engine.md after its code ran."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    names: dict[str, Any] = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(compile(code, str(PAGE), "exec"), names)
    return names


PROBLEMS: dict[str, tuple[Objective, Parameterization, Regularizers, dict[str, Any]]] = {
    "odds": (objectives.odds("happy"), Pixels(), Regularizers(), {}),
    "layer and class": (
        objectives.logit("sad") + 2 * objectives.layer("relu1"), Pixels(), Regularizers(tv=3.0, l2=2.0), {},
    ),
    "channel, relative costs": (
        objectives.channel("norm1", 1), Pixels(), Regularizers(tv=1.0, l2=1.0, relative=True), {},
    ),
    "smooth spectrum": (objectives.odds("sad"), Fourier(1.5, energy=2.0), Regularizers(pull=1.0), {"smooth": 3.0}),
    "normalized": (objectives.layer("relu2"), Pixels(0.0), Regularizers(), {"normalized": True, "settle": 0.0}),
    "two unlike copies": (objectives.channel("relu1", 1) + 3 * objectives.diversity("relu1"), Pixels(), Regularizers(), {}),
}  # fmt: skip


# What a scaling adds to the gradient is the same for every problem: two of them tell, and the last test of this file.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("scaling", "name"),
    [*(("-1..1", name) for name in PROBLEMS), ("standardize", "odds"), ("standardize", "normalized")],
)
def test_the_loop_in_numpy_walks_as_the_compiled_one(model: Get, name: str, scaling: str) -> None:
    network = model(scaling=scaling)
    objective, parameterization, regularizers, options = PROBLEMS[name]
    config = AscentConfig(parameterization, NONE, regularizers, steps=12, learning_rate=0.02, samples=1, **options)
    starts = 0.3 + 0.4 * np.random.default_rng(0).random((1, 18, 18, 1)).astype(np.float32)
    copies = 2 if "copies" in name else 1

    def walk(opened: Any) -> AscentResult:
        return ascend(opened, [objective], starts, config, seed=3, copies=copies, frames=3)

    compiled, by_hand = walk(DreamNetwork(network)), walk(EngineNetwork(network))
    assert by_hand.trace.shape == compiled.trace.shape == (copies, 12)
    assert by_hand.trace == pytest.approx(compiled.trace, rel=5e-3, abs=5e-3)
    assert np.abs(by_hand.pictures - compiled.pictures).mean() < 2e-3
    assert np.abs(compiled.pictures - starts).mean() > 0.02, "both have moved"
    assert by_hand.frames.shape == compiled.frames.shape


@pytest.mark.parametrize("prior", ["faces", "class", "spectrum", "none"])
def test_every_prior_dreams_on_an_engine_of_ones_own(model: Get, prior: str) -> None:
    network = plain(model())
    # Without a prior only the cost of contrast keeps a dream of this small network from rising at once.
    config = DreamConfig(samples=2, frames=2, strength=0.0 if prior == "none" else 1.0)
    dream = ferviz.dream(network, ["happy", "sad"], steps=16, prior=prior, seed=2, config=config)
    assert dream.images.shape == (2, 18, 18)
    assert dream.frames.shape == (2, 2, 18, 18)
    assert (dream.trace[:, -4:].mean(1) > dream.trace[:, :2].mean(1)).all()
    assert (dream.settings["engine"], dream.settings["precision"]) == ("plain", "single")
    again = ferviz.dream(network, ["happy", "sad"], steps=16, prior=prior, seed=2, config=config)
    assert again.images.tobytes() == dream.images.tobytes()


def test_layers_are_dreamt_on_an_engine_of_ones_own(model: Get) -> None:
    network = plain(model())
    config = DreamConfig(samples=1, transforms=NONE)
    channel = objectives.most_active(network, "relu1", 1)[0]
    dream = ferviz.dream(network, objectives.channel("relu1", channel), steps=24, config=config)
    assert dream.trace[0, -1] > dream.trace[0, 0]
    activation = network.engine.activations(network.preprocess(dream.images), ["relu1"])[0]
    assert dream.trace[0, -1] == pytest.approx(activation[..., channel].mean(), rel=0.15, abs=0.05)


@pytest.mark.parametrize(("name", "shape"), [("functional", (40, 56, 3)), ("any_size", (34, 48, 3))])
def test_pictures_are_dreamt_at_the_size_that_the_engine_takes(model: Get, name: str, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    octaves = Octaves(size=48) if name == "any_size" else None
    dream = ferviz.dream(plain(model(name)), objectives.layer("relu2"), image=picture, octaves=octaves, steps=8)
    assert dream.images.shape == (1, *shape)
    assert dream.trace[0, -1] > dream.trace[0, 0]


def test_the_engine_of_the_page_dreams_what_it_then_predicts(page: dict[str, Any]) -> None:
    model = page["model"]
    config = DreamConfig(samples=1, strength=0.0, smooth=0.0)  # random kernels respond to grain and know no faces
    for target in model.labels:
        dream = ferviz.dream(model, target, steps=64, prior="none", seed=1, config=config)
        assert dream.trace[0, -8:].mean() > dream.trace[0, 0] + 1.0, target
        assert dream.predicted == (target,)
        assert model.predict(dream.images)[0].label == target
    layer = ferviz.dream(model, objectives.channel("conv", 2), steps=16, config=DreamConfig(samples=1, transforms=NONE))
    assert layer.trace[0, -1] > layer.trace[0, 0]


def test_no_framework_is_imported_for_it(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    code += "\nferviz.dream(model, 'happy', steps=2).save('dream.png')\nimport sys\nprint({'tensorflow', 'keras'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


class Forward(Plain):
    """An engine that only computes forwards."""

    name = "forward"

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)

        def gradients(batch: Any, layer: str, weights: Any, of: str = "logits") -> Any:
            raise ModelError("the forward engine has no gradients")

        self.gradients = gradients


def test_what_cannot_be_dreamt_is_named_in_one_sentence(model: Get) -> None:
    network = plain(model())
    cases: list[tuple[Any, dict[str, Any], type[FervizError], str]] = [
        (replace(model(), engine=Forward(model().engine)), {}, ModelError, "no gradients"),
        (network, {"config": DreamConfig(precision="half")}, UsageError, "half precision"),
    ]
    for dreamer, options, error, words in cases:
        with pytest.raises(error, match=words) as caught:
            ferviz.dream(dreamer, "happy", steps=2, **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="18 x 18"):
        EngineNetwork(network, (24, 24))


def test_the_networks_gradient_is_that_of_the_scaled_picture(model: Get) -> None:
    network = EngineNetwork(model(scaling="0..255"))
    pictures = np.random.default_rng(0).random((2, 18, 18, 1)).astype(np.float32)
    batch, vjp = network.preprocess(pictures)
    tensors = network.tensors(batch, ["logits", "relu1"])
    weights = {name: np.random.default_rng(1).normal(size=t.shape).astype(np.float32) for name, t in tensors.items()}
    expected = sum(
        network.model.engine.gradients(batch, INPUT, weight[:, None], of=name)[1][:, 0]
        for name, weight in weights.items()
    )
    assert vjp(network.gradient(batch, weights)) == pytest.approx(255.0 * np.asarray(expected), rel=1e-5)
