"""Pictures in and out: known answers for every mode, and what hostile files do."""

from __future__ import annotations

import io
import json
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz import images
from ferviz.errors import OutputExistsError, PictureError, UsageError
from ferviz.images import listing


def scene(height: int = 11, width: int = 17) -> np.ndarray:
    """A picture in which every pixel is different, so that any turn or shift shows."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 20, x * 14, (y * width + x) % 256], axis=2).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


# --- what is taken ---


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM"])
def test_each_format_gives_the_same_pixels(kind: str) -> None:
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:, 16:] = (200, 100, 50)
    options: dict[str, object] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    read = images.read_image(saved(Image.fromarray(flat), kind, **options))
    assert read.shape == (16, 32, 3)
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read.astype(int), flat, atol=3 if kind == "JPEG" else 0)


def test_every_kind_of_source_is_the_same_picture(tmp_path: Path) -> None:
    pixels = scene()
    path = tmp_path / "scene.png"
    images.write_image(path, pixels)
    with path.open("rb") as file:
        sources = [
            path,
            str(path),
            path.read_bytes(),
            bytearray(path.read_bytes()),
            file,
            io.BytesIO(path.read_bytes()),
        ]
        sources += [Image.fromarray(pixels), pixels]
        for source in sources:
            np.testing.assert_array_equal(images.read_image(source), pixels)


def test_arrays_of_one_two_and_four_channels() -> None:
    grey = scene()[:, :, 2]
    expected = np.stack([grey] * 3, axis=2)
    np.testing.assert_array_equal(images.read_image(grey), expected)
    np.testing.assert_array_equal(images.read_image(grey[:, :, None]), expected)
    clear = np.dstack([scene(), np.zeros(grey.shape, np.uint8)])
    assert (images.read_image(clear) == images.MID_GREY).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint16, bool])
def test_other_dtypes_are_refused_by_name(dtype: type) -> None:
    with pytest.raises(PictureError, match=f"uint8 in 0..255, not {np.dtype(dtype)}"):
        images.read_image(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="shape"):
        images.read_image(np.zeros(shape, np.uint8))


def test_other_objects_are_refused() -> None:
    with pytest.raises(PictureError, match="not int"):
        images.read_image(3)  # type: ignore[arg-type]
    with pytest.raises(PictureError, match="binary mode"):
        images.read_image(io.StringIO("text"))  # type: ignore[arg-type]


# --- modes, with answers worked out by hand ---

MODES = [
    (Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[7, 200]], np.uint8)), [[7] * 3, [200] * 3]),
    (Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8), "LA"), [[9] * 3, [128] * 3]),
    # half of 200 over half of 128, alpha 51 = 1/5: 200/5 + 128*4/5 = 142.4
    (Image.fromarray(np.array([[[200, 0, 0, 51], [1, 2, 3, 255]]], np.uint8), "RGBA"), [[142, 102, 102], [1, 2, 3]]),
    (Image.fromarray(np.array([[[0, 0, 0, 0], [255, 255, 255, 128]]], np.uint8), "RGBa"), [[128] * 3, None]),
    (Image.fromarray(np.array([[[0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8), "CMYK"), [[255, 0, 0], [0] * 3]),
    (Image.fromarray(np.array([[[128, 128, 128], [255, 128, 128]]], np.uint8), "YCbCr"), [[128] * 3, [255] * 3]),
    (Image.fromarray(np.array([[[0, 255, 255], [0, 0, 77]]], np.uint8), "HSV"), [[255, 0, 0], [77] * 3]),
    (Image.fromarray(np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8), "LAB"), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[0, 65535]], np.uint16)), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[257, 25700]], np.uint16)), [[1] * 3, [100] * 3]),
    (Image.fromarray(np.array([[3, 255]], np.int32)), [[3] * 3, [255] * 3]),
    (Image.fromarray(np.array([[257, 65535]], np.int32)), [[1] * 3, [255] * 3]),
    (Image.fromarray(np.array([[0, 2**31 - 1]], np.int32)), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[-50, 50]], np.int32)), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[0.0, 1.0]], np.float32)), [[0] * 3, [255] * 3]),
    (Image.fromarray(np.array([[0.2, 0.4]], np.float32)), [[51] * 3, [102] * 3]),
    (Image.fromarray(np.array([[30.0, 255.0]], np.float32)), [[30] * 3, [255] * 3]),
    (Image.fromarray(np.array([[-1.0, 1.0]], np.float32)), [[0] * 3, [255] * 3]),
]


@pytest.mark.parametrize(("picture", "answer"), MODES, ids=[f"{i}-{m[0].mode}" for i, m in enumerate(MODES)])
def test_modes(picture: Image.Image, answer: list[list[int] | None]) -> None:
    read = images.read_image(picture)
    assert read.shape == (1, 2, 3)
    for pixel, expected in zip(read[0], answer, strict=True):
        if expected is not None:
            np.testing.assert_allclose(pixel.astype(int), expected, atol=1)


def test_palettes_with_and_without_transparency() -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    np.testing.assert_array_equal(images.read_image(picture)[0], [[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    for transparency in (1, bytes([255, 0, 255])):
        read = images.read_image(saved(picture, "PNG", transparency=transparency))
        np.testing.assert_array_equal(read[0], [[10, 20, 30], [128] * 3, [70, 80, 90]])


def test_a_colour_declared_transparent_is_grey() -> None:
    picture = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    read = images.read_image(saved(picture, "PNG", transparency=(4, 5, 6)))
    np.testing.assert_array_equal(read[0], [[1, 2, 3], [128] * 3])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_sixteen_bit_ramp_keeps_its_levels(kind: str) -> None:
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16).reshape(8, 128)
    read = images.read_image(saved(Image.fromarray(ramp), kind))
    assert len(np.unique(read)) == 256
    np.testing.assert_array_equal(read[:, :, 0], np.round(ramp / 257.0).astype(np.uint8))


def test_netpbm_in_text_in_bytes_and_with_more_than_eight_bits(tmp_path: Path) -> None:
    for content, row in [
        (b"P2\n# a comment\n3 1\n255\n0 7 255\n", [0, 7, 255]),
        (b"P5 3 1 255\n\x00\x07\xff", [0, 7, 255]),
        (b"P5 3 1 127\n\x00\x07\x7f", [0, 14, 255]),
        (b"P5 3 1 65535\n" + struct.pack(">HHH", 0, 200, 255), [0, 1, 1]),
        (b"P5 3 1 1023\n" + struct.pack(">HHH", 0, 512, 1023), [0, 128, 255]),
    ]:
        (tmp_path / "face.pgm").write_bytes(content)
        np.testing.assert_array_equal(images.read_image(tmp_path / "face.pgm")[0, :, 1], row)
    assert listing.list_pictures(tmp_path) == [tmp_path / "face.pgm"]


def test_big_endian_sixteen_bit_is_not_swapped(tmp_path: Path) -> None:
    picture = Image.frombytes("I;16B", (2, 1), struct.pack(">HH", 257 * 3, 65535))
    np.testing.assert_array_equal(images.read_image(picture)[0, :, 0], [3, 255])


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(PictureError, match="finite"):
        images.read_image(Image.fromarray(np.array([[0.0, np.nan]], np.float32)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_eight_exif_orientations_are_one_picture(kind: str) -> None:
    # what a camera stores for each orientation is the upright picture, turned the other way
    upright = Image.fromarray(np.kron(scene(6, 9)[:, :, 0] // 2 + 40, np.ones((16, 16), np.uint8)))
    turn = Image.Transpose
    undo = [
        None,
        turn.FLIP_LEFT_RIGHT,
        turn.ROTATE_180,
        turn.FLIP_TOP_BOTTOM,
        turn.TRANSPOSE,
        turn.ROTATE_90,
        turn.TRANSVERSE,
    ]
    options: dict[str, object] = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {})
    expected = images.read_image(saved(upright, kind, **options))
    for orientation, turned in enumerate([*undo, turn.ROTATE_270], start=1):
        stored = upright if turned is None else upright.transpose(turned)
        exif = Image.Exif()
        exif[0x0112] = orientation
        read = images.read_image(saved(stored, kind, exif=exif.tobytes(), **options))
        assert read.shape == expected.shape, orientation
        assert np.abs(read.astype(int) - expected).max() <= (8 if kind == "JPEG" else 0), orientation


def test_an_unreadable_orientation_is_none() -> None:
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff"
    read = images.read_image(saved(Image.fromarray(scene()), "PNG", exif=exif))
    np.testing.assert_array_equal(read, scene())


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), (c, c, c)) for c in (40, 200)]
    options = {"lossless": True} if kind == "WEBP" else {}
    read = images.read_image(saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert (read == 40).all()


# --- hostile files ---


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_every_prefix_is_whole_or_refused(kind: str) -> None:
    data = saved(Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 13, 3), np.uint8)), kind)
    whole = images.read_image(data)
    accepted = []
    for length in range(len(data)):
        try:
            read = images.read_image(data[:length])
        except PictureError as error:
            sentence = str(error)
            assert "\n" not in sentence
        else:
            # what is accepted may only have lost bytes that carry no pixel (a checksum, an end mark, tags)
            np.testing.assert_array_equal(read, whole)
            accepted.append(length)
    assert min(accepted, default=len(data)) > 0.6 * len(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_flipped_bytes_give_a_picture_or_a_sentence(kind: str) -> None:
    rng = np.random.default_rng(7)
    data = saved(Image.fromarray(scene()), kind)
    for _ in range(300):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            broken[at] = rng.integers(0, 256)
        try:
            assert images.read_image(bytes(broken)).ndim == 3
        except PictureError as error:
            assert "\n" not in str(error)  # noqa: PT017


def declared_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(4000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (60_000, 60_000), (12_000, 12_000), (9_000, 9_000)])
def test_a_declared_huge_picture_is_refused_before_decoding(size: tuple[int, int]) -> None:
    peaks = []
    for _ in range(3):  # other threads may take memory, too, and not each time
        tracemalloc.start()
        try:
            with pytest.raises(PictureError, match="million"):
                images.read_image(declared_png(*size))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert min(peaks) < 5_000_000


def test_only_regular_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    (tmp_path / "words.png").write_text("these are words")
    (tmp_path / "empty.png").touch()
    for path, words in [
        (pipe, "not a regular file"),
        (tmp_path, "is a folder"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "none.png", "is not there"),
        (tmp_path / "words.png", "is not a PNG"),
        (tmp_path / "empty.png", "is empty"),
    ]:
        with pytest.raises(PictureError, match=words):
            images.read_image(path)
    with pytest.raises(PictureError, match="cannot be opened"):
        images.read_image("nul\0byte.png")


def test_the_file_size_is_capped_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    with pytest.raises(PictureError, match="MB"):
        images.read_image(path)


@pytest.mark.parametrize(
    "head", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"SIMPLE  =                    T" + bytes(50), b"8BPS\0\1", b"\0\0\1\0\1\0"]
)
def test_other_formats_are_refused_whatever_they_are_called(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(head + bytes(200))
    with pytest.raises(PictureError, match="is not a PNG"):
        images.read_image(path)


# --- writing ---


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".PNG"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    images.write_image(path, scene())
    np.testing.assert_array_equal(images.read_image(path), scene())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_manifest_travels_in_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    manifest = {"command": "predict", "source": "für 日本.png", "numbers": np.arange(3)}
    images.write_image(path, scene(), manifest=manifest)
    assert images.read_manifest(path) == json.loads(
        '{"command": "predict", "source": "für 日本.png", "numbers": [0, 1, 2]}'
    )
    images.write_image(path, scene(), force=True)
    assert images.read_manifest(path) is None


def test_writing_refuses_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    images.write_image(path, scene())
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        images.write_image(path, scene() // 2)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match=r"\.xyz"):
        images.write_image(tmp_path / "out.xyz", scene())


# --- lists of files ---


def test_files_folders_and_patterns_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "1.JPG", "notes.txt", ".hidden.png", "sub/3.webp", "[a].png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def names(*paths: Path) -> list[str]:
        return [str(p.relative_to(tmp_path)) for p in listing.list_pictures(paths)]

    assert names(tmp_path) == ["1.JPG", "2.png", "10.png", "[a].png", "sub/3.webp"]
    assert names(tmp_path / "*.png")[:2] == ["2.png", "10.png"]
    assert "sub/3.webp" in names(tmp_path / "**" / "*.webp")
    assert names(tmp_path / "[a].png") == ["[a].png"]
    assert names(tmp_path / "notes.txt", tmp_path / "missing.png") == ["notes.txt", "missing.png"]
    assert names(tmp_path / "2.png", tmp_path)[:2] == ["2.png", "1.JPG"]
    (tmp_path / "bare").mkdir()
    with pytest.raises(PictureError, match="holds no file"):
        names(tmp_path / "bare")
    with pytest.raises(PictureError, match="no file matches"):
        names(tmp_path / "*.gif")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "cut off AVIF picture|is an AVIF picture"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video.*ferviz predict"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0#B\x86\x81\x01", "is a video"),
        (b"RIFF\0\0\1\0AVI LIST", "is a video"),
        (b"%PDF-1.7 and so on", "is not a PNG"),
    ],
)
def test_what_a_phone_makes_is_called_by_its_name(tmp_path: Path, head: bytes, says: str) -> None:
    (tmp_path / "shot.jpg").write_bytes(head + bytes(200))
    with pytest.raises(PictureError, match=says):
        images.read_image(tmp_path / "shot.jpg")
