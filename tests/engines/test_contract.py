"""What every engine promises, one test a promise, over every kind of engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.engines.base import INPUT, LOGITS, Engine
from ferviz.engines.fallback import KerasFallbackEngine
from ferviz.engines.keras.keras_predict import KerasPredictEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.protocols import (
    Described,
    ForwardOnly,
    GraphBacked,
    GraphExport,
    GuidedGradients,
    KerasBacked,
    LayerInterventions,
    Noting,
    PredictedTargets,
    Randomisable,
    engine_notes,
    require,
    supports,
)
from ferviz.engines.registry import ENGINES, find_opener
from ferviz.errors import ModelError, UnknownNameError, UsageError

SIZE, CLASSES, LAYER = 18, 4, "relu2"


class ExampleEngine:
    """relu(picture * scale) as a map of two channels, its mean over places, a matrix: an engine without a framework."""

    name, head, channels_first, classes, input_shape = "example", "linear", False, CLASSES, (SIZE, SIZE, 1)

    def __init__(self) -> None:
        from ferviz.engines.base import LayerInfo

        self.layers = [LayerInfo(LAYER, "Relu", (SIZE, SIZE, 2), True)]
        self.scale = np.array([1.5, -0.5], np.float32)
        self.matrix = np.random.default_rng(1).normal(size=(2, CLASSES)).astype(np.float32)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return self.activations(batch, [LAYER])[0].mean((1, 2)) @ self.matrix

    def activations(self, batch: np.ndarray, layers: Any) -> list[np.ndarray]:
        for layer in layers:
            if layer not in (LAYER, INPUT):
                raise UnknownNameError("layer", layer, [LAYER], "this model")
        return [batch if layer == INPUT else np.maximum(batch * self.scale, 0) for layer in layers]

    def gradients(self, batch: np.ndarray, layer: str, weights: np.ndarray, of: str = LOGITS) -> Any:
        maps, at, value = self.activations(batch, [LAYER, layer, LAYER if of == LOGITS else of])
        expected = (CLASSES,) if of == LOGITS else value.shape[1:]
        if len(weights) != len(batch) or weights.shape[2:] != expected:
            raise UsageError(f"weights must be ({len(batch)}, targets, ...), got {weights.shape}")
        gradient = weights
        if of == LOGITS:
            per_channel = np.einsum("ntk,ck->ntc", weights, self.matrix)[:, :, None, None] / SIZE**2
            gradient = np.broadcast_to(per_channel, (*weights.shape[:2], *maps.shape[1:]))
        if layer == INPUT:
            gradient = (gradient * (maps > 0)[:, None] * self.scale).sum(-1, keepdims=True)
        return at, gradient, self.logits(batch) if of == LOGITS else value


@dataclass(frozen=True)
class Sources:
    """What the kinds are made of: one network on Keras and compiled, an empty folder, and a function from a fixture's name to it."""

    keras: Any
    litert: LiteRTEngine
    folder: Path
    fixture: Callable[[str], Any]


@dataclass(frozen=True)
class Kind:
    """layers: their outputs can be reached. traced: gradients at them, too. of_layers: also gradients of layers."""

    build: Callable[[Sources], Engine]
    layers: bool = True
    traced: bool = True
    of_layers: bool = True


def saved_model(sources: Sources) -> Engine:
    from ferviz.engines.savedmodel import SavedModelEngine

    sources.keras.network.export(str(sources.folder / "saved"), verbose=False)
    return SavedModelEngine(sources.folder / "saved")


def torch_engine(sources: Sources) -> Engine:
    pytest.importorskip("torch", reason="PyTorch is not installed (make test-frameworks installs it)")
    from ferviz.engines.torch.torch_engine import TorchEngine
    from tests.torch_networks import Functional, seeded

    return TorchEngine(seeded(Functional()), (SIZE, SIZE, 1))


def onnx_engine(sources: Sources) -> Engine:
    from ferviz.engines.onnx.onnx_engine import OnnxEngine

    return OnnxEngine(sources.fixture("onnx_files").twin(sources.keras.network).SerializeToString())


