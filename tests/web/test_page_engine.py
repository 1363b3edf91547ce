"""What the page computes is what Python computes: the same numbers, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import ferviz
from ferviz import fills
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.region_shapley import exact_operator, shapley_values
from ferviz.data.synthetic.cartoons import make
from ferviz.faces.regions import region_masks
from ferviz.trust.controls import centre_blob
from ferviz.trust.deletion import pixel_ranks

pytestmark = pytest.mark.slow

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"
POINTS = np.array([[15.2, 19.1], [33.0, 17.4], [24.6, 28.0], [17.9, 36.2], [31.5, 35.1]])


@pytest.fixture(scope="module")
def model() -> Any:
    return ferviz.load_model()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return make(1, seed=5, task="emotions").images[0]


@pytest.fixture(scope="module")
def page(engine_page: Any, image: np.ndarray) -> Any:
    engine_page.evaluate(
        """values => { window.picture = { data: new Float32Array(values), width: 48, height: 48, channels: 1 }; }""",
        image.ravel().tolist(),
    )
    return engine_page


def call(page: Any, code: str, *values: Any) -> Any:
    plain = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return page.evaluate(f"async ([a, b, c, d]) => {code}", [*plain, *[None] * (4 - len(plain))])


def as_explained(
    page: Any, method: str, layer: str | None, weights: list[float], signed: bool
) -> tuple[np.ndarray, Any]:
    answer = call(
        page,
        "{ const m = await studio.engine.call('explain', picture, a, b, c, d); return { ...m, map: [...m.map] }; }",
        method, layer, weights, signed,
    )  # fmt: skip
    return np.reshape(answer["map"], (answer["height"], answer["width"])), answer["logits"]


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "saliency", "fastshap"])
@pytest.mark.parametrize("target", ["happy", "happy-sad"])
def test_maps_are_those_of_python(page: Any, model: Any, image: np.ndarray, method: str, target: str) -> None:
    explanation = ferviz.explain(model, image[None], method=method, target=target, test=False)
    weights = [float(label == "happy") - float(label == "sad" and "-" in target) for label in model.labels]
    layer = None if method in ("saliency", "fastshap") else explanation.layer
    signed = "-" in target
    map_, logits = as_explained(page, method, layer, weights, signed)
    raw = explanation.raw[0, 0]
    assert map_.shape == raw.shape
    np.testing.assert_allclose(map_, raw, atol=1e-4 * max(1.0, np.abs(raw).max()))
    np.testing.assert_allclose(logits, model.logits(image[None])[0], atol=1e-4)


def test_maps_of_an_early_layer_are_those_of_python(page: Any, model: Any, image: np.ndarray) -> None:
    raw = ferviz.explain(model, image[None], method="layercam", layer="relu4", target="fear", test=False).raw[0, 0]
    map_, _ = as_explained(page, "layercam", "relu4", [float(label == "fear") for label in model.labels], False)
    np.testing.assert_allclose(map_, raw, atol=1e-4 * max(1.0, np.abs(raw).max()))


@pytest.mark.parametrize(
    ("name", "kind"), [("harmonic", "harmonic"), ("blur", "blur"), ("mean", "mean"), ("grey", 128)]
)
def test_fills_are_those_of_python(page: Any, model: Any, image: np.ndarray, name: str, kind: Any) -> None:
    rows, columns = np.indices((48, 48))
    hidden = np.clip(9.5 - np.hypot(rows - 33, columns - 22), 0, 1).astype(np.float32)
    hidden[2:20, 40:] = 1
    expected = fills.fill(image[None, ..., None].astype(np.float32), hidden[None], kind)[0, ..., 0]
    answer = call(
        page,
        """{ const m = await studio.engine.call('masked', picture, new Float32Array(a), b);
             return { data: [...m.picture.data], logits: m.logits }; }""",
        hidden.ravel(), name,
    )  # fmt: skip
    np.testing.assert_allclose(np.reshape(answer["data"], (48, 48)), expected, atol=0.02)
    logits = model.engine.logits(model.input.scaled(expected[None, ..., None]))[0]
    np.testing.assert_allclose(answer["logits"], logits, atol=1e-3)


def test_the_harmonic_fill_is_the_same_with_vectors_of_numbers_and_without(page: Any) -> None:
    apart = page.evaluate(
        """async () => {
          const { relaxedSlowly, relaxed } = await import('/maths/fills.js'), drawn = (n) => (n * 48271 % 2147483647) / 2147483647;
          const apart = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
          return [[48, 48], [13, 6], [3, 9], [50, 31]].map(([width, height]) => {
            const values = Float32Array.from({ length: width * height }, (_, i) => 255 * drawn(31 * i + width));
            const unknown = Uint8Array.from(values, (_, i) => Number(drawn(7 * i + 3) < .6));
            const [fast, slow] = [relaxed, relaxedSlowly].map((work) => work(values.slice(), unknown, width, height));
            return [apart(fast, slow), apart(fast, values)];
          });
        }"""
    )
    for difference, moved in apart:
        assert difference < 0.01
        assert moved > 1


def test_regions_and_their_sets_are_those_of_python(page: Any, model: Any, image: np.ndarray) -> None:
    masks = region_masks(POINTS[None], (48, 48))[0]
    shown = call(page, "(await studio.engine.call('masks', a)).map(mask => [...mask])", POINTS)
    np.testing.assert_allclose(np.reshape(shown, masks.shape), masks, atol=2e-3)
    sets = [0, 255, 64, 191, 85]
    answers = call(
        page,
        "studio.engine.call('coalitions', picture, await studio.engine.call('masks', a), 'harmonic', b)",
        POINTS,
        sets,
    )
    seen = np.stack([np.minimum(sum(masks[r] for r in range(8) if s >> r & 1) + 0 * masks[0], 1) for s in sets])
    seen[1] = 1
    pictures = fills.fill(image[None, ..., None].astype(np.float32), 1 - seen[None])[0]
    expected = model.engine.logits(model.input.scaled(pictures))
    np.testing.assert_allclose(answers, expected, atol=0.01)


@pytest.mark.parametrize("border", [-1, 1])
def test_moved_borders_are_those_of_python(page: Any, border: int) -> None:
    masks = region_masks(POINTS[None], (48, 48), border)[0]
    shown = call(page, "(await studio.engine.call('masks', a, b)).map(mask => [...mask])", POINTS, border)
    np.testing.assert_allclose(np.reshape(shown, masks.shape), masks, atol=2e-3)


BY_PASSES = """{
  const { PASS_METHODS } = await import('/engine/passes.js');
  const face = { picture, masks: await studio.engine.call('masks', a), weights: b }, shares = [];
  const found = await PASS_METHODS[c](studio.engine, face, {}, (share) => shares.push(share));
  return { ...found, map: [...found.map], shares };
}"""


@pytest.mark.parametrize(("method", "target"), [("occlusion", "happy-sad"), ("region-occlusion", "happy")])
def test_what_hiding_parts_costs_is_that_of_python(
    page: Any, model: Any, image: np.ndarray, method: str, target: str
) -> None:
    face = ferviz.Face(np.repeat(image[..., None], 3, axis=2), landmarks=POINTS, landmark_source="detector")
    explanation = ferviz.explain(model, face, method=method, target=target, test=False)
    weights = [float(label == "happy") - float(label == "sad" and "-" in target) for label in model.labels]
    answer = call(page, BY_PASSES, POINTS, weights, method)
    raw = explanation.raw[0, 0]
    np.testing.assert_allclose(np.reshape(answer["map"], raw.shape), raw, atol=1e-4 * max(1.0, np.abs(raw).max()))
    np.testing.assert_allclose(answer["logits"], model.logits(image[None])[0], atol=1e-4)
    assert answer["shares"][-1] == 1


def test_the_map_of_regions_is_their_values_painted(page: Any) -> None:
    """An engine whose answer to a set is the number of the regions that are seen: each adds one, and the mouth two."""
    seen = call(
        page,
        """{
          const { PASS_METHODS } = await import('/engine/passes.js');
          const score = (set) => { let n = set >> 6 & 1; for (let s = set; s; s &= s - 1) n += 1; return [n, 0]; };
          const engine = { parts: (list) => [list], spread: async (_, [[, , , sets]]) => [sets.map(score)] };
          const masks = Array.from({ length: 8 }, (_, r) => Float32Array.from({ length: 8 }, (_, i) => Number(i === r)));
          const { map } = await PASS_METHODS.regions(engine, { picture: { width: 4, height: 2 }, masks, weights: [1, -1] });
          return [...map];
        }""",
    )
    np.testing.assert_allclose(seen, [1, 1, 1, 1, 1, 1, 2, 1], atol=1e-6)


def test_shapley_values_are_those_of_python(page: Any) -> None:
    scores = np.random.default_rng(0).normal(size=256)
    values = call(page, "(await import('/maths/scores.js')).shapleyValues(a, 8)", scores)
    np.testing.assert_allclose(values, shapley_values(scores, exact_operator()), atol=1e-9)
    assert sum(values) == pytest.approx(scores[-1] - scores[0])


def test_the_estimate_is_exact_where_only_pairs_of_regions_work_together(page: Any) -> None:
    rng = np.random.default_rng(1)
    alone, pairs = rng.normal(size=8), np.triu(rng.normal(size=(8, 8)), 1)
    members = np.arange(256)[:, None] >> np.arange(8) & 1
    scores = members @ alone + np.einsum("si,ij,sj->s", members, pairs, members)
    asked = np.where(np.isin(members.sum(1), (0, 1, 7, 8)), scores, np.nan)
    estimate = call(page, "(await import('/maths/scores.js')).shapleyValues(a.map(score => score ?? NaN), 8)", asked)
    np.testing.assert_allclose(estimate, shapley_values(scores, exact_operator()), atol=1e-9)


def test_an_estimate_adds_up_to_the_whole(page: Any) -> None:
    scores = np.random.default_rng(2).normal(size=256)
    known = np.isin(np.array([number.bit_count() for number in range(256)]), (0, 1, 7, 8))
    asked = np.where(known, scores, np.nan)
    code = """{
      const { shapleyValues, missedBy } = await import('/maths/scores.js'), scores = a.map((score) => score ?? NaN);
      return [shapleyValues(scores, 8), missedBy(scores, 8)];
    }"""
    estimate, missed = call(page, code, asked)
    both = [[scores[1 << r] - scores[0], scores[255] - scores[255 ^ 1 << r]] for r in range(8)]
    averages = np.mean(both, axis=1)
    assert missed == pytest.approx(scores[255] - scores[0] - averages.sum())
    np.testing.assert_allclose(estimate, averages + missed / 8, atol=1e-9)


def test_the_order_of_pixels_is_that_of_python(page: Any) -> None:
    rough = np.maximum(np.random.default_rng(1).normal(size=(12, 12)), 0).astype(np.float32)
    enlarged = call(page, "[...(await import('/ui/heat.js')).resizeMap(a, 12, 12, 48, 48)]", rough.ravel())
    np.testing.assert_allclose(np.reshape(enlarged, (48, 48)), resize_maps(rough, 48, 48), atol=1e-5)
    for heat in (np.floor(rough * 3), centre_blob(12, 12)):
        ranks = call(page, "[...(await import('/maths/scores.js')).pixelRanks(a)]", heat.ravel())
        np.testing.assert_array_equal(ranks, pixel_ranks(heat))


@pytest.mark.parametrize("size", [(96, 96), (192, 192), (61, 83), (30, 40), (48, 48)])
def test_crops_come_to_the_networks_size_as_in_python(page: Any, model: Any, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    crop = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    rgba = np.dstack([crop, np.full(size, 255, np.uint8)])
    data = call(
        page,
        "{ const f = await studio.engine.call('face', new Uint8ClampedArray(a), b, c, null); return [...f.picture.data]; }",
        rgba.ravel(), size[1], size[0],
    )  # fmt: skip
    expected = model.input.resized([crop])[0, ..., 0].astype(float)
    difference = np.abs(np.reshape(data, (48, 48)) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02, "ties go where OpenCV's go"


def test_faces_are_where_python_sees_them(page: Any) -> None:
    face = ferviz.find_faces(PORTRAIT, tilt="none")[0]
    faces = page.evaluate(
        """async () => {
          const bitmap = await createImageBitmap(await (await fetch('/examples/portrait.jpg')).blob());
          const canvas = new OffscreenCanvas(512, 512); canvas.getContext('2d').drawImage(bitmap, 0, 0);
          return (await import('/ui/sources.js')).detectFaces(canvas, 0.7);
        }"""
    )
    assert len(faces) == 1
    points = np.array(faces[0]["points"])
    np.testing.assert_allclose(points, face.landmarks, atol=3)
    box = page.evaluate("async b => (await import('/ui/sources.js')).cropBox(b)", faces[0]["box"])
    np.testing.assert_allclose(box, face.box, atol=8)


def in_steps(old: int, size: int, joined: bool) -> list[tuple[int, int, int, int]]:
    """-> the two cells and their weights in 1 / 2048 for each new cell, as OpenCV has them."""
    weights = []
    for i in range(size):
        at = np.float32((i + 0.5) * old / size - 0.5)
        cell = int(np.floor(at))
        share = np.float32(0) if joined and not 0 <= cell < old - 1 else np.float32(at - cell)
        pair = np.clip([cell, cell + 1], 0, old - 1)
        weights.append((*map(int, pair), int(np.rint((np.float32(1) - share) * 2048)), int(np.rint(share * 2048))))
    return weights


@pytest.mark.parametrize(("old", "new"), [((48, 48), (64, 64)), ((30, 50), (48, 48)), ((9, 7), (48, 40))])
def test_an_enlarged_picture_has_opencv_s_grey_levels(page: Any, old: Any, new: Any) -> None:
    crop = np.random.default_rng(2).integers(0, 256, old).astype(np.uint8)
    wide = np.stack(
        [crop[:, a] * np.int64(p) + crop[:, b] * np.int64(q) for a, b, p, q in in_steps(old[1], new[1], True)], 1
    )
    rows = [(p * (wide[a] >> 4) >> 16) + (q * (wide[b] >> 4) >> 16) for a, b, p, q in in_steps(old[0], new[0], False)]
    resized = call(
        page,
        """{ const picture = { data: Float32Array.from(a), height: b[0], width: b[1], channels: 1 };
             return [...(await import('/maths/preprocess.js')).resize(picture, c[1], c[0], true).data]; }""",
        crop.ravel(), old, new,
    )  # fmt: skip
    np.testing.assert_array_equal(np.reshape(resized, new), np.stack(rows) + 2 >> 2)
    opencv = cv2.resize(crop, new[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(np.reshape(resized, new), opencv, atol=1)
