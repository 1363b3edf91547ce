"""The page's own kernels answer as TensorFlow does, and step aside where they cannot."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.engines.backend import keras as get_keras
from ferviz.models.compiled.file import pack_compiled

pytestmark = pytest.mark.slow

RUN = """
const { readFerviz } = await import('/engine/ferviz_file.js'), { TiledNetwork } = await import('/engine/winograd/tiled_network.js');
const { Graphs } = await import('/engine/network.js');
const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0)), { content } = await readFerviz(bytes);
const pictures = lists.map((list) => Float32Array.from(list));
"""


@pytest.fixture(scope="module")
def page(engine_page: Any) -> Any:
    return engine_page


@pytest.fixture(scope="module")
def network() -> Any:
    """A network of every operation that has a kernel, on pictures whose sides are no multiples of a tile's."""
    layers = get_keras().layers
    rng = np.random.default_rng(0)
    picture = get_keras().Input((23, 17, 3))
    first = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu")(picture)
    second = layers.BatchNormalization()(layers.ReLU()(layers.Conv2D(16, 3, padding="same", name="wide")(first)))
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(layers.MaxPooling2D(2)(second))
    third = layers.Add()([pooled, layers.Conv2D(16, 3, padding="same")(pooled)])
    flat = layers.Flatten()(layers.Conv2D(8, 3, padding="valid")(layers.ReLU(name="last")(third)))
    keras_model = get_keras().Model(picture, layers.Dense(5)(layers.Dense(12, activation="relu")(flat)))
    keras_model.set_weights([np.abs(w) + 0.5 if "variance" in v.path else rng.normal(0, 0.3, w.shape) for v, w in
                             zip(keras_model.weights, keras_model.get_weights(), strict=True)])  # fmt: skip
    model = ferviz.load_model(keras_model, labels="a,b,c,d,e", scaling="0..1")
    return model, pack_compiled(ferviz.compile_model(model, layers=["last"]))


def run(page: Any, file: bytes, pictures: Any, code: str) -> Any:
    return page.evaluate(
        f"async ([file, lists]) => {{ {RUN} {code} }}",
        [base64.b64encode(file).decode(), [picture.ravel().tolist() for picture in pictures]],
    )


LOGITS = """
const answers = [];
for (const fused of [true, false]) {
  const network = new TiledNetwork(content, 'predict', fused);
  answers.push([...network.run(pictures.slice(0, 4)), ...network.run(pictures.slice(4))].map(({ logits }) => [...logits]));
}
return answers;
"""


def test_every_operation_gives_the_numbers_of_tensorflow(page: Any, network: Any) -> None:
    model, file = network
    pictures = np.random.default_rng(1).random((7, 23, 17, 3)).astype(np.float32)
    expected = model.engine.logits(pictures)
    assert np.ptp(expected, axis=0).min() > 0.1, "the pictures' answers differ, so that one taken for another shows"
    for answers in run(page, file, pictures, LOGITS):
        np.testing.assert_allclose(answers, expected, atol=1e-4 * np.abs(expected).max())


def test_the_bundled_network_has_its_answers_and_its_last_map(page: Any) -> None:
    model = ferviz.load_model()
    pictures = np.random.default_rng(2).integers(0, 256, (3, 48, 48, 1)).astype(np.float32)
    told = run(
        page,
        pack_compiled(ferviz.compile_model(model)) if model.engine.name == "keras" else bundled(),
        pictures,
        "return new TiledNetwork(content, 'predict').run(pictures).map(({ logits, activation }) => [[...logits], [...activation]]);",
    )
    logits, maps = (np.array(part) for part in zip(*told, strict=True))
    expected, last = model.engine.logits(pictures), model.engine.activations(pictures, [model.default_layer()[0]])[0]
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(maps.reshape(last.shape), last, atol=1e-4 * np.abs(last).max())


def bundled() -> bytes:
    from ferviz.models.bundled import ASSETS

    return (ASSETS / "bundled.ferviz").read_bytes()


ASKED = """
const graphs = await Graphs.open(content), [, height, width, channels] = new TiledNetwork(content, 'predict').input.shape;
const shape = [1, height, width, channels], feeds = pictures.map((values) => ({ picture: [values, shape] }));
const plain = await graphs.runAll('predict', feeds, ['logits']);
"""


def test_where_they_are_used_every_question_gets_their_answer(page: Any, network: Any) -> None:
    pictures = np.random.default_rng(3).random((6, 23, 17, 3))
    plain, tiled, single, others = run(
        page, network[1], pictures,
        f"""{ASKED}
        let runs = 0;
        const own = new TiledNetwork(content, 'predict'), counted = {{ run: (...words) => {{ runs += 1; return own.run(...words); }} }};
        graphs.tiled = {{ name: 'predict', input: 'picture', network: counted }};
        const tiled = await graphs.runAll('predict', feeds, ['logits']), single = await graphs.run('predict', feeds[5], ['logits']);
        graphs.close();
        return [plain, tiled, [single], [runs]].map((list) => list.map((answer) => (answer.logits ? [...answer.logits] : answer)));""",
    )  # fmt: skip
    assert others == [3], "six pictures in a four and a two, and one alone"
    np.testing.assert_allclose(tiled, plain, atol=1e-4 * np.abs(plain).max())
    assert single == [tiled[5]]


def test_other_answers_than_litert_s_are_never_shown(page: Any, network: Any) -> None:
    outcome = run(
        page, network[1], np.random.default_rng(4).random((2, 23, 17, 3)),
        f"""{ASKED}
        const {{ run }} = TiledNetwork.prototype, second = (answers) => {{ answers[0].logits[1] += 1e-2; return answers; }};
        TiledNetwork.prototype.run = function (...words) {{ return second(run.apply(this, words)); }};
        const outcome = await graphs.hasten('predict', 'picture', shape, pictures);
        TiledNetwork.prototype.run = run;
        const same = await graphs.runAll('predict', feeds, ['logits']);
        graphs.close();
        const unchanged = same.every(({{ logits }}, n) => logits.every((value, k) => value === plain[n].logits[k]));
        return {{ ...outcome, tiled: graphs.tiled ?? null, same: unchanged }};""",
    )  # fmt: skip
    assert outcome == {"reason": "its answers are not LiteRT's", "tiled": None, "same": True}


def test_what_has_no_kernel_is_left_to_litert(page: Any, network: Any) -> None:
    reason = run(
        page, network[1], [],
        "try { new TiledNetwork(content, 'gradients'); return null; } catch (error) { return error.message; }",
    )  # fmt: skip
    assert "no kernel" in reason
