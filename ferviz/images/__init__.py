"""The only place that decodes or encodes a picture, so that the same pictures are refused everywhere, with the same sentence.

Reading takes PNG, JPEG, WebP, BMP, GIF, TIFF and AVIF (first frame), and HEIC where the extra ferviz[heif] is installed, and always
gives RGB uint8 (H, W, 3):

- the EXIF rotation is applied; transparent parts lie over mid-grey (128); CMYK, palette, grey and LAB become RGB;
- 16-bit values are divided by 257, so that 65535 is white; 32-bit integers are read in the smallest of the ranges 0..255,
  0..65535, 0..2147483647 that holds them; floats as 0..1 or 0..255; other values are stretched from the smallest
  to the largest one. Nothing is clipped.

Hostile files cost little: only regular files of at most MAX_BYTES are read, and the pixels that a header declares are counted before
any of them is decoded.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from ferviz.errors import PictureError, UsageError
from ferviz.files import PathLike, atomic
from ferviz.images.heif import HEAD, heif_format, open_heif
from ferviz.manifests import to_json
from ferviz.native_logs import WARNING_FILTERS
from ferviz.paths import as_typed, is_folder, open_regular, unseen

Pixels = npt.NDArray[np.uint8]
PictureSource = PathLike | bytes | IO[bytes] | Image.Image | np.ndarray

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
"""{suffix: format} of the pictures that are both read and written."""

READ_ONLY = (".avif", ".heic", ".heif", ".hif", ".pgm", ".ppm", ".pbm", ".pnm")
"""Suffixes of pictures that are read and not written: the formats of phones, and the Netpbm ones in which face data sets come."""

MAX_PIXELS = 80_000_000
"""Pictures with more pixels are refused before decoding: 240 MB as RGB; Pillow itself warns from 89.5 million on."""

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are refused before they are read."""

MID_GREY = 128
_FORMAT_NAMES = "PNG, JPEG, WebP, BMP, GIF, TIFF, AVIF, HEIC or PGM"


