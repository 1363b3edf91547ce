"""Dreams that are made before the page opens: what they are, that they are kept, and that the page's files hold them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.cli import run
from ferviz.dreaming.finish import finish_dream
from ferviz.dreaming.result import Dream
from ferviz.errors import UnknownNameError
from ferviz.web import kept_dreams as module
from ferviz.web.kept_dreams import kept_dreams
from ferviz.web.page_data import StudioNetwork
from ferviz.web.site import build_site


def opened(networks: Any, folder: Path, seed: int = 0) -> Any:
    path = folder / f"small{seed}.keras"
    networks.seeded(networks.functional(size=32), seed).save(path)
    return ferviz.load_model(path, labels=("a", "b", "c", "d"), scaling="0..1", engine="keras")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, networks: Any, tmp_path_factory: Any) -> Any:
    monkeypatch.setattr(module, "STEPS", 2)
    return opened(networks, tmp_path_factory.mktemp("network"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """-> the objectives of every call of a `dream` that is quick: its pictures show the objective's number."""
    calls: list[list[str]] = []

    def quick(model: Any, objectives: Any, steps: int) -> Dream:
        calls.append([objective.name for objective in objectives])
        levels = np.array([40 * int("".join(filter(str.isdigit, objective.name))[-1]) for objective in objectives])
        images = np.broadcast_to(levels[:, None, None], (len(levels), *model.input.size)).astype(np.uint8)
        trace = np.stack([levels, 2.0 * levels], axis=1).astype(np.float32)
        return finish_dream(model, objectives, images, trace, images[None][:0], {"steps": steps})

    monkeypatch.setattr(module, "dream", quick)
    monkeypatch.setattr(module, "TOGETHER", 4)
    return calls


@pytest.mark.usefixtures("frozen_once")
def test_dreams_are_those_of_the_library(model: Any, tmp_path: Path) -> None:
    dreams = kept_dreams(model, "relu2", "network", tmp_path)
    count = len(dreams.files)
    expected = ferviz.dream(model, [ferviz.objectives.channel("relu2", number) for number in range(count)], steps=2)
    assert count == next(info.shape[-1] for info in model.layers if info.name == "relu2")
    answers = model.probabilities(expected.images)
    for number in range(count):
        picture = np.asarray(Image.open(io.BytesIO(dreams.files[f"dreams/network/relu2/{number}.png"])))
        np.testing.assert_array_equal(picture, expected.images[number])
        assert dreams.record["last"][number] == pytest.approx(float(expected.trace[number, -1]))
        assert dreams.record["predicted"][number] == int(answers[number].argmax())
        assert dreams.record["probability"][number] == pytest.approx(float(answers[number].max()), abs=1e-3)


def test_an_interrupted_run_goes_on_where_it_was(model: Any, asked: list[list[str]], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    dreams = kept_dreams(model, "relu2", "network", tmp_path, lambda *step: steps.append(step))
    assert steps == [(4, 6), (6, 6)]
    assert list(dreams.files) == [f"dreams/network/relu2/{number}.png" for number in range(6)]
    assert dreams.record["last"] == [2.0 * 40 * number for number in range(6)]
    assert kept_dreams(model, "relu2", "network", tmp_path).record == dreams.record
    assert len(asked) == 2, "what is kept is read"
    first, second = sorted(tmp_path.iterdir())
    first.write_bytes(b"damaged")
    assert kept_dreams(model, "relu2", "network", tmp_path).files == dreams.files
    second.unlink()
    assert kept_dreams(model, "relu2", "network", tmp_path).files == dreams.files
    assert asked[2:] == asked[:2], "what is damaged or was not made yet is made, and nothing else"


def test_another_network_has_dreams_of_its_own(
    model: Any, asked: list[list[str]], networks: Any, tmp_path: Path, tmp_path_factory: Any
) -> None:
    for network in (model, opened(networks, tmp_path_factory.mktemp("other"), seed=5)):
        kept_dreams(network, "relu2", "network", tmp_path)
    assert len(asked) == 4
    assert len(list(tmp_path.iterdir())) == 4


def test_a_layer_that_is_not_there_is_one_sentence(model: Any, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(UnknownNameError, match="relu99"):
        kept_dreams(model, "relu99", "network", tmp_path)
    assert run(["studio", "--dreams", "relu99", "--export", str(tmp_path / "site")]) != 0
    assert "relu99" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_the_page_holds_them() -> None:
    record = {"file": "networks/network.ferviz", "grain": None}
    network = StudioNetwork("network", b"x", b"", record, ("a",), {"dreams/network/relu2/0.png": b"picture"})
    choices = {"server": False, "notice": "", "camera": None, "video": False, "data": False}
    assert build_site([network], **choices).read("dreams/network/relu2/0.png") == b"picture"
