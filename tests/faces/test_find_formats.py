"""One known face in pictures of many kinds: whatever the file, the box lies where the face is."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from ferviz.errors import NoFaceError
from ferviz.faces.detectors.detector import iou
from ferviz.faces.find import find_faces

FACE = (118, 69, 210, 161)
"""Her face in the portrait's columns 60 to 460, drawn by hand: brows to chin."""

STORED = {1: None, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
"""EXIF orientation -> how an upright picture is stored under it. The pixels of all eight are compared in tests/test_images.py."""


@pytest.fixture(scope="module")
def picture(portrait: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(portrait[:, 60:460]))


def stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", STORED)
def test_turned_by_exif(picture: Image.Image, orientation: int) -> None:
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    data = stored(picture if turn is None else picture.transpose(turn), "JPEG", exif=exif, quality=92)
    (face,) = find_faces(data, "haar")
    assert iou(face.box, FACE) > 0.85


def sixteen(picture: Image.Image) -> bytes:
    return cv2.imencode(".png", np.asarray(picture)[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()


def see_through(picture: Image.Image) -> bytes:
    grey = picture.convert("LA")
    grey.putalpha(Image.fromarray(np.where(np.arange(400) < 60, 0, 255).astype(np.uint8)[None].repeat(512, 0)))
    return stored(grey, "PNG")


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "CMYK JPEG": lambda p: stored(p.convert("CMYK"), "JPEG", quality=92),
    "16-bit PNG": sixteen,
    "palette with a see-through colour": lambda p: stored(p.quantize(64), "PNG", transparency=3),
    "grey with alpha": see_through,
    "animated GIF": lambda p: stored(p, "GIF", save_all=True, append_images=[p.rotate(90)]),
    "animated WebP": lambda p: stored(p, "WEBP", save_all=True, append_images=[p.rotate(90)]),
    "very dark": lambda p: stored(p.point(lambda v: v // 12), "PNG"),
    "faint": lambda p: stored(p.point(lambda v: 180 + v // 4), "PNG"),
    "odd sides": lambda p: stored(p.crop((0, 0, 399, 511)), "PNG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(picture: Image.Image, kind: str) -> None:
    face = max(find_faces(KINDS[kind](picture), "haar"), key=lambda f: f.score or 0)
    assert iou(face.box, FACE) > 0.85


@pytest.mark.slow
def test_mirrored_lying_and_upside_down(picture: Image.Image) -> None:
    width, height = picture.size
    left, top, right, bottom = FACE
    (mirrored,) = find_faces(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "haar")
    assert iou(mirrored.box, (width - right, top, width - left, bottom)) > 0.85
    (lying,) = find_faces(picture.transpose(Image.Transpose.ROTATE_90), "haar")
    assert iou(lying.box, (top, width - right, bottom, width - left)) > 0.85
    assert lying.angle == pytest.approx(-90, abs=16)
    (best,) = find_faces(picture.transpose(Image.Transpose.ROTATE_180), "haar")
    assert iou(best.box, (width - right, height - bottom, width - left, height - top)) > 0.7
    assert abs(best.angle) == pytest.approx(180, abs=16)


def test_a_face_that_fills_a_huge_picture(portrait: np.ndarray) -> None:
    large = cv2.resize(portrait[40:190, 150:300], (4000, 4000), interpolation=cv2.INTER_LINEAR)
    (face,) = find_faces(large, "haar")
    assert iou(face.box, tuple(v * 4000 / 150 for v in (28, 29, 120, 121))) > 0.7
    assert face.pixels.shape[0] == face.box[3] - face.box[1]


@pytest.mark.parametrize("shape", [(1, 1, 3), (3000, 1, 3), (1, 3000, 3), (7, 500, 3)])
def test_next_to_no_pixels(shape: tuple[int, ...]) -> None:
    with pytest.raises(NoFaceError, match=f"{shape[1]} x {shape[0]}"):
        find_faces(np.zeros(shape, np.uint8), "haar")


def test_stripes_and_noise_are_no_faces() -> None:
    y, x = np.mgrid[:700, :900]
    for pattern in ((x // 13 + y // 17) % 2 * 255, np.random.default_rng(0).integers(0, 256, (700, 900))):
        with pytest.raises(NoFaceError, match="--min-size"):
            find_faces(np.repeat(pattern.astype(np.uint8)[:, :, None], 3, axis=2), "haar", tilt="none")