def read_image(source: PictureSource) -> Pixels:
    """Read a picture as RGB.

    Args:
        source: a path, the bytes of a file, a binary file object (read from its current position), a PIL image, or a uint8 array of shape
            (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.

    Returns:
        (H, W, 3) uint8 RGB, H and W at least 1. An array (H, W, 3) is returned as it is, not copied.

    Raises:
        PictureError: the file is missing, no regular file, too large, damaged, or no picture of a known format.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _guarded(source, "the given picture")
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(bytes(source), "the given bytes")
    if isinstance(source, str | os.PathLike):
        return _decode(_read_regular(os.fspath(source)), os.fspath(source))
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return _decode(source.read(MAX_BYTES + 1), name if isinstance(name, str) else "the given file object")
    raise PictureError(
        f"a picture is a path, bytes, a binary file, a PIL image or a uint8 array, not {type(source).__name__}"
    )


def source_name(source: object) -> str:
    """Return what a `Face` stores as its source.

    Args:
        source: what the caller passed as a picture.

    Returns:
        A path as text, a file object's name, "" for anything else.
    """
    if isinstance(source, str | os.PathLike):
        return str(os.fspath(source))
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else ""


def encode(
    pixels: np.ndarray | Image.Image,
    suffix: str = ".png",
    manifest: dict[str, Any] | None = None,
    dpi: float | None = None,
) -> bytes:
    """Encode a picture as the bytes of a file.

    Args:
        pixels: (H, W) or (H, W, 3) uint8 RGB, or a PIL image.
        suffix: one of FORMATS.
        manifest: how the picture was made; it goes as JSON into PNG's text chunk "ferviz" or JPEG's comment, other formats leave it out.
        dpi: dots an inch that it is meant to be printed with, for PNG, JPEG and TIFF; None = not said.

    Returns:
        The bytes; JPEG and WebP are written at quality 92.

    Raises:
        UsageError: the suffix is not one of FORMATS.
    """
    picture_format = FORMATS.get(suffix.lower())
    if picture_format is None:
        raise UsageError(
            f"a picture cannot be written as {suffix or 'a file without a suffix'!r}; use {', '.join(FORMATS)}"
        )
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    options: dict[str, Any] = {"quality": 92} if picture_format in ("JPEG", "WEBP") else {}
    if picture_format == "JPEG" and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    text = to_json(manifest) if manifest is not None else ""
    if text and picture_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("ferviz", text)
    elif text and picture_format == "JPEG" and len(text.encode()) < 65_000:
        options["comment"] = text.encode()
    if dpi and picture_format in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = (dpi, dpi)
    buffer = io.BytesIO()
    picture.save(buffer, format=picture_format, **options)
    return buffer.getvalue()


def write_image(
    path: PathLike,
    pixels: np.ndarray | Image.Image,
    *,
    manifest: dict[str, Any] | None = None,
    force: bool = False,
    dpi: float | None = None,
) -> None:
    """Write a picture atomically.

    Args:
        path: the file; its suffix decides the format.
        pixels, manifest, dpi: as for `encode`.
        force: replace an existing file.

    Raises:
        UsageError: the suffix is not one of FORMATS.
        OutputExistsError: the file exists and `force` is false.
        OutputError: the file cannot be written.
    """
    data = encode(pixels, Path(path).suffix, manifest, dpi)
    with atomic(path, force) as temporary:
        temporary.write_bytes(data)


def read_manifest(path: PathLike) -> dict[str, Any] | None:
    """Read the manifest of a picture that ferviz wrote.

    Args:
        path: a PNG or JPEG file.

    Returns:
        The manifest, None where the file has none.
    """
    with Image.open(io.BytesIO(_read_regular(os.fspath(path))), formats=("PNG", "JPEG")) as picture:
        picture.load()  # a text chunk may follow the pixels
        text = picture.info.get("ferviz") or picture.info.get("comment") or ""
    with contextlib.suppress(ValueError):
        document = json.loads(text)
        return document if isinstance(document, dict) else None
    return None


def _read_regular(path: str) -> bytes:
    try:
        file = open_regular(path)
    except FileNotFoundError:
        raise PictureError(f"{as_typed(path)} {unseen(path)}") from None
    except IsADirectoryError:
        raise PictureError(f"{path} is a folder; name a picture in it") from None
    except (OSError, ValueError) as error:
        reason = "it is a folder" if is_folder(path) else getattr(error, "strerror", None) or error
        raise PictureError(f"{path} cannot be opened ({reason})") from None
    with file:
        try:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise PictureError(
                    f"{path} has {size >> 20} MB, and the largest picture may have {MAX_BYTES >> 20}; save it smaller"
                )
            return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise PictureError(f"{path} cannot be read ({error.strerror or error})") from error


def _decode(data: bytes, name: str) -> Pixels:
    if not isinstance(data, bytes):
        raise PictureError(f"{name} yields text; open it in binary mode")
    if len(data) > MAX_BYTES:
        raise PictureError(f"{name} has more than {MAX_BYTES >> 20} MB; save it smaller")
    if not data:
        raise PictureError(f"{name} is empty; it should hold a {_FORMAT_NAMES} picture")
    return _guarded(io.BytesIO(data), name)


def _guarded(source: io.BytesIO | Image.Image, name: str) -> Pixels:
    """Open (where necessary), check and convert; every error that Pillow raises for damaged bytes becomes a PictureError."""
    try:
        with WARNING_FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if isinstance(source, Image.Image):
                return _to_rgb(source, name)
            with _opened(source, name) as picture:
                return _to_rgb(picture, name)
    except PictureError:
        raise
    except Image.UnidentifiedImageError:
        raise PictureError(
            _no_picture(name, b"" if isinstance(source, Image.Image) else source.getvalue()[:16])
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"{name} declares more than {MAX_PIXELS // 10**6} million pixels; scale it down") from None
    except (
        Exception
    ) as error:  # decoders of hostile bytes raise OSError, SyntaxError, struct.error, IndexError, MemoryError, ...
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise PictureError(f"{name} is damaged or cut off ({reason}); get a complete copy of it") from error


def _opened(stream: io.BytesIO, name: str) -> Image.Image:
    phone_format = heif_format(bytes(stream.getbuffer()[:HEAD]))
    if phone_format is not None:
        return open_heif(stream, phone_format, name)
    return Image.open(stream, formats=(*sorted(set(FORMATS.values())), "PPM"))


def _no_picture(name: str, head: bytes) -> str:
    """-> the message for a file that is no picture of a known format, by its first bytes."""
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:11] == b"AVI"):
        return f"{name} is a video and not a picture; `ferviz predict` and `explain` read videos whose names end in .mp4, .mkv or .avi"
    if head[:4] == b"\x89HDF":
        return f"{name} is an HDF5 file and not a picture; pass a network with --model (ferviz.load_model)"
    if name.lower().endswith(".csv"):
        return f"{name} is a table and not a picture; `ferviz data`, `evaluate` and `explain` read data sets"
    return f"{name} is not a {_FORMAT_NAMES} picture; convert it to one of these"


def _to_rgb(picture: Image.Image, name: str) -> Pixels:
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureError(f"{name} has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width} x {height} pixels, and the largest picture may have {MAX_PIXELS // 10**6} million; scale it down"
        )
    picture.load()
    netpbm = picture.format == "PPM"  # Pillow brings its values of more than 8 bits to 0..65535, in 32
    with contextlib.suppress(Exception):  # an orientation that cannot be read is ignored
        picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        grey = _scale(np.asarray(picture), name, sixteen=netpbm or mode.startswith("I;16"))
        return np.repeat(grey[:, :, None], 3, axis=2)
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
        picture = picture if converted is None else converted
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGB", picture.size, (MID_GREY,) * 3)
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    return np.array(picture.convert("RGB"))


def _scale(values: np.ndarray, name: str, sixteen: bool) -> Pixels:
    """Bring values (H, W) of a 16-bit, 32-bit or float picture to (H, W) uint8; the module's docstring tells the ranges."""
    if sixteen:
        return np.round(values.astype(np.float32) / 257.0).astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise PictureError(f"{name} holds values that are not finite numbers; clean it first")
    ranges = (1.0, 255.0) if values.dtype.kind == "f" else (255.0, 65535.0, 2147483647.0)
    white = next((r for r in ranges if high <= r), None) if low >= 0 else None
    if white is None:
        offset, white = low, (high - low) or 1.0
    else:
        offset = 0.0
    return np.round((values.astype(np.float32) - np.float32(offset)) * np.float32(255.0 / white)).astype(np.uint8)


def _from_array(pixels: np.ndarray) -> Pixels:
    if pixels.dtype != np.uint8:
        raise PictureError(f"an array of pixels must be uint8 in 0..255, not {pixels.dtype}; scale and round it first")
    shape = pixels.shape
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and shape[2] not in (1, 3, 4)) or 0 in shape:
        raise PictureError(f"an array of pixels has the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {shape}")
    if pixels.ndim == 3 and shape[2] == 3:
        return pixels
    if pixels.ndim == 3 and shape[2] == 4:
        return _guarded(Image.fromarray(np.ascontiguousarray(pixels)), "the given array")
    return np.repeat(pixels.reshape(shape[0], shape[1], 1), 3, axis=2)
