"""Networks that are no Keras networks, with weights drawn anew: what learned nothing is there, and what was learned is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.errors import ModelError
from ferviz.models.randomise import randomised

LABELS = ("angry", "happy", "sad", "fear")


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (40, 18, 18)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["fixed", "any size", "channels last"])
def test_an_onnx_network(kind: str, onnx_files: Any, engine: Any, faces: np.ndarray) -> None:
    file = onnx_files.twin(engine("functional").network, channels_last=kind == "channels last")
    if kind == "any size":
        for axis in file.graph.input[0].type.tensor_type.shape.dim[2:]:
            axis.dim_param = "any"
    model = ferviz.load_model(file, labels=LABELS, scaling="-1..1", input=(18, 18, 1))
    before = model.logits(faces)
    network, again, other = (randomised(model, seed, faces) for seed in (1, 1, 2))
    np.testing.assert_array_equal(network.logits(faces), again.logits(faces))
    assert np.abs(network.logits(faces) - other.logits(faces)).max() > 1e-3
    assert np.abs(network.logits(faces) - before).max() > 1e-2
    assert [layer.name for layer in network.layers] == [layer.name for layer in model.layers]
    old, new = (ferviz.filters(each, "short").arrays["kernel"] for each in (model, network))
    assert np.abs(np.corrcoef(old.ravel(), new.ravel())[0, 1]) < 0.6
    assert np.abs(new).max() <= np.sqrt(6 / (5 + 6)) + 1e-6
    (normalised,) = network.engine.activations(network.preprocess(faces), ["norm1"])  # scale 1, offset 0
    np.testing.assert_allclose(normalised.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(normalised.var((0, 1, 2)), 1, atol=0.05)
    np.testing.assert_array_equal(model.logits(faces), before)


def test_its_compiled_form_loads_the_network(onnx_files: Any, engine: Any, faces: np.ndarray, tmp_path: Path) -> None:
    from ferviz.engines.fallback import FallbackEngine
    from ferviz.models.compiled.compile import compile_model, open_compiled

    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_files.twin(engine("functional").network).SerializeToString())
    model = ferviz.load_model(path, labels=LABELS, scaling="-1..1", engine="onnx")
    compiled = open_compiled(compile_model(model, layers=[]), load=lambda: model.engine, fallback=FallbackEngine)  # type: ignore[arg-type,return-value]
    np.testing.assert_array_equal(
        randomised(compiled, 1, faces).logits(faces), randomised(model, 1, faces).logits(faces)
    )


def test_the_panel_measures_how_far_maps_follow_the_weights_of_an_onnx_network(
    onnx_files: Any, engine: Any, faces: np.ndarray
) -> None:
    from ferviz.evaluation.panel.method_maps import method_maps
    from ferviz.evaluation.panel.randomisation import randomisation
    from ferviz.faces.crops import as_faces

    model = ferviz.load_model(onnx_files.twin(engine("functional").network), labels=LABELS, scaling="-1..1")
    few, answers = as_faces(faces[:6]), {("gradcam", None): method_maps(model, as_faces(faces[:6]), "gradcam")}
    _, answer = randomisation(model, faces[:6], few, np.zeros(6, int), answers, draws=1, stages=2)
    assert -1 <= answer["gradcam", None].correlation[-1] < 0.9


@pytest.mark.parametrize("kind", ["keras", "onnx"])
def test_a_stage_of_the_cascade_leaves_what_lies_before_it(
    kind: str, onnx_files: Any, engine: Any, faces: np.ndarray
) -> None:
    """The network has four layers with kernels: conv1; short and conv2 side by side; the head."""
    source = engine("functional").network
    file = source if kind == "keras" else onnx_files.twin(source)
    model = ferviz.load_model(file, labels=LABELS, scaling="-1..1", input=(18, 18, 1))
    stages = [randomised(model, 5, faces, share) for share in (0, 0.5, 1)]
    last, half, every = (network.engine for network in stages)
    batch = model.preprocess(faces[:5])
    names = [layer.name for layer in model.layers]
    early, late = next(name for name in names if name.startswith("relu1")), model.default_layer()[0]
    for layer, kept in ((early, 2), (late, 1)):
        learned, *drawn = (e.activations(batch, [layer])[0] for e in (model.engine, last, half, every))
        for maps in drawn[:kept]:  # with the statistics that the network learned
            np.testing.assert_allclose(maps, learned, atol=1e-4 * np.abs(learned).max())
        for maps in drawn[kept:]:
            assert np.abs(maps - learned).max() > 1e-2 * np.abs(learned).max()
    # One seed, one head, whatever else was drawn.
    given = np.random.default_rng(0).random(learned.shape).astype(np.float32)
    before, *heads = (e.logits_from(batch, late, given) for e in (model.engine, last, half, every))
    assert np.abs(heads[0] - before).max() > 1e-2
    for logits in heads[1:]:
        np.testing.assert_allclose(logits, heads[0], atol=1e-4)


def test_a_network_without_kernels_is_one_sentence(onnx_files: Any) -> None:
    from onnx import helper

    node = helper.make_node("GlobalAveragePool", ["x"], ["p"], "pool")
    file = onnx_files.model([node, helper.make_node("Flatten", ["p"], ["scores"], "flat")], {}, ["scores"])
    model = ferviz.load_model(file, labels="a,b,c", scaling="0..1")
    with pytest.raises(ModelError, match="no kernels"):
        randomised(model, 0)
