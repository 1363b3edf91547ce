"""A network is taught to explain itself: known values, files, other networks, stopped runs, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import ferviz
from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.engines.backend import keras as get_keras
from ferviz.engines.keras import KerasEngine
from ferviz.errors import DataError, ModelError, OutputExistsError, UsageError
from ferviz.faces.face import Face
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.models.compiled.compile import open_compiled
from ferviz.models.compiled.file import CompiledModel, write_compiled
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.training.explainer.coalitions import CELLS, outputs_of, patch_shares
from ferviz.training.explainer.explainer_network import choose_taps
from ferviz.training.explainer.fit import DOUBT, equation_loss, score_weights
from ferviz.training.explainer.tap_features import to_cells
from ferviz.training.explainer.teach import TeachConfig, Teaching, teach

pytestmark = pytest.mark.slow
SIDE = 24
LABELS = ("left", "right", "neither")
CONFIG = TeachConfig(faces=192, examined=8, region_pairs=1, patch_pairs=4, epochs=14, width=16, fills=("mean",))


def additive_network(seed: int = 0, side: int | None = SIDE) -> Any:
    """A network whose logits are the mean of what single pixels say: a patch adds the same whatever else is seen."""
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((side, side, 1))
    x = layers.AveragePooling2D(2, name="pool")(picture)
    x = layers.Conv2D(6, 1, name="maps")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    network = keras.Model(picture, layers.Dense(3, name="logits")(x))
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(rng.normal(0, 2, weight.shape))
    return network


def pictures(count: int, seed: int = 0) -> list[Face]:
    """Smooth random pictures, with a typical face's landmarks, so that none are looked for."""
    rng = np.random.default_rng(seed)
    landmarks = (TEMPLATE + 0.5) * SIDE / 48 - 0.5
    faces = []
    for coarse in rng.integers(0, 256, (count, 5, 5)).astype(np.uint8):
        pixels = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        place = {"landmarks": landmarks.astype(np.float32), "landmark_source": "template", "landmark_score": 0.0}
        faces.append(Face(np.repeat(pixels[..., None], 3, -1), **place))
    return faces


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("taught") / "additive.keras"
    additive_network().save(path)
    return path


def loaded(path: Path, engine: str = "keras") -> Model:
    return ferviz.load_model(path, labels=LABELS, scaling="0..1", engine=engine, cache=False)


@pytest.fixture(scope="module")
def compiled(file: Path) -> CompiledModel:
    return ferviz.compile_model(loaded(file))


@pytest.fixture(scope="module")
def quick(file: Path, compiled: CompiledModel) -> Model:
    """The network as it is after its first use: compiled, with Keras behind it."""
    return open_compiled(compiled, load=lambda: loaded(file).engine)  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="module")
def teaching(file: Path, quick: Model) -> Teaching:
    return teach(quick, pictures(200), out=file.with_suffix(".ferviz"), minutes=None, config=CONFIG)


def test_the_values_of_an_additive_network_are_learned(file: Path, teaching: Teaching) -> None:
    """What a patch adds to a sum over pixels is known: its own sum, less that of what stands there when it is hidden (the mean)."""
    images = pictures(24, seed=9)
    model = loaded(file)
    (slope,) = np.diff(
        model.engine.logits(np.stack([np.zeros((SIDE, SIDE, 1)), np.ones((SIDE, SIDE, 1))]).astype("f4")), axis=0
    )
    grey = np.stack([face.pixels[..., :1] for face in images]) / np.float32(255)
    centred = to_cells(grey - grey.mean((1, 2), keepdims=True))[..., 0] / CELLS**2
    truth = np.einsum("nij,pij->np", centred, patch_shares()) * (slope[0] - slope[1])
    values = explain(model, images, "fastshap", "left-right", explainer=str(teaching.path)).grids["values"][:, 0]
    learned = np.einsum("nij,pij->np", values, patch_shares())
    own = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(learned, truth, strict=True)])
    others = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(np.roll(learned, 1, 0), truth, strict=True)])
    assert own > 0.8
    assert others < 0.4
    assert 0.7 < np.polyfit(truth.ravel(), learned.ravel(), 1)[0] < 1.2


def test_a_taught_file_says_how_it_was_taught(teaching: Teaching) -> None:
    lesson = ferviz.load_model(teaching.path).explainer.lesson
    assert lesson == teaching.lesson
    assert lesson.held_out not in lesson.fills
    assert lesson.measured["rank"] > max(lesson.measured["rank_mean"], lesson.measured["rank_other"])
    assert json.loads(json.dumps(teaching.to_dict()))["faces"] == lesson.faces


