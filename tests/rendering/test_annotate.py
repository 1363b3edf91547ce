"""Marked photographs: boxes where they belong, cards that cover as little as they can."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from ferviz.emotions import COLORS, FER2013
from ferviz.rendering.annotate import Mark, annotate, ink_on, legend_strip

GREY = np.full((600, 800, 3), 100, np.uint8)


def certain(label: str) -> dict[str, float]:
    return {name: float(name == label) for name in FER2013}


def test_the_box_has_the_labels_colour_and_the_face_stays_as_it_was() -> None:
    made = np.asarray(annotate(GREY, [Mark((300, 200, 400, 300), "happy", certain("happy"))]))
    assert made.shape == (600, 800, 3)
    colour = ImageColor.getrgb(COLORS["happy"])
    for y, x in ((200, 350), (300, 350), (250, 300), (250, 400)):
        assert tuple(made[y, x]) == colour
    assert (made[206:294, 306:394] == 100).all()


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (740, 540, 799, 599), (-30, 250, 30, 310), (0, 0, 799, 599), (400, 300, 401, 301)]
)
def test_faces_at_every_edge(box: tuple[int, int, int, int]) -> None:
    made = annotate(GREY, [Mark(box, "sad", certain("sad"))], zoom=1)
    assert made.size == (800, 600)


def test_sixteen_faces_keep_their_faces_free_and_get_a_legend() -> None:
    boxes = [(40 + 190 * (i % 4), 20 + 145 * (i // 4), 110 + 190 * (i % 4), 90 + 145 * (i // 4)) for i in range(16)]
    made = np.asarray(annotate(GREY, [Mark(b, "fear", certain("fear")) for b in boxes]))
    assert made.shape[0] > 600
    for left, top, right, bottom in boxes:
        assert (made[top + 5 : bottom - 5, left + 5 : right - 5] == 100).all()
    colour = np.array(ImageColor.getrgb(COLORS["fear"]))
    # beside the box outlines and the labels there is one full bar a face in the colour of fear
    assert (made[:600] == colour).all(2).sum() > 16 * 4 * 70


def test_bars_are_as_tall_as_the_probability() -> None:
    def filled(p: float) -> int:
        boxes = [(100, 100, 200, 200), (500, 100, 600, 200), (100, 400, 200, 500), (500, 400, 600, 500)]
        marks = [Mark(b, "sad", {"sad": 0.0, "disgust": p}) for b in boxes]
        made = np.asarray(annotate(GREY, marks, legend=False))
        return int((made == np.array(ImageColor.getrgb(COLORS["disgust"]))).all(2).sum())

    assert filled(0.0) == 0
    assert filled(0.5) == pytest.approx(filled(1.0) / 2, rel=0.05)


def test_small_pictures_are_enlarged_and_large_ones_are_not() -> None:
    assert annotate(GREY[:48, :48], [Mark((0, 0, 47, 47), "sad")]).size == (288, 288)
    assert annotate(np.zeros((2000, 3000, 3), np.uint8), [Mark((9, 9, 30, 30), "sad")]).size == (3000, 2000)


def test_the_legend_breaks_its_lines() -> None:
    one, many = legend_strip(FER2013, 14, 900), legend_strip(FER2013, 14, 200)
    assert one.size[0] == 900
    assert many.size[1] > 2 * one.size[1]
    pixels = np.asarray(many).reshape(-1, 3)
    for name in FER2013:
        assert (pixels == np.array(ImageColor.getrgb(COLORS[name]))).all(1).any()


def test_text_on_a_colour_can_be_read() -> None:
    # contrasts as the WCAG defines them, computed elsewhere: white on black 21, on #767676 4.54, on #e3a51a 2.17
    assert ink_on("#000000") == ink_on("#767676") == "#ffffff"
    assert ink_on("#e3a51a") == ink_on("#ffffff") == "#1c1c1e"
    made = np.asarray(annotate(GREY, [Mark((300, 200, 400, 300), "happy", certain("happy"))]))
    label = made[302:312, 302:380].reshape(-1, 3)
    assert (np.abs(label.astype(int) - (28, 28, 30)).max(axis=1) < 12).sum() > 20
    assert not (label == 255).all(axis=1).any()