def any_size_onnx_engine(sources: Sources) -> Engine:
    """The same file where it says "any" of its picture's height and width."""
    from ferviz.engines.onnx.any_size import AnySizeOnnxEngine, open_onnx

    model = sources.fixture("onnx_files").twin(sources.keras.network)
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_param = "any"
    engine = open_onnx(model)
    assert isinstance(engine, AnySizeOnnxEngine)
    return engine


def tflite_engine(sources: Sources) -> Engine:
    from ferviz.engines.tflite.tflite_engine import TFLiteEngine

    path = sources.folder / "net.tflite"
    path.write_bytes(sources.fixture("converted")(sources.keras))
    return TFLiteEngine(path)


KINDS = {
    "keras": Kind(lambda s: s.keras),
    "keras-predict": Kind(lambda s: KerasPredictEngine(s.keras.network), layers=False, traced=False, of_layers=False),
    "savedmodel": Kind(saved_model, layers=False, traced=False, of_layers=False),
    "litert": Kind(lambda s: s.litert, of_layers=False),
    "fallback": Kind(lambda s: KerasFallbackEngine(s.litert, lambda: s.keras)),
    "torch": Kind(torch_engine),
    "onnx": Kind(onnx_engine),
    "onnx-any-size": Kind(any_size_onnx_engine),
    "tflite": Kind(tflite_engine, traced=False, of_layers=False),
    "example": Kind(lambda _: ExampleEngine()),  # type: ignore[arg-type,return-value]
}
REACHED = [name for name, kind in KINDS.items() if kind.layers]
TRACED = [name for name, kind in KINDS.items() if kind.traced]
OF_LAYERS = [name for name, kind in KINDS.items() if kind.of_layers]
WITHOUT_LAYERS = [name for name, kind in KINDS.items() if not kind.layers]
WITHOUT_GRADIENTS = [name for name, kind in KINDS.items() if not kind.traced]


@pytest.fixture(scope="module")
def get(pair: Any, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], Engine]:
    opened: dict[str, Engine] = {}

    def get(name: str) -> Engine:
        if name not in opened:
            sources = Sources(*pair("functional"), tmp_path_factory.mktemp(name), request.getfixturevalue)
            opened[name] = KINDS[name].build(sources)
        return opened[name]

    return get


def a_layer(engine: Engine) -> str:
    """LAYER, or what stands for it where a file's operators have names of its converter's."""
    names = [info.name for info in engine.layers if info.spatial]
    return LAYER if LAYER in names else names[-1]


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return np.random.default_rng(3).random((3, SIZE, SIZE, 1), np.float32) + 0.1


def some_weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", KINDS)
def test_it_has_every_member_of_the_protocol(name: str, get: Any) -> None:
    engine = get(name)
    assert isinstance(engine, Engine)
    assert engine.classes == CLASSES
    assert engine.head in ("softmax", "sigmoid", "linear")
    sides = (None, None) if name == "onnx-any-size" else (SIZE, SIZE)
    assert tuple(engine.input_shape) == (*sides, 1)
    assert engine.channels_first is (name == "torch")


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("fallback", "example", "onnx-any-size")])
def test_it_is_called_what_its_opener_is_called(name: str, get: Any) -> None:
    assert get(name).name == name
    assert name in ENGINES


@pytest.mark.parametrize("name", KINDS)
def test_logits_are_one_row_a_picture_whatever_lies_beside_it(name: str, get: Any, batch: np.ndarray) -> None:
    logits = get(name).logits(batch)
    assert logits.shape == (3, CLASSES)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(get(name).logits(batch[1:2]), logits[1:2], atol=1e-5)
    assert get(name).logits(batch[:0]).shape == (0, CLASSES)


@pytest.mark.parametrize("name", REACHED)
def test_activations_are_what_the_layers_are_described_as(name: str, get: Any, batch: np.ndarray) -> None:
    engine = get(name)
    layer = a_layer(engine)
    picture, activation = engine.activations(batch, [INPUT, layer])
    np.testing.assert_array_equal(picture, batch)
    shape = next(info.shape for info in engine.layers if info.name == layer)
    assert activation.shape[0] == 3
    assert all(want in (None, have) for want, have in zip(shape, activation.shape[1:], strict=True))
    assert activation.dtype == np.float32
    assert engine.activations(batch[:0], [layer])[0].shape == (0, *activation.shape[1:])
    np.testing.assert_allclose(engine.activations(batch[1:2], [layer])[0], activation[1:2], atol=1e-5)