@pytest.mark.parametrize("target", ["left", "predicted", "left-right", "2*left-right-neither"])
def test_both_engines_draw_the_same_maps(file: Path, teaching: Teaching, target: str) -> None:
    images = pictures(5, seed=3)
    compiled = explain(ferviz.load_model(teaching.path), images, "fastshap", target, batch_size=2)
    own = explain(loaded(file), images, "fastshap", target)
    assert (compiled.settings["engine"], own.settings["engine"]) == ("litert", "keras")
    np.testing.assert_allclose(own.raw, compiled.raw, atol=1e-4 * np.abs(own.raw).max())
    np.testing.assert_allclose(own.grids["values"], compiled.grids["values"], atol=1e-4 * np.abs(own.raw).max())
    assert [p.label for p in own.predictions] == [p.label for p in compiled.predictions]


def test_a_batch_is_its_singles_and_the_classes_differ(teaching: Teaching) -> None:
    model, images = ferviz.load_model(teaching.path), pictures(4, seed=5)
    whole = explain(model, images, "fastshap", "all")
    single = explain(model, images[2:3], "fastshap", "all")
    np.testing.assert_allclose(single.raw[0], whole.raw[2], atol=1e-5)
    assert rank_correlation(whole.raw[0, 0], whole.raw[0, 1]) < 0.9
    assert {"expected_error", "reliability"} <= set(whole.settings["details"])
    assert np.all(np.array(whole.settings["details"]["reliability"]) >= 0)
    assert whole.trust is not None


def test_one_pass_answers_everything(teaching: Teaching) -> None:
    from ferviz.evaluation.panel.counting import counted

    model, counter = counted(ferviz.load_model(teaching.path))
    AttributionJob.prepare(model, "fastshap", "all")(pictures(1))
    assert counter.passes == 1


def test_a_few_passes_correct_the_taught_map(teaching: Teaching) -> None:
    """Of a network that adds up, the regions' exact values are its answers about them: the corrected map is nearer to them."""
    from ferviz.evaluation.panel.counting import counted
    from ferviz.training.explainer.examination import exact_values, region_sums

    model, counter = counted(ferviz.load_model(teaching.path))
    faces = pictures(12, seed=13)
    settings = {"fill": "mean"}
    AttributionJob.prepare(model, "adjusted-fastshap", "all", settings=settings)(faces[:1])
    assert counter.passes == 19
    exact = exact_values(model, faces, "mean")
    errors = []
    for name, given in (("fastshap", {}), ("adjusted-fastshap", settings)):
        grids = explain(model, faces, name, "all", test=False, **given).grids["values"]
        sums = region_sums(np.moveaxis(grids, 1, -1), exact.shares)
        errors.append(float(((sums - exact.values) ** 2).mean()))
    assert errors[1] < 0.3 * errors[0]


def test_another_network_is_refused(tmp_path: Path, teaching: Teaching) -> None:
    other = tmp_path / "other.keras"
    additive_network(seed=1).save(other)
    with pytest.raises(ModelError, match="other weights"):
        explain(loaded(other), pictures(1), "fastshap", explainer=str(teaching.path))
    (tmp_path / "other.ferviz").write_bytes(teaching.path.read_bytes())  # the name does not decide
    with pytest.raises(ModelError, match="other weights"):
        explain(loaded(other), pictures(1), "fastshap")
    in_memory = Model("memory", "", LABELS, InputSpec(SIDE, SIDE, 1), KerasEngine(additive_network()))
    with pytest.raises(ModelError, match="no file"):
        explain(in_memory, pictures(1), "fastshap", explainer=str(teaching.path))


def test_a_network_that_was_not_taught_is_refused(file: Path, compiled: CompiledModel, tmp_path: Path) -> None:
    plain = tmp_path / "plain.ferviz"
    write_compiled(plain, compiled)
    with pytest.raises(ModelError, match="ferviz teach"):
        explain(ferviz.load_model(plain), pictures(1), "fastshap")
    with pytest.raises(ModelError, match="not been taught"):
        explain(loaded(file), pictures(1), "fastshap", explainer=str(plain))


