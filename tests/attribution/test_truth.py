"""Do the methods find evidence whose place is known? A small network that has learned cartoon faces whose mouths alone decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ferviz.data.synthetic.cartoons import make

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def truth(script: Callable[[str], ModuleType]) -> ModuleType:
    """The module benchmarks/truth.py, which also prints the table of benchmarks/results.md."""
    return script("benchmarks/truth.py")


@pytest.fixture(scope="module")
def learned(truth: ModuleType) -> Any:
    """The network that `python benchmarks/truth.py --save tests/attribution/mouth_network.npz` has trained."""
    model, faces = truth.loaded(Path(__file__).with_name("mouth_network.npz")), make(256, 1, "mouth")
    accuracy = (model.logits(faces.images).argmax(1) == faces.labels).mean()
    assert accuracy > 0.95  # what follows means nothing about a network that has not found the mouth
    return model


@pytest.fixture(scope="module")
def unseen() -> Any:
    return make(18, 7, "mouth")


@pytest.mark.parametrize(
    ("method", "hits", "times_chance"),
    [
        ("gradcam", 0.9, 3.0),
        ("hirescam", 0.9, 3.0),
        ("xgradcam", 0.9, 3.0),
        ("layercam", 0.9, 2.5),
        ("gradcam++", 0.9, 2.5),
        ("ablationcam", 0.9, 3.0),
        ("occlusion", 0.9, 2.5),
        ("smoothgrad", 0.5, 1.3),
        ("integrated-gradients", 0.5, 1.4),
        ("shapley", 0.9, 2.5),
    ],
)
def test_the_telling_region_receives_the_evidence(
    truth: ModuleType, learned: Any, unseen: Any, method: str, hits: float, times_chance: float
) -> None:
    settings = {"samples": 128} if method == "shapley" else {}
    found = truth.score(learned, method, unseen, **settings)
    assert found["pointing"] >= hits
    assert found["mass"] >= times_chance * found["chance"]


def test_an_untrained_network_has_no_such_evidence(truth: ModuleType, unseen: Any) -> None:
    """The same measure on the same faces does not reward just any map: the mouth is where the learning put it."""
    from ferviz.engines.keras import KerasEngine
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.model import Model

    blank = Model("untrained", "", unseen.names, InputSpec(48, 48, 1), KerasEngine(truth.network(3, seed=5)))
    assert truth.score(blank, "gradcam", unseen)["mass"] < 2 * unseen.masks.mean()


def test_what_does_not_depend_on_the_learning_fails_the_randomisation_test(
    truth: ModuleType, learned: Any, unseen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last layer drawn anew Grad-CAM's and the gradient's maps change; guided backpropagation and Eigen-CAM hardly do."""
    few, draw, drawn = truth.first(unseen, 6), truth.randomised, dict[int, Any]()
    monkeypatch.setattr(
        truth, "randomised", lambda model, seed: drawn.setdefault(seed, drawn.get(seed) or draw(model, seed))
    )
    after = {
        m: truth.after_randomising(learned, m, few, draws=3)
        for m in ("gradcam", "saliency", "guided-backprop", "eigencam")
    }
    assert after["eigencam"] == pytest.approx(1)
    assert after["guided-backprop"] > 0.5
    assert abs(after["gradcam"]) < 0.5
    assert after["guided-backprop"] > abs(after["saliency"]) + 0.25


def test_how_fast_maps_change_says_where_they_come_from(learned: Any, unseen: Any) -> None:
    """From the last layer to all: Grad-CAM changes at once, guided backpropagation slowly, and towards the edges of the face."""
    from ferviz.evaluation.panel.method_maps import method_maps
    from ferviz.evaluation.panel.randomisation import randomisation
    from ferviz.faces.crops import as_faces

    images, names = unseen.images[:12], ("gradcam", "guided-backprop", "eigencam")
    answers = {(name, None): method_maps(learned, as_faces(images), name) for name in names}
    predicted = learned.logits(images).argmax(1)
    cascade, tests = randomisation(learned, images, as_faces(images), predicted, answers)
    gradcam, guided, eigencam = (tests[name, None] for name in names)
    assert max(cascade.same_class) < 0.75  # it answers as if it had seen no face: there are three classes
    assert max(np.abs(gradcam.correlation)) < 0.4
    assert guided.correlation[0] > gradcam.correlation[0] + 0.25
    assert guided.correlation[0] > guided.correlation[-1]
    assert guided.edges > gradcam.edges + 0.1
    assert eigencam.correlation[0] == pytest.approx(1)  # which never sees the last layer
    assert eigencam.correlation[-1] < 0.5
    assert not gradcam.fails
    assert not eigencam.fails


def test_the_contrast_of_two_mouths_is_at_the_mouth(learned: Any, unseen: Any) -> None:
    from ferviz.attribution.explain import explain
    from ferviz.attribution.maps.metrics import mass_inside

    happy = unseen.labels == unseen.names.index("happy")
    made = explain(learned, unseen.images[happy], target="happy-sad")
    inside = mass_inside(made.heatmaps[:, 0], unseen.masks[happy])
    assert np.mean(inside) > 2.5 * unseen.masks.mean()
