"""Maps that know nothing about a picture."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.faces.landmarks.points import TEMPLATE as POINTS
from ferviz.trust.controls import centre_blob, landmark_prior, other_faces, random_maps

TEMPLATE = POINTS / 48


@pytest.mark.parametrize("shape", [(48, 48), (21, 30)])
def test_the_blob_is_in_the_middle_and_as_wide_as_a_quarter(shape):
    blob = centre_blob(*shape)
    np.testing.assert_allclose(blob, blob[::-1], atol=1e-6)
    np.testing.assert_allclose(blob, blob[:, ::-1], atol=1e-6)
    columns = np.arange(shape[1]) - (shape[1] - 1) / 2
    assert blob[shape[0] // 2, shape[1] // 2] == blob.max()
    # A standard deviation from the middle the Gaussian has fallen to exp(-1/2).
    across = np.interp(shape[1] / 4, columns[columns >= 0], blob[shape[0] // 2][columns >= 0] / blob.max())
    assert across == pytest.approx(np.exp(-0.5), abs=0.03)


def test_the_landmark_prior_has_its_blobs_at_the_landmarks():
    prior = landmark_prior(TEMPLATE * 48, 48, 48)
    for x, y in (TEMPLATE[:3] * 48).round().astype(int):
        window = prior[y - 2 : y + 3, x - 2 : x + 3]
        assert window.max() > 0.95
    assert prior[36, 23] > 1  # the middle of the mouth and its corners overlap
    assert prior[2, 2] < 0.05
    np.testing.assert_allclose(landmark_prior(TEMPLATE * 96, 96, 96)[::2, ::2], prior, atol=0.1)


def test_random_maps_have_the_resolution_that_they_are_asked_for():
    import cv2

    (heat,) = random_maps(1, 48, 48, (4, 4), seed=2)
    noise = np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32)
    np.testing.assert_allclose(heat, cv2.resize(noise, (48, 48), interpolation=cv2.INTER_LINEAR), atol=1e-6)
    np.testing.assert_array_equal(random_maps(2, 9, 7, (9, 7), seed=2), random_maps(2, 9, 7, (9, 7), seed=2))


def test_another_face_is_another_one_of_the_same_class():
    labels, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 2, 3, 4])
    for seed in range(20):
        chosen = other_faces(labels, groups, seed)
        assert (groups[chosen] != groups).all()  # a copy of the face is no other face
        assert (labels[chosen] == labels)[:5].all()
        assert chosen[5] != 5  # the only one of its class gets a face of another
    assert (other_faces(np.zeros(3), np.zeros(3)) == -1).all()
