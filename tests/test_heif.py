"""AVIF and HEIC: made here where a writer is installed, read back, and every way in which they can be wrong."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from ferviz import images
from ferviz.errors import PictureError
from ferviz.images import listing
from ferviz.images.heif import heif_format

avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow is built without AVIF")
ORIENTATION = 274


def halves(height: int = 64, width: int = 96) -> np.ndarray:
    """Left half orange, right half blue, one corner white: it shows in which turn it was read."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (230, 120, 20)
    pixels[:, width // 2 :] = (20, 60, 200)
    pixels[: height // 2, : width // 4] = 255
    return pixels


def as_avif(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="AVIF", quality=95, **options)
    return buffer.getvalue()


def as_heic(picture: Image.Image, **options: object) -> bytes:
    heif = pytest.importorskip("pillow_heif", reason="the extra ferviz[heif] is not installed")
    buffer = io.BytesIO()
    heif.from_pillow(picture).save(buffer, quality=95, **options)
    return buffer.getvalue()


def box(main: bytes, *others: bytes) -> bytes:
    inside = main + bytes(4) + b"".join(others)
    return (8 + len(inside)).to_bytes(4, "big") + b"ftyp" + inside


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (box(b"avif", b"mif1", b"miaf"), "AVIF"),
        (box(b"avis", b"msf1"), "AVIF"),
        (box(b"mif1", b"miaf", b"avif"), "AVIF"),
        (box(b"mif1", b"miaf", b"heic"), "HEIC"),
        (box(b"heic", b"mif1"), "HEIC"),
        (box(b"hevx", b"msf1"), "HEIC"),
        (box(b"mif1"), "HEIC"),
        (box(b"mif1") + b"avif", "HEIC"),  # what follows the box is no brand
        (box(b"isom", b"iso2", b"avif"), None),
        (box(b"qt  "), None),
        (b"\xff\xd8\xff\xe0", None),
        (b"", None),
        (b"\xff\xff\xff\xffftypheic", "HEIC"),
    ],
)
def test_the_brands_say_the_kind(head: bytes, kind: str | None) -> None:
    assert heif_format(head) == kind


@avif
@pytest.mark.parametrize("suffix", [".avif", ".jpg"])
def test_avif_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"shot{suffix}"
    path.write_bytes(as_avif(Image.fromarray(halves())))
    assert abs(images.read_image(path).astype(int) - halves()).mean() < 6


@avif
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_avif_is_turned_as_the_phone_was_held(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = {3: 180, 6: 270, 8: 90}[orientation]
    expected = np.asarray(Image.fromarray(halves()).rotate(turned, expand=True), int)
    read = images.read_image(as_avif(Image.fromarray(halves()), exif=exif)).astype(int)
    assert read.shape == expected.shape
    assert abs(read - expected).mean() < 6


@avif
def test_avif_with_alpha_lies_over_grey_and_grey_becomes_rgb() -> None:
    clear = Image.fromarray(np.dstack([halves(), np.zeros((64, 96), np.uint8)]))
    np.testing.assert_allclose(images.read_image(as_avif(clear)).astype(int), images.MID_GREY, atol=2)
    grey = images.read_image(as_avif(Image.new("L", (32, 32), 90)))
    assert grey.shape == (32, 32, 3)
    np.testing.assert_allclose(grey.astype(int), 90, atol=3)


@avif
def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime")]
    read = images.read_image(as_avif(frames[0], save_all=True, append_images=frames[1:]))
    np.testing.assert_allclose(read[16, 16].astype(int), (255, 0, 0), atol=25)


@avif
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_avif_that_is_cut_off_is_said_so(share: float) -> None:
    whole = as_avif(Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)))
    with pytest.raises(PictureError, match="damaged or cut off"):
        images.read_image(whole[: int(len(whole) * share)])


@avif
def test_the_pixels_of_an_avif_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = as_avif(Image.new("RGB", (300, 200)))
    monkeypatch.setattr(images, "MAX_PIXELS", 300 * 200 - 1)
    monkeypatch.setattr("PIL.AvifImagePlugin.AvifImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(PictureError, match="has 300 x 200 pixels"):
        images.read_image(data)


def test_without_a_reader_the_sentence_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    shot = tmp_path / "shot.heic"
    shot.write_bytes(box(b"heic", b"mif1") + bytes(300))
    with pytest.raises(
        PictureError,
        match=r"shot.heic.*HEIC.*pip install pillow-heif.*ferviz\[heif\]",
    ):
        images.read_image(shot)
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(PictureError, match=r"AVIF.*Pillow"):
        images.read_image(box(b"avif", b"mif1") + bytes(300))


def test_folders_list_what_phones_write(tmp_path: Path) -> None:
    for name in ("a.HEIC", "b.avif", "c.jpg", "d.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in listing.list_pictures(tmp_path)] == ["a.HEIC", "b.avif", "c.jpg"]
    assert listing.is_picture("a.heif")


@pytest.mark.parametrize("suffix", [".heic", ".jpeg"])
def test_heic_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"shot{suffix}"
    path.write_bytes(as_heic(Image.fromarray(halves())))
    assert abs(images.read_image(path).astype(int) - halves()).mean() < 8


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_heic_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = {3: 180, 6: 270, 8: 90}[orientation]
    expected = np.asarray(Image.fromarray(halves()).rotate(turned, expand=True), int)
    picture = Image.fromarray(halves())
    read = images.read_image(as_heic(picture, exif=exif.tobytes())).astype(int)
    assert read.shape == expected.shape
    assert abs(read - expected).mean() < 8


def test_damaged_and_large_heic_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_heic(Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)))
    for share in (0.05, 0.2, 0.5):
        with pytest.raises(PictureError, match="damaged or cut off"):
            images.read_image(whole[: int(len(whole) * share)])
    monkeypatch.setattr(images, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(PictureError, match="has 64 x 64 pixels"):
        images.read_image(whole)


def test_reading_heic_leaves_pillow_as_it_was() -> None:
    images.read_image(as_heic(Image.fromarray(halves())))
    Image.init()
    assert "HEIF" not in Image.OPEN