@pytest.mark.parametrize("name", TRACED)
def test_no_pictures_have_no_gradients(name: str, get: Any, batch: np.ndarray) -> None:
    engine = get(name)
    shape = engine.activations(batch, [LAYER])[0].shape[1:]
    activation, gradient, logits = engine.gradients(batch[:0], LAYER, np.zeros((0, 2, CLASSES), np.float32))
    assert (activation.shape, gradient.shape, logits.shape) == ((0, *shape), (0, 2, *shape), (0, CLASSES))


@pytest.mark.parametrize("layer", [INPUT, LAYER])
@pytest.mark.parametrize("name", TRACED)
def test_gradients_have_one_map_a_target_and_bring_activation_and_logits(
    name: str, layer: str, get: Any, batch: np.ndarray
) -> None:
    engine, weights = get(name), some_weights(3, 2, CLASSES)
    activation, gradient, logits = engine.gradients(batch, layer, weights)
    np.testing.assert_allclose(activation, engine.activations(batch, [layer])[0], atol=1e-5)
    np.testing.assert_allclose(logits, engine.logits(batch), atol=1e-5)
    assert gradient.shape == (3, 2, *activation.shape[1:])
    alone = engine.gradients(batch[:1], layer, weights[:1, 1:])[1]
    np.testing.assert_allclose(alone[:, 0], gradient[:1, 1], atol=1e-5)


@pytest.mark.parametrize("name", TRACED)
def test_gradients_of_the_logits_are_finite_differences(name: str, get: Any, batch: np.ndarray) -> None:
    engine, weights = get(name), some_weights(3, 2, CLASSES)
    gradient = engine.gradients(batch, INPUT, weights)[1]

    def value(pictures: np.ndarray) -> np.ndarray:
        return np.einsum("ntk,nk->nt", weights, engine.logits(pictures), dtype=np.float64)

    _agree(value, gradient, batch)


@pytest.mark.parametrize("name", OF_LAYERS)
def test_gradients_of_a_layer_are_finite_differences(name: str, get: Any, batch: np.ndarray) -> None:
    engine = get(name)
    (activation,) = engine.activations(batch, [LAYER])
    weights = some_weights(3, 2, *activation.shape[1:])
    picture, gradient, value_of = engine.gradients(batch, INPUT, weights, of=LAYER)
    np.testing.assert_array_equal(picture, batch)
    np.testing.assert_allclose(value_of, activation, atol=1e-5)

    def value(pictures: np.ndarray) -> np.ndarray:
        return np.einsum("nthwc,nhwc->nt", weights, engine.activations(pictures, [LAYER])[0], dtype=np.float64)

    _agree(value, gradient, batch)


def _agree(value: Callable[[np.ndarray], np.ndarray], gradient: np.ndarray, batch: np.ndarray) -> None:
    """Directional derivatives; the median leaves out the few directions that cross a ReLU's corner."""
    rng, step, errors, sizes = np.random.default_rng(7), 1e-3, [], []
    for _ in range(9):
        direction = rng.normal(size=batch.shape) * (rng.random(batch.shape) < 0.05)
        measured = value((batch + step * direction).astype(np.float32)) - value(
            (batch - step * direction).astype(np.float32)
        )
        wanted = np.einsum("nthwc,nhwc->nt", gradient, direction, dtype=np.float64)
        errors.append(np.abs(measured / (2 * step) - wanted).max())
        sizes.append(np.abs(wanted).max())
    assert max(sizes) > 0
    assert np.median(errors) < 0.02 * max(sizes) + 1e-3


@pytest.mark.parametrize("name", OF_LAYERS)
def test_the_gradient_of_a_layer_at_itself_is_its_weights(name: str, get: Any, batch: np.ndarray) -> None:
    (activation,) = get(name).activations(batch, [LAYER])
    weights = some_weights(3, 2, *activation.shape[1:])
    np.testing.assert_array_equal(get(name).gradients(batch, LAYER, weights, of=LAYER)[1], weights)


