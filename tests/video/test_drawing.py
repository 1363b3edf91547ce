"""Frames as pictures: heatmaps over their faces, one size for all frames."""

from __future__ import annotations

import numpy as np

from ferviz.faces.face import Face
from ferviz.video.drawing import frame_picture, overlay_heatmap


def test_the_heatmap_lies_over_its_face_and_nowhere_else() -> None:
    pixels = np.full((60, 80, 3), 100, np.uint8)
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[2, 2] = 1
    picture = overlay_heatmap(pixels, Face(pixels, box=(20, 10, 52, 42)), heatmap, 1.0)
    changed = np.nonzero((picture != 100).any(axis=2))
    # cell 2 of 8 over 32 pixels, linear: its neighbours' centres end it
    assert changed[1].min() >= 20 + 4
    assert changed[1].max() < 20 + 16
    assert changed[0].min() >= 10 + 4
    assert changed[0].max() < 10 + 16
    half_out = overlay_heatmap(pixels, Face(pixels, box=(-16, -16, 16, 16)), np.ones((4, 4), np.float32), 1.0)
    assert (half_out[:16, :16] != 100).any(axis=2).all()
    assert (half_out[16:] == 100).all()
    assert overlay_heatmap(pixels, Face(pixels, box=(500, 500, 520, 520)), heatmap, 1.0) is pixels
    assert overlay_heatmap(pixels, Face(pixels, box=(0, 0, 9, 9)), heatmap * 0, 1.0) is pixels


def test_all_frames_are_of_one_size(tracked_face) -> None:
    pixels = np.full((90, 160, 3), 100, np.uint8)
    sizes = {
        frame_picture(pixels, faces, ("happy", "sad")).shape for faces in ([], [tracked_face((10, 10, 40, 40), 0.8)])
    }
    assert len(sizes) == 1
