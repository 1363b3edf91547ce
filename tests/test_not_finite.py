"""A network whose answers are NaN or infinite: nothing is predicted, measured, explained or dreamt from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.emotions import SCHEMES
from ferviz.engines.base import LOGITS, LayerInfo
from ferviz.errors import NotFiniteError
from ferviz.images import write_image
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.models.prediction import check_finite

SIDE = 18
LABELS = SCHEMES["7"].labels


class DarkEngine:
    """Likes the second class, and answers `bad` about pictures whose first pixel is 0; its layer "map" is the picture."""

    name, head, classes, channels_first = "dark", "softmax", len(LABELS), False
    input_shape = (SIDE, SIDE, 1)
    layers = (LayerInfo("map", "Conv2D", (SIDE, SIDE, 1), True),)

    def __init__(self, bad: Any = np.nan, gradient: float = 1.0) -> None:
        self.bad, self.gradient = bad, gradient

    def logits(self, batch: Any) -> Any:
        logits = np.eye(self.classes, dtype=np.float32)[np.ones(len(batch), int)]
        return np.where(batch[:, :1, 0, 0] == 0, np.float32(self.bad), logits)

    def activations(self, batch: Any, layers: Any) -> Any:
        return [np.where(batch[:, :1, :1] == 0, np.float32(self.bad), batch) for _ in layers]

    def gradients(self, batch: Any, layer: str, weights: Any, of: str = LOGITS) -> Any:
        gradient = np.full((len(batch), weights.shape[1], *batch.shape[1:]), self.gradient, np.float32)
        return batch, gradient, self.logits(batch)


def model(bad: Any = np.nan, gradient: float = 1.0) -> Model:
    return Model("dark", "0" * 64, LABELS, InputSpec(SIDE, SIDE, scaling="0..255"), DarkEngine(bad, gradient))  # type: ignore[arg-type]


def faces(*first: int) -> np.ndarray:
    """Grey faces, each with its first row of this value."""
    pixels = np.full((len(first), SIDE, SIDE), 90, np.uint8)
    pixels[:, 0] = np.array(first)[:, None]
    return pixels


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        ([0, 1], True),
        ([-np.inf, 1], True),  # a class that is ruled out
        ([np.nan, 1], False),
        ([np.inf, 1], False),
        ([-np.inf, -np.inf], False),
    ],
)
def test_which_logits_are_an_answer(row, answers) -> None:
    logits = np.array([[0.0, 1.0], row, [2.0, 1.0]])
    if answers:
        check_finite(logits, "net")
        return
    with pytest.raises(NotFiniteError, match=r"'net'.* 1 of 3 faces, the first at index 1") as caught:
        check_finite(logits, "net")
    assert caught.value.rows == (1,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_every_consumer_refuses(bad, tmp_path: Path) -> None:
    dark, good, mixed = model(bad), faces(9, 9), faces(9, 0)
    assert [p.label for p in dark.predict(good)] == [LABELS[1]] * 2
    data = Dataset(mixed, np.array([1, 1]), np.array(["", ""]), np.arange(2))
    for consume in (
        lambda: dark.predict(mixed),
        lambda: dark.probabilities(mixed),
        lambda: dark.logits(mixed),
        lambda: ferviz.explain(dark, mixed),
        lambda: ferviz.explain(dark, mixed, "occlusion"),
        lambda: ferviz.compare_explanations(dark, mixed, methods=("gradcam", "occlusion")),
        lambda: ferviz.evaluate(dark, data, split=None),
    ):
        with pytest.raises(NotFiniteError, match="1 of 2 faces"):
            consume()
    with pytest.raises(ferviz.ModelError, match="'map'"):
        ferviz.activations(dark, mixed)


def test_a_heatmap_of_nan_is_an_error_that_names_the_layer() -> None:
    with pytest.raises(ferviz.ModelError, match="gradcam map of dark at 'map'"):
        ferviz.explain(model(gradient=np.inf), faces(9))


def test_a_dream_that_becomes_nan_stops() -> None:
    with pytest.raises(ferviz.ModelError, match="dream of dark"):
        ferviz.dream(model(gradient=np.nan), LABELS[1], steps=3, prior="none")


def test_the_command_reports_the_pictures_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferviz.cli.commands.predict.open_model", lambda options, console: model())
    good, bad = tmp_path / "a.png", tmp_path / "b.png"
    write_image(good, faces(9)[0])
    write_image(bad, faces(0)[0])
    assert run(["predict", str(good), str(bad), "--detector", "none", "--json"]) == 4
    printed = capsys.readouterr()
    first, second = json.loads(printed.out)["pictures"]
    assert (first["error"], first["faces"][0]["label"]) == (None, LABELS[1])
    assert (second["faces"], "NaN" in second["error"]) == ([], True)
    assert "1 of 2 pictures" in printed.err
    assert run(["predict", str(bad), "--detector", "none"]) == 4
    assert run(["predict", str(good), "--detector", "none"]) == 0


@pytest.mark.slow
def test_a_live_network_with_huge_weights_is_as_its_file(networks, tmp_path: Path) -> None:
    network = networks.build("sequential")
    network.set_weights([np.full_like(w, 3e38) for w in network.get_weights()])
    path = tmp_path / "huge.keras"
    network.save(path)
    pictures = np.full((2, networks.SIZE, networks.SIZE), 200, np.uint8)
    for source in (network, path):
        loaded = ferviz.load_model(source, labels="a,b,c,d", scaling="0..255")
        with pytest.raises(ferviz.ModelError, match="2 of 2 faces"):
            loaded.predict(pictures)
        with pytest.raises(ferviz.ModelError, match="NaN or infin"):
            ferviz.explain(loaded, pictures)


def test_a_live_network_with_a_weight_that_is_nan_is_refused_like_its_file(networks, tmp_path: Path) -> None:
    network = networks.build("sequential")
    weights = network.get_weights()
    weights[0].flat[3] = np.nan
    network.set_weights(weights)
    path = tmp_path / "nan.keras"
    network.save(path)
    layer = next(layer.name for layer in network.layers if layer.weights)
    for source in (network, path):
        with pytest.raises(ferviz.ModelError, match=f"weights in layer '{layer}' that are not finite numbers"):
            ferviz.load_model(source, labels="a,b,c,d", scaling="0..255")