@pytest.mark.parametrize("name", REACHED)
def test_a_layer_that_is_not_there_is_named(name: str, get: Any, batch: np.ndarray) -> None:
    engine = get(name)
    with pytest.raises(UnknownNameError, match="conv99"):
        engine.activations(batch, ["conv99"])
    if name in TRACED:
        with pytest.raises(UnknownNameError, match="conv99"):
            engine.gradients(batch, "conv99", some_weights(3, 1, CLASSES))
        with pytest.raises(UnknownNameError, match="conv99"):
            engine.gradients(batch, INPUT, some_weights(3, 1, 2), of="conv99")


@pytest.mark.parametrize("name", TRACED)
def test_weights_of_another_shape_are_refused(name: str, get: Any, batch: np.ndarray) -> None:
    with pytest.raises(UsageError, match="weights"):
        get(name).gradients(batch, LAYER, some_weights(2, 1, CLASSES))
    with pytest.raises(UsageError, match="weights"):
        get(name).gradients(batch, LAYER, some_weights(3, 1, CLASSES + 3))


@pytest.mark.parametrize("name", OF_LAYERS)
def test_weights_of_a_layer_have_its_shape(name: str, get: Any, batch: np.ndarray) -> None:
    with pytest.raises(UsageError, match="weights"):
        get(name).gradients(batch, INPUT, some_weights(3, 1, CLASSES), of=LAYER)


@pytest.mark.parametrize("name", WITHOUT_LAYERS)
def test_without_layers_there_are_no_activations(name: str, get: Any, batch: np.ndarray) -> None:
    engine = get(name)
    assert tuple(engine.layers) == ()
    with pytest.raises(ModelError):
        engine.activations(batch, [LAYER])


@pytest.mark.parametrize("name", WITHOUT_GRADIENTS)
def test_without_gradients_one_sentence_says_so(name: str, get: Any, batch: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"load|Keras|\.keras") as info:
        get(name).gradients(batch, INPUT, some_weights(3, 1, CLASSES))
    assert str(info.value) == get(name).no_gradients


def test_optional_protocols_are_declared(get: Any) -> None:
    expected = {
        "keras": (GuidedGradients, LayerInterventions, PredictedTargets, GraphBacked, KerasBacked),
        "keras-predict": (ForwardOnly, KerasBacked),
        "savedmodel": (ForwardOnly,),
        "litert": (GuidedGradients, LayerInterventions),
        "fallback": (GuidedGradients, LayerInterventions, GraphBacked, Randomisable, KerasBacked, Noting),
        "onnx": (GuidedGradients, LayerInterventions, PredictedTargets, GraphBacked, Randomisable, Described),
        "onnx-any-size": (GuidedGradients, LayerInterventions, PredictedTargets, GraphBacked, Randomisable, Described),
        "tflite": (ForwardOnly, Randomisable, Described),
        "example": (),
    }
    every = (
        GuidedGradients,
        LayerInterventions,
        PredictedTargets,
        ForwardOnly,
        GraphBacked,
        GraphExport,
        Randomisable,
        KerasBacked,
        Noting,
        Described,
    )
    if importlib.util.find_spec("torch"):
        expected["torch"] = (GuidedGradients, LayerInterventions, PredictedTargets, GraphExport, Randomisable, Noting)
    for name, protocols in expected.items():
        assert tuple(p for p in every if supports(get(name), p)) == protocols, name


def test_the_weight_of_the_predicted_class_goes_to_the_greatest_logit(get: Any, batch: np.ndarray) -> None:
    engine = get("keras")
    column = np.zeros((3, 1, CLASSES + 1), np.float32)
    column[..., -1] = 1
    one_hot = np.eye(CLASSES, dtype=np.float32)[engine.logits(batch).argmax(1)][:, None]
    np.testing.assert_allclose(
        engine.gradients(batch, INPUT, column)[1], engine.gradients(batch, INPUT, one_hot)[1], atol=1e-6
    )


def test_what_is_missing_is_named_with_who_needs_it(get: Any) -> None:
    engine = get("example")
    assert require(get("keras"), GuidedGradients, "guided-backprop") is get("keras")
    with pytest.raises(ModelError, match=r"guided-backprop.*guided gradients.*example"):
        require(engine, GuidedGradients, "guided-backprop")


