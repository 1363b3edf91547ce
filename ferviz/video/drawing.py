"""A video's frame as a picture: heatmaps over the faces, boxes, labels and bars."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from ferviz.faces.face import Face
from ferviz.images import Pixels
from ferviz.rendering.annotate import Mark, annotate, legend_strip, text_size
from ferviz.rendering.tiles import NO_EVIDENCE, blend
from ferviz.video.pipeline import TrackedFace


def frame_picture(pixels: Pixels, faces: Sequence[TrackedFace], legend: Sequence[str] = ()) -> Pixels:
    """Return a frame with its faces marked.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        faces: its faces.
        legend: class names for a strip below that explains the bars' colours; () = none.

    Returns:
        (H + the strip's height, W, 3) uint8; the height depends on W, H and the legend alone, so that all frames are alike.
    """
    background = pixels
    for face in faces:
        if face.heatmap is not None:
            background = overlay_heatmap(background, face.face, face.heatmap, face.vmax)
    frame_box = (0, 0, pixels.shape[1] - 1, pixels.shape[0] - 1)
    marks = [Mark(face.face.box or frame_box, face.label, face.smoothed, f"#{face.track}") for face in faces]
    picture = annotate(background, marks, legend=False, zoom=1.0, named=False)
    if not legend:
        return np.asarray(picture)
    strip = legend_strip(legend, text_size(picture.width, picture.height), picture.width)
    out = Image.new("RGB", (picture.width, picture.height + strip.height))
    out.paste(picture, (0, 0))
    out.paste(strip, (0, picture.height))
    return np.asarray(out)


def overlay_heatmap(pixels: Pixels, face: Face, heatmap: np.ndarray, vmax: float) -> Pixels:
    """Return a copy of a picture with a heatmap over one face.

    Args:
        pixels: (H, W, 3) uint8 RGB, the picture that the face was cropped from.
        face: the face.
        heatmap: (h, w) float, of the crop; negative values (evidence against) are blue.
        vmax: > 0, the value at the end of the colour scale.

    Returns:
        (H, W, 3) uint8; the face under the heatmap is grey.
    """
    height, width = pixels.shape[:2]
    box = face.box or (0, 0, width, height)
    if float(np.max(np.abs(heatmap), initial=0)) <= NO_EVIDENCE:
        return pixels
    left, top, right, bottom = box
    values = cv2.resize(np.asarray(heatmap, np.float32), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    # only the part of the crop inside the picture
    inner_left, inner_top, inner_right, inner_bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if inner_right <= inner_left or inner_bottom <= inner_top:
        return pixels
    values = values[inner_top - top : inner_bottom - top, inner_left - left : inner_right - left]
    out = pixels.copy()
    part = out[inner_top:inner_bottom, inner_left:inner_right]
    grey = np.repeat(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    out[inner_top:inner_bottom, inner_left:inner_right] = blend(grey, values, vmax, signed=bool((heatmap < 0).any()))
    return out
