"""Parameterizations, transforms, penalties and statistics: what they do to a picture, against NumPy and known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.dreaming import face_statistics as statistics
from ferviz.dreaming.parameterizations.parameterization import Sum
from ferviz.dreaming.parameterizations.spatial import Components, Pixels, Pyramid
from ferviz.dreaming.parameterizations.spectra import Fourier, Phase
from ferviz.dreaming.priors import PRIORS, prior
from ferviz.dreaming.regularizers import Regularizers
from ferviz.dreaming.transforms import NONE, Transforms
from ferviz.errors import UnknownNameError, UsageError

SIZE = (12, 10, 1)
COMPONENTS = np.random.default_rng(0).normal(size=(3, 12, 10)).astype(np.float32)
MAGNITUDE = np.abs(np.fft.rfft2(np.random.default_rng(1).normal(size=(12, 10))))


def offset(parameterization: Any, variables: np.ndarray, size: tuple[int, ...] = SIZE) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(parameterization.offset(tf.constant(variables, tf.float32), size))


ALL = {
    "pixels": Pixels(),
    "fourier": Fourier(),
    "components": Components(COMPONENTS),
    "pyramid": Pyramid(),
    "sum": Sum((Components(COMPONENTS), Fourier(2.0), Pixels())),
}


@pytest.mark.parametrize("name", ALL)
def test_a_parameterization_is_linear_and_starts_by_its_seed(name: str) -> None:
    p = ALL[name]
    a, b = (p.start(SIZE, np.random.default_rng(seed)) for seed in (1, 2))
    assert (a == p.start(SIZE, np.random.default_rng(1))).all()
    x, y = np.stack([a, b]) + 0.1, np.stack([b, b - a])
    assert offset(p, x).shape == (2, *SIZE)
    assert offset(p, 2 * x - y) == pytest.approx(2 * offset(p, x) - offset(p, y), abs=1e-4)
    assert not offset(p, np.zeros_like(x)).any()


def test_energy_costs_the_offset_and_brings_back_what_is_black() -> None:
    import tensorflow as tf

    size, shown = (8, 8, 1), Fourier(1.5, energy=2.0)
    variables = tf.constant(40.0 * shown.start(size, np.random.default_rng(0))[None])
    offset = np.asarray(shown.offset(variables, size))
    assert np.asarray(shown.penalty(variables, size)) == pytest.approx(2.0 * (offset**2).mean(), rel=1e-5)
    assert np.asarray(Fourier(1.5).penalty(variables, size)) == pytest.approx(0.0)

    def pull(cost: Any) -> float:
        black = tf.constant(variables.numpy())
        with tf.GradientTape() as tape:
            tape.watch(black)
            value = cost(black)
        return float(tf.reduce_max(tf.abs(tape.gradient(value, black))))

    def squashed(black: Any) -> Any:
        pictures = tf.sigmoid(shown.offset(black, size) - 50.0)
        return Regularizers(l2=2.0).cost(pictures, pictures, tf.zeros(1))

    assert pull(squashed) < 1e-9 < 1e-3 < pull(lambda black: shown.penalty(black, size))


def test_one_coefficient_is_one_wave_and_falls_with_its_frequency() -> None:
    def wave(row: int, column: int, decay: float) -> np.ndarray:
        variables = np.zeros((2, 1, 16, 9), np.float32)
        variables[0, 0, row, column] = 1
        return offset(Fourier(decay), variables.reshape(1, -1), (16, 16, 1))[0, ..., 0]

    for decay in (1.0, 2.0):
        slow, fast = wave(1, 0, decay), wave(4, 0, decay)
        y = np.arange(16)[:, None] / 16 * np.ones(16)
        assert slow / slow.max() == pytest.approx(np.cos(2 * np.pi * y), abs=1e-5)
        assert fast / fast.max() == pytest.approx(np.cos(2 * np.pi * 4 * y), abs=1e-5)
        assert slow.max() / fast.max() == pytest.approx(4**decay, rel=1e-4)


def test_phases_keep_the_magnitudes_whatever_they_are() -> None:
    p = Phase(MAGNITUDE)
    made = offset(p, p.start(SIZE, np.random.default_rng(3))[None])[0, ..., 0]
    # The columns that are their own mirror image must be symmetric in a real picture; the others keep theirs exactly.
    assert np.abs(np.fft.rfft2(made))[:, 1:5] == pytest.approx(MAGNITUDE[:, 1:5], rel=1e-3)


def test_phases_of_a_picture_give_the_picture_back() -> None:
    picture = np.random.default_rng(1).normal(size=(12, 10))
    p = Phase(MAGNITUDE, np.angle(np.fft.rfft2(picture)), spread=0.0)
    assert offset(p, p.start(SIZE, np.random.default_rng(0))[None])[0, ..., 0] == pytest.approx(picture, abs=1e-4)


def test_components_are_weighted_sums_and_cost_their_distance() -> None:
    import tensorflow as tf

    p, weights = Components(COMPONENTS, strength=0.5), np.array([[1.0, -2.0, 3.0]])
    assert offset(p, weights)[0, ..., 0] == pytest.approx(np.tensordot(weights[0], COMPONENTS, 1), abs=1e-5)
    assert np.asarray(p.penalty(tf.constant(weights, tf.float32), SIZE)) == pytest.approx([0.5 * 14 / 3])
    both = Sum((p, Pixels()))
    padded = np.concatenate([weights, np.ones((1, 120))], 1)
    assert np.asarray(both.penalty(tf.constant(padded, tf.float32), SIZE)) == pytest.approx([0.5 * 14 / 3])


def views(transforms: Transforms, pictures: np.ndarray, samples: int = 4, seed: tuple[int, int] = (3, 4)) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(transforms.apply(tf.constant(pictures, tf.float32), samples, tf.constant(seed)))


def blob(row: float, column: float, side: int = 48) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18.0)[None, ..., None]


def centre(picture: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = picture[..., 0] / picture.sum()
    return np.array([(y * weight).sum(), (x * weight).sum()])


def test_no_transform_is_no_change() -> None:
    pictures = np.random.default_rng(0).random((2, 9, 11, 3))
    assert (views(NONE, pictures) == np.repeat(pictures, 4, 0).astype(np.float32)).all()


def test_every_picture_gets_the_same_views_and_every_seed_others() -> None:
    picture = np.random.default_rng(0).random((1, 18, 18, 1))
    two = views(Transforms(flip=True, blur=1.0), np.repeat(picture, 2, 0))
    assert (two[:4] == two[4:]).all()
    assert (two[:4] == views(Transforms(flip=True, blur=1.0), picture)).all()
    assert len({v.tobytes() for v in two[:4]}) == 4
    assert not (two[:4] == views(Transforms(flip=True, blur=1.0), picture, seed=(3, 5))).all()


def test_shifts_rotations_and_scales_stay_within_their_limits_and_turn_about_the_middle() -> None:
    still = {"shift": 0, "rotate": 0, "scale": 0, "contrast": 0, "brightness": 0, "noise": 0}
    moved = [centre(v) - (23.5, 23.5) for v in views(Transforms(**{**still, "shift": 3.0}), blob(23.5, 23.5), 64)]
    assert np.abs(moved).max() <= 3.05
    assert np.std(moved, 0) == pytest.approx([3 / np.sqrt(3)] * 2, rel=0.25)
    turned = [centre(v) - (23.5, 23.5) for v in views(Transforms(**{**still, "rotate": 0.2}), blob(23.5, 35.5), 64)]
    assert np.linalg.norm(turned, axis=1) == pytest.approx(12, abs=0.1)
    assert np.abs(np.arctan2(*np.transpose(turned))).max() <= 0.205
    scaled = [centre(v)[1] - 23.5 for v in views(Transforms(**{**still, "scale": 0.1}), blob(23.5, 35.5), 64)]
    assert 12 * np.exp(-0.1) - 0.1 <= min(scaled) < 11.5
    assert 12.5 < max(scaled) <= 12 * np.exp(0.1) + 0.1


def test_flip_blur_light_and_noise() -> None:
    still = {"shift": 0, "rotate": 0, "scale": 0, "contrast": 0, "brightness": 0, "noise": 0}
    picture = np.random.default_rng(0).random((1, 24, 24, 1))
    flipped = views(Transforms(**still, flip=True), picture)
    assert flipped[0] == pytest.approx(picture[0])
    assert flipped[1] == pytest.approx(picture[0, :, ::-1])
    blurred = views(Transforms(**still, blur=3.0), picture)
    assert (blurred.std((1, 2, 3)) < picture.std()).all()
    assert blurred[:, 8:16, 8:16].mean((1, 2, 3)) == pytest.approx([picture[:, 8:16, 8:16].mean()] * 4, abs=0.05)
    lit = views(Transforms(**{**still, "contrast": 0.2, "brightness": 0.1}), picture)
    for view in lit:  # a straight line of the picture's own values
        slope, level = np.polyfit(picture.ravel() - 0.5, view.ravel() - 0.5, 1)
        assert 0.8 <= slope <= 1.2
        assert abs(level) <= 0.1
    grainy = views(Transforms(**{**still, "noise": 0.1}), picture, 16) - picture
    assert 0 < grainy.std((1, 2, 3)).min() < grainy.std((1, 2, 3)).max() < 0.12


def test_gradients_of_all_views_flow_back_to_the_picture() -> None:
    import tensorflow as tf

    pictures = tf.constant(np.random.default_rng(0).random((2, 24, 24, 1)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        total = tf.reduce_sum(Transforms(contrast=0.0, flip=True, blur=0.5).apply(pictures, 8, tf.constant([1, 2])))
    gradient = np.asarray(tape.gradient(total, pictures))
    # Every view shows the inside once, so each inner pixel counts about once a view.
    assert gradient[:, 8:16, 8:16].mean() == pytest.approx(8, rel=0.15)


def test_penalties_have_the_value_of_their_formula() -> None:
    import tensorflow as tf

    random = np.random.default_rng(2)
    x, start = random.random((2, 7, 6, 1)), random.random((2, 7, 6, 1))
    given = tf.constant(x, tf.float32), tf.constant(start, tf.float32), tf.constant([3.0, -4.0])
    got = np.asarray(Regularizers(tv=2, l2=3, pull=5).cost(*given))
    for k in range(2):
        rough = np.abs(np.diff(x[k], axis=0)).mean() + np.abs(np.diff(x[k], axis=1)).mean()
        expected = 2 * rough + 3 * ((x[k] - 0.5) ** 2).mean() + 5 * ((x[k] - start[k]) ** 2).mean()
        assert got[k] == pytest.approx(expected, rel=1e-4)
    relative = np.asarray(Regularizers(tv=2, l2=3, pull=5, relative=True).cost(*given))
    assert relative == pytest.approx(got * (3, 4), rel=1e-5)
    assert not np.asarray(Regularizers().cost(*given)).any()


def test_components_of_known_faces_come_out_again(tmp_path: Any) -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:12, :12] / 11.0 - 0.5
    parts = [np.cos(np.pi * y) - np.cos(np.pi * y).mean(), y, x]  # a symmetric face that looks up, down, left and right
    weights = random.normal(size=(400, 2)) * (0.2, 0.1)
    faces = 128 + 60 * (parts[0] + weights[:, :1, None] * parts[1] + weights[:, 1:, None] * parts[2])
    found = statistics.measure(np.rint(faces).astype(np.uint8), np.zeros(400, int), ("happy",), count=3)
    for part, component in zip(parts[1:], found.components, strict=False):
        cosine = abs((part * component).sum()) / np.linalg.norm(part) / np.linalg.norm(component)
        assert cosine > 0.97
    assert np.linalg.norm(found.components[1]) > 3 * np.linalg.norm(found.components[2])
    assert (found.mean == found.mean[:, ::-1]).all()
    statistics.save(found, tmp_path / "faces.npz")
    again = statistics.load(tmp_path / "faces.npz")
    assert again.labels == ("happy",)
    assert again.components == pytest.approx(found.components, abs=np.abs(found.components).max() / 200)


def test_the_bundled_statistics_show_faces() -> None:
    faces = statistics.face_statistics()
    assert faces.components.shape == (256, 48, 48)
    assert faces.of("Happiness") is faces.means[3] or (faces.of("Happiness") == faces.means[3]).all()
    assert (faces.of("contempt") == faces.mean).all()
    # Eyes are darker than the nose's ridge and the cheeks, and surprise opens the mouth.
    assert faces.mean[18:22, 12:18].mean() < faces.mean[24:30, 22:26].mean()
    assert faces.of("surprise")[38:42, 22:26].mean() < faces.of("neutral")[38:42, 22:26].mean() - 0.1
    power = (faces.components**2).sum((1, 2))
    assert (np.diff(power) <= 1e-3 * power[0]).all()
    assert 0.1 < np.sqrt((faces.components**2).sum(0).mean()) < 0.25


@pytest.mark.parametrize("size", [(64, 64), (24, 36)])
def test_statistics_of_another_size_keep_their_scale(size: tuple[int, int]) -> None:
    faces = statistics.face_statistics()
    other = faces.sized(size)
    assert other.mean.shape == size
    assert other.mean.mean() == pytest.approx(faces.mean.mean(), abs=0.02)
    assert other.components[:8].std() == pytest.approx(faces.components[:8].std(), rel=0.1)
    random = np.random.default_rng(0)

    def contrast(s: statistics.FaceStatistics) -> float:
        spectrum = s.magnitude * np.exp(1j * random.uniform(-np.pi, np.pi, s.magnitude.shape))
        return float(np.fft.irfft2(spectrum, s.mean.shape).std())

    assert contrast(other) == pytest.approx(contrast(faces), rel=0.2)


def test_priors_start_where_they_say() -> None:
    from ferviz import objectives

    faces = statistics.face_statistics()
    asked = [objectives.logit("happy"), objectives.contrast("sad", "happy"), objectives.channel("conv1", 0)]
    made = {name: prior(name, asked, (48, 48, 3), 1.0, faces) for name in PRIORS}
    assert (made["none"].starts == 0.5).all()
    assert (made["faces"].starts == faces.mean[..., None]).all()
    assert (made["class"].starts[0, ..., 2] == faces.of("happy")).all()
    assert (made["class"].starts[1, ..., 0] == faces.of("sad")).all()
    assert (made["class"].starts[2, ..., 0] == faces.mean).all()
    with pytest.raises(UnknownNameError, match="did you mean 'faces'"):
        prior("face", asked, (48, 48, 1), 1.0, faces)
    with pytest.raises(UsageError, match="0 or more, not -1"):
        prior("faces", asked, (48, 48, 1), -1.0, faces)


def test_too_few_faces_have_no_statistics() -> None:
    with pytest.raises(UsageError, match="256 components need"):
        statistics.measure(np.zeros((10, 48, 48), np.uint8), np.zeros(10, int))