def test_the_fallback_asks_keras_for_gradients_of_layers_and_notes_it(pair: Any, batch: np.ndarray) -> None:
    keras, litert = pair("functional")
    both = KerasFallbackEngine(litert, lambda: keras)
    assert engine_notes(both) == ()
    weights = some_weights(3, 1, SIZE, SIZE, 5)
    gradient = both.gradients(batch, INPUT, weights, of="relu1")[1]
    np.testing.assert_array_equal(gradient, keras.gradients(batch, INPUT, weights, of="relu1")[1])
    assert both.name == "keras"
    assert any("relu1" in note for note in engine_notes(both))


def test_the_gradient_of_a_layer_on_paper() -> None:
    """conv = relu(w * x + b) with one weight a channel: d sum(v * conv) / dx = sum_c v_c w_c where w_c x + b_c > 0."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    layers = keras().layers
    picture = layers.Input((2, 2, 1))
    x = layers.Conv2D(2, 1, activation="relu", name="conv")(picture)
    x = layers.Conv2D(1, 2, name="later", use_bias=False, kernel_initializer="ones")(x)
    network = keras().Model(picture, layers.Dense(2, name="head")(layers.Flatten()(x)))
    network.get_layer("conv").set_weights([np.array([[[[2.0, -3.0]]]], np.float32), np.array([0.0, 1.0], np.float32)])
    engine = KerasEngine(network)
    batch = np.array([[1.0, -1.0], [0.25, 0.0]], np.float32).reshape(1, 2, 2, 1)
    weights = np.ones((1, 1, 2, 2, 2), np.float32) * np.array([1.0, 10.0], np.float32)
    _, gradient, conv = engine.gradients(batch, INPUT, weights, of="conv")
    assert conv[0].tolist() == [[[2, 0], [0, 4]], [[0.5, 0.25], [0, 1]]]
    assert gradient[0, 0, ..., 0].tolist() == [[2, -30], [2 - 30, -30]]
    # `later` is the sum of conv; weighted by 3, its gradient at conv is 3 everywhere.
    assert engine.gradients(batch, "conv", np.full((1, 1, 1, 1, 1), 3, np.float32), of="later")[1].tolist() == (
        np.full((1, 1, 2, 2, 2), 3.0).tolist()
    )
    with pytest.raises(ModelError, match="later"):
        engine.gradients(batch, "later", weights, of="conv")


def test_a_source_goes_to_the_engine_that_recognises_it(
    pair: Any, onnx_files: Any, converted: Any, tmp_path: Path
) -> None:
    keras, litert = pair("functional")
    assert find_opener(keras.network) is ENGINES["keras"]
    assert find_opener(litert.compiled) is ENGINES["litert"]
    assert find_opener(tmp_path / "missing") is None
    assert find_opener(3) is None
    for name, content in (("onnx", onnx_files.twin(keras.network).SerializeToString()), ("tflite", converted(keras))):
        path = tmp_path / f"{name}.weights"
        path.write_bytes(content)
        assert find_opener(path) is ENGINES[name]
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    assert find_opener(tmp_path / "saved") is ENGINES["savedmodel"]
    assert isinstance(ENGINES["keras"].open(keras.network, False), Engine)


def test_an_engine_of_ones_own_opens_files_that_nobody_else_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ferviz.engines.registry import Opener
    from ferviz.models.load import load_model

    path = tmp_path / "net.own"
    path.write_bytes(b"OWN1....")
    with pytest.raises(ModelError):
        load_model(path)
    monkeypatch.setattr(ENGINES, "_entries", dict(ENGINES._entries))
    opener = Opener(
        lambda source: isinstance(source, Path) and source.is_file() and source.read_bytes().startswith(b"OWN1"),
        lambda source, trust: ExampleEngine(),  # type: ignore[arg-type,return-value]
        "its answers are made up",
    )
    ENGINES.add("own", "networks of my own", opener)
    model = load_model(path, labels="a,b,c,d", scaling="0..1")
    assert (model.name, model.engine.name, model.input.size) == ("net", "example", (SIZE, SIZE))
    assert any("made up" in note for note in model.notes)
    assert model.probabilities(np.zeros((2, 30, 30), np.uint8)).shape == (2, 4)
