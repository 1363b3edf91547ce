"""A video's frame as a picture: heatmaps over the faces, boxes, labels and bars."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from ferviz.faces.face import Face
from ferviz.images import Pixels
from ferviz.rendering.annotate import Mark, annotate, legend_strip, text_size
from ferviz.rendering.tiles import NOTHING, blend
from ferviz.video.pipeline import Seen


def frame_picture(pixels: Pixels, seen: Sequence[Seen], legend: Sequence[str] = ()) -> Pixels:
    """Return a frame with what its faces show.

    pixels: (H, W, 3) uint8 RGB. seen: its faces. legend: class names for a strip below that names the bars' colours; () = none.
    -> (H + the strip's height, W, 3) uint8; the height depends on W, H and the legend alone, so that all frames are alike.
    """
    ground = pixels
    for one in seen:
        if one.heat is not None:
            ground = with_heat(ground, one.face, one.heat, one.limit)
    whole = (0, 0, pixels.shape[1] - 1, pixels.shape[0] - 1)
    marks = [Mark(one.face.box or whole, one.label, one.smoothed, f"#{one.track}") for one in seen]
    made = annotate(ground, marks, legend=False, scale=1.0, named=False)
    if not legend:
        return np.asarray(made)
    strip = legend_strip(legend, text_size(made.width, made.height), made.width)
    both = Image.new("RGB", (made.width, made.height + strip.height))
    both.paste(made, (0, 0))
    both.paste(strip, (0, made.height))
    return np.asarray(both)


def with_heat(pixels: Pixels, face: Face, heat: np.ndarray, limit: float) -> Pixels:
    """Return a copy of the picture with a heatmap over one face.

    pixels: (H, W, 3) uint8 RGB, the picture that the face was cut from. heat: (h, w) float, of the crop. limit: > 0, the value at
    the end of the colour scale. The face under it is grey; negative values (evidence against) are blue.
    """
    height, width = pixels.shape[:2]
    box = face.box or (0, 0, width, height)
    if float(np.max(np.abs(heat), initial=0)) <= NOTHING:
        return pixels
    left, top, right, bottom = box
    values = cv2.resize(np.asarray(heat, np.float32), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    # only what of the crop lies inside the picture
    inner_left, inner_top, inner_right, inner_bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if inner_right <= inner_left or inner_bottom <= inner_top:
        return pixels
    values = values[inner_top - top : inner_bottom - top, inner_left - left : inner_right - left]
    made = pixels.copy()
    part = made[inner_top:inner_bottom, inner_left:inner_right]
    grey = np.repeat(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    made[inner_top:inner_bottom, inner_left:inner_right] = blend(grey, values, limit, signed=bool((heat < 0).any()))
    return made
