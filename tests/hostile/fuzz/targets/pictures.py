"""Pictures and videos."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np

from fuzz.mutate.pictures import mutate_boxes, mutate_picture
from fuzz.target import Target


def _picture_seeds() -> dict[str, bytes]:
    from PIL import Image, PngImagePlugin, features

    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8))
    seeds: dict[str, bytes] = {}

    def add(name: str, picture: Image.Image, kind: str, **options: object) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        seeds[name] = buffer.getvalue()

    text = PngImagePlugin.PngInfo()
    text.add_text("ferviz", '{"command": "explain"}')
    add("rgb.png", colour, "PNG", pnginfo=text)
    add("grey.png", colour.convert("L"), "PNG")
    add("palette.png", colour.quantize(8), "PNG", transparency=1)
    add(
        "alpha.png",
        colour.convert("RGBA"),
        "PNG",
        exif=b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    )
    add("deep.png", Image.fromarray(rng.integers(0, 65536, (9, 9), np.uint16)), "PNG")
    add("moving.png", colour, "PNG", save_all=True, append_images=[colour.rotate(90, expand=False)])
    add(
        "base.jpg",
        colour,
        "JPEG",
        exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
        comment=b'{"command": "x"}',
    )
    add("progressive.jpg", colour, "JPEG", progressive=True)
    add("cmyk.jpg", colour.convert("CMYK"), "JPEG")
    add("lossy.webp", colour, "WEBP")
    add("lossless.webp", colour.convert("RGBA"), "WEBP", lossless=True)
    add("moving.webp", colour, "WEBP", save_all=True, append_images=[colour])
    add("rgb.bmp", colour, "BMP")
    add("palette.bmp", colour.quantize(4), "BMP")
    add("moving.gif", colour, "GIF", save_all=True, append_images=[colour.rotate(180)])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4", "jpeg"):
        add(
            f"{compression}.tiff",
            colour.convert("1") if compression == "group4" else colour,
            "TIFF",
            compression=compression,
        )
    add("float.tiff", Image.fromarray(rng.random((8, 8), np.float32)), "TIFF")
    add("lab.tiff", Image.merge("LAB", colour.split()), "TIFF")
    add("grey.pgm", colour.convert("L"), "PPM")
    add("rgb.ppm", colour, "PPM")
    seeds["text.pgm"] = b"P2\n# a comment\n3 2\n255\n0 1 2\n3 4 255\n"
    if features.check("avif"):
        add("rgb.avif", colour, "AVIF")
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        add("rgb.heic", colour.resize((64, 64)), "HEIF")
    except ImportError:
        pass
    return seeds


def _read_picture(path: Path) -> None:
    from ferviz.images import read_image

    pixels = read_image(path)
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape


def _video_seeds() -> dict[str, bytes]:
    import cv2
    from PIL import Image

    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (16, 24, 3), np.uint8) for _ in range(5)]
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, code in (
            ("a.mp4", "mp4v"),
            ("a.avi", "MJPG"),
            ("b.avi", "XVID"),
            ("a.mkv", "mp4v"),
            ("a.webm", "VP80"),
            ("b.mkv", "FFV1"),
        ):
            path = Path(folder) / name
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10.0, (24, 16))
            for frame in frames:
                writer.write(frame)
            writer.release()
            if path.exists() and path.stat().st_size:
                seeds[name] = path.read_bytes()
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    seeds["a.gif"] = buffer.getvalue()
    seeds["playlist.mp4"] = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n"
    return seeds


def _read_video(path: Path) -> None:
    from ferviz.video.reading import Video

    with Video(path) as video:
        for _ in video.frames(0, 8):
            pass
        video.output_rate()


def _prepare_video() -> None:
    import cv2

    import ferviz.video.reading  # noqa: F401

    cv2.setNumThreads(1)


def _prepare_picture() -> None:
    from PIL import Image

    import ferviz.images  # noqa: F401

    Image.init()


TARGETS = (
    Target("picture", "read_image", ".img", _picture_seeds, mutate_picture, _read_picture, _prepare_picture),
    Target("video", "ferviz predict CLIP", ".mp4", _video_seeds, mutate_boxes, _read_video, _prepare_video),
)