def test_a_stopped_run_goes_on(quick: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled at the end is looked at in the other tests."""
    monkeypatch.setattr(
        "ferviz.training.explainer.teach.compile_taught", lambda _, path, *more: path.write_bytes(b"taught")
    )
    config = TeachConfig(faces=64, examined=2, region_pairs=1, patch_pairs=1, epochs=1, width=4)
    out, data = tmp_path / "run.ferviz", pictures(80)
    kept = tmp_path / "run.ferviz.teaching"

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    def run(faces: list[Face] = data, **arguments: Any) -> Teaching:
        return teach(quick, faces, out=out, minutes=None, config=config, **arguments)

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    (part,) = kept.glob("answers-*")
    with pytest.raises(OutputExistsError, match="--resume"):
        run()
    with pytest.raises(DataError, match="other faces"):
        run(pictures(80, seed=2), resume=True)
    content = part.read_bytes()
    part.write_bytes(content[:900])
    with pytest.raises(DataError, match=r"answers-00000\.npz is damaged"):
        run(resume=True)
    part.write_bytes(content)
    written = part.stat().st_mtime_ns
    times: list[int] = []
    run(resume=True, progress=lambda _: times.append(part.stat().st_mtime_ns))
    assert set(times) == {written}
    assert out.is_file()
    assert not kept.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"data": pictures(20)}, DataError, "too few"),
        ({"data": pictures(1) * 100}, DataError, "1 different faces are too few"),
        ({"minutes": 0}, UsageError, "minutes"),
        ({"out": "model.keras"}, UsageError, ".ferviz"),
    ],
)
def test_bad_input_is_one_sentence(quick: Model, tmp_path: Path, arguments: dict, error: type, says: str) -> None:
    given = {"data": pictures(80), "out": "model.ferviz", **arguments}
    with pytest.raises(error, match=says):
        teach(quick, given.pop("data"), **{**given, "out": tmp_path / given["out"]})


def test_pixels_become_cells_as_in_the_graph() -> None:
    """A plane stays the same plane, at each cell's centre, whatever the size of the map."""
    for height, width in ((3, 5), (12, 12), (24, 26), (48, 49)):
        rows, columns = (np.arange(n) + 0.5 for n in (height, width))
        plane = (rows[:, None] / height + 2 * columns / width)[None, ..., None]
        even_h, even_w = (n // 2**k * 2**k for n, k in ((height, height // 24), (width, height // 24)))
        centres = (np.arange(CELLS) + 0.5) / CELLS
        inside = slice(3, 9)
        wanted = (centres[:, None] * even_h / height + 2 * centres * even_w / width)[inside, inside]
        np.testing.assert_allclose(to_cells(plane)[0, inside, inside, 0], wanted, atol=0.03)


def test_a_network_of_any_size_is_taught_at_the_size_of_its_pictures(tmp_path: Path) -> None:
    """Its layers do not say how large their maps are; one picture does."""
    network = KerasEngine(additive_network(side=None))
    model = Model("any", "", LABELS, InputSpec(None, None, 1, scaling="0..1", default_side=SIDE), network)
    few = TeachConfig(faces=64, examined=4, region_pairs=1, patch_pairs=1, epochs=1, width=8, fills=("mean",))
    taught = teach(model, pictures(68), out=tmp_path / "any.ferviz", minutes=None, config=few)
    assert taught.layers == ("maps",)
    grids = explain(ferviz.load_model(taught.path), pictures(1), "fastshap", "left", test=False).grids["values"]
    assert grids.shape[-2:] == (CELLS, CELLS)


def test_scores_are_log_odds_and_logits() -> None:
    logits = np.array([[1.0, 2.0, -1.0]])
    p = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(outputs_of(logits)[0], [*np.log(p / (1 - p))[0], *logits[0]], rtol=1e-6)


def test_taps_are_the_last_of_each_size() -> None:
    layers = ferviz.load_model().layers
    assert choose_taps(layers) == ("relu4", "relu8")
    with pytest.raises(ModelError, match="nothing to look at"):
        choose_taps([layer for layer in layers if not layer.spatial])


def test_the_predicted_class_counts_most() -> None:
    weights = score_weights(np.array([[0.0, 3, 1], [2, 0, 0]], np.float32))
    np.testing.assert_allclose(weights, [[1 / 3, 7 / 3, 1 / 3] * 2, [7 / 3, 1 / 3, 1 / 3] * 2], rtol=1e-6)


def test_the_loss_weighs_each_score_of_each_equation() -> None:
    rng = np.random.default_rng(2)
    cells, scores = CELLS**2, 4
    equations = rng.normal(size=(2, 3, cells + 2 * scores)).astype(np.float32)
    answer = rng.normal(size=(2, cells + 1, scores)).astype(np.float32)
    squares = (equations[..., :cells] @ answer[:, :cells] / CELLS - equations[..., cells : cells + scores]) ** 2
    doubt = answer[:, cells:]
    likelihood = (doubt + squares * np.exp(-doubt))[:, :-1]
    expected = (equations[..., cells + scores :] * squares).mean() + DOUBT * likelihood.mean()
    np.testing.assert_allclose(float(equation_loss(equations, answer)), expected, rtol=1e-4)
