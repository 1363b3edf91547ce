"""The only place that decodes or encodes a picture, so that what is refused is refused everywhere with the same sentence.

Reading takes PNG, JPEG, WebP, BMP, GIF, TIFF and AVIF (first frame), and HEIC where the extra ferviz[heif] is installed, and always
gives RGB uint8 (H, W, 3):
- the EXIF rotation is applied; transparent parts lie over mid-grey (128); CMYK, palette, grey and LAB become RGB;
- 16-bit values are divided by 257, so that 65535 is white; 32-bit integers are read in the smallest of the ranges 0..255,
  0..65535, 0..2147483647 that holds them; floats as 0..1 or 0..255; what fits none of these is stretched from its least to
  its greatest value. Nothing is clipped.
Hostile files cost little: regular files only, at most MAX_BYTES, and the pixels that a header declares are counted before
any of them is decoded.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from ferviz.errors import PictureError, UsageError
from ferviz.files import PathLike, atomic, to_json
from ferviz.heif import HEAD, heif_format, open_heif

Pixels = npt.NDArray[np.uint8]
PictureSource = PathLike | bytes | IO[bytes] | Image.Image | np.ndarray

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
"""Suffix to format, of everything that is read and written."""

READ_ONLY = (".avif", ".heic", ".heif", ".hif", ".pgm", ".ppm", ".pbm", ".pnm")
"""Suffixes of what is read and not written: phones' formats, and the Netpbm ones in which face data sets come."""

MAX_PIXELS = 80_000_000
"""Pictures with more pixels are refused before decoding: 240 MB as RGB; Pillow itself warns from 89.5 million on."""

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are refused unread."""

MID_GREY = 128
_KINDS = "PNG, JPEG, WebP, BMP, GIF, TIFF, AVIF, HEIC or PGM"
# warnings.catch_warnings changes the process' filters for a moment; two threads that decode must not interleave there.
_FILTERS = threading.Lock()


def read_image(source: PictureSource) -> Pixels:
    """Return a picture as RGB.

    source: a path, the bytes of a file, a binary file object (read from where it stands), a PIL image, or a uint8 array of shape
    (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; an array (H, W, 3) is given back as it is, not copied.
    -> (H, W, 3) uint8 RGB, H and W at least 1.
    Raises PictureError for a file that is missing, no regular file, too large, no picture of a known kind, or damaged.
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
    """Return what a `Face` notes as its source: a path as text, a file object's name, otherwise ""."""
    if isinstance(source, str | os.PathLike):
        return str(os.fspath(source))
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else ""


def encode(pixels: np.ndarray | Image.Image, suffix: str = ".png", manifest: dict[str, Any] | None = None) -> bytes:
    """Return a picture as the bytes of a file.

    pixels: (H, W) or (H, W, 3) uint8 RGB, or a PIL image. suffix: one of FORMATS. manifest: how the picture was made; it goes as
    JSON into PNG's text chunk "ferviz" or JPEG's comment, other formats leave it out. JPEG and WebP are written at quality 92.
    Raises UsageError for another suffix.
    """
    kind = FORMATS.get(suffix.lower())
    if kind is None:
        raise UsageError(
            f"pictures are not written as {suffix or 'a file without a suffix'!r}; use {', '.join(FORMATS)}"
        )
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    options: dict[str, Any] = {"quality": 92} if kind in ("JPEG", "WEBP") else {}
    if kind == "JPEG" and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    text = to_json(manifest) if manifest is not None else ""
    if text and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("ferviz", text)
    elif text and kind == "JPEG" and len(text.encode()) < 65_000:
        options["comment"] = text.encode()
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def write_image(
    path: PathLike, pixels: np.ndarray | Image.Image, *, manifest: dict[str, Any] | None = None, force: bool = False
) -> None:
    """Write a picture atomically; the path's suffix says the format. Arguments as in `encode`.

    force: replace an existing file. Raises OutputExistsError, OutputError, UsageError.
    """
    data = encode(pixels, Path(path).suffix, manifest)
    with atomic(path, force) as temporary:
        temporary.write_bytes(data)


def read_manifest(path: PathLike) -> dict[str, Any] | None:
    """Return the manifest that `write_image` put into a PNG or JPEG file, or None where there is none."""
    with Image.open(io.BytesIO(_read_regular(os.fspath(path))), formats=("PNG", "JPEG")) as picture:
        picture.load()  # a text chunk may follow the pixels
        text = picture.info.get("ferviz") or picture.info.get("comment") or ""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else None
    return None


def is_picture(path: PathLike) -> bool:
    """Return whether the path's suffix is that of a picture that ferviz reads; the file is not touched."""
    return Path(path).suffix.lower() in (*FORMATS, *READ_ONLY)


def list_pictures(paths: PathLike | Iterable[PathLike], suffixes: Iterable[str] = (*FORMATS, *READ_ONLY)) -> list[Path]:
    """Return the files behind paths, folders and glob patterns.

    paths: one or more of: a file (kept whatever its suffix, and if it is missing, so that its reader can say so), a folder (every
    file in it and below with one of `suffixes`, hidden ones left out), a pattern such as "shots/*.jpg" or "**/*.png".
    -> in the order given; inside a folder or pattern in natural order (2.png before 10.png); each file once.
    Raises PictureError for a folder or pattern that yields nothing.
    """
    wanted = {s.lower() for s in suffixes}
    found: dict[Path, None] = {}
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        here = Path(path)
        if here.is_dir():
            inside = [p for p in _walk(here) if p.suffix.lower() in wanted]
            if not inside:
                raise PictureError(f"the folder {here} holds no file that ends in {', '.join(sorted(wanted))}")
        elif not here.exists() and glob.has_magic(str(here)):
            inside = [p for p in Path(here.anchor).glob(str(here.relative_to(here.anchor))) if p.is_file()]
            if not inside:
                raise PictureError(f"no file matches {str(here)!r}; quote the pattern, and check the folder")
        else:
            inside = [here]
        found.update(dict.fromkeys(sorted(inside, key=_natural)))
    return list(found)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from (Path(root, f) for f in files if not f.startswith("."))


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(p)) if p.isdecimal() else (1, p) for p in parts if p]


def _read_regular(path: str) -> bytes:
    # Non-blocking, so that opening a FIFO without a writer does not wait for ever; looked at after opening, so that what was
    # checked is what is read.
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise PictureError(f"{path} is not there; check the path") from None
    except (OSError, ValueError) as error:
        folder = Path(path).is_dir() if "\0" not in path else False
        reason = "it is a folder" if folder else getattr(error, "strerror", None) or error
        raise PictureError(f"{path!r} cannot be opened ({reason})") from None
    try:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            raise PictureError(f"{path} is a folder; name a picture in it")
        if not stat.S_ISREG(about.st_mode):
            raise PictureError(f"{path} is not a regular file; copy its content to one first")
        if about.st_size > MAX_BYTES:
            raise PictureError(
                f"{path} has {about.st_size >> 20} MB, and {MAX_BYTES >> 20} is the most that is read; save it smaller"
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror or error})") from error
    finally:
        os.close(handle)


def _decode(data: bytes, name: str) -> Pixels:
    if not isinstance(data, bytes):
        raise PictureError(f"{name} gives text; open it in binary mode")
    if len(data) > MAX_BYTES:
        raise PictureError(f"{name} has more than {MAX_BYTES >> 20} MB; save it smaller")
    if not data:
        raise PictureError(f"{name} is empty; it should hold a {_KINDS} picture")
    return _guarded(io.BytesIO(data), name)


def _guarded(source: io.BytesIO | Image.Image, name: str) -> Pixels:
    """Open (if need be), check and convert; whatever Pillow makes of damaged bytes ends as a PictureError."""
    try:
        with _FILTERS, warnings.catch_warnings():
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
        raise PictureError(f"{name} is damaged or cut off ({reason}); get a whole copy of it") from error


def _opened(stream: io.BytesIO, name: str) -> Image.Image:
    kind = heif_format(bytes(stream.getbuffer()[:HEAD]))
    if kind is not None:
        return open_heif(stream, kind, name)
    return Image.open(stream, formats=(*sorted(set(FORMATS.values())), "PPM"))


def _no_picture(name: str, head: bytes) -> str:
    """Say what a file is that is no picture of a known kind, by its first bytes."""
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:11] == b"AVI"):
        return f"{name} is a video and not a picture; `ferviz predict` and `explain` follow videos that are called .mp4, .mkv or .avi"
    if head[:4] == b"\x89HDF":
        return f"{name} is an HDF5 file and not a picture; a network goes behind --model (ferviz.load_model)"
    if name.lower().endswith(".csv"):
        return f"{name} is a table and not a picture; `ferviz data`, `evaluate` and `explain` read data sets"
    return f"{name} is not a {_KINDS} picture; convert it to one of these"


def _to_rgb(picture: Image.Image, name: str) -> Pixels:
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureError(f"{name} has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width} x {height} pixels, and {MAX_PIXELS // 10**6} million is the most that is read; scale it down"
        )
    picture.load()
    netpbm = picture.format == "PPM"  # Pillow brings its values of more than 8 bits to 0..65535, in 32
    with contextlib.suppress(Exception):  # an orientation that cannot be read is none
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
    """values: (H, W) of a 16-bit, 32-bit or float picture -> (H, W) uint8; the ranges are those of the module's text."""
    if sixteen:
        return np.round(values.astype(np.float32) / 257.0).astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise PictureError(f"{name} holds values that are not finite numbers; clean it first")
    ranges = (1.0, 255.0) if values.dtype.kind == "f" else (255.0, 65535.0, 2147483647.0)
    whole = next((r for r in ranges if high <= r), None) if low >= 0 else None
    if whole is None:
        offset, whole = low, (high - low) or 1.0
    else:
        offset = 0.0
    return np.round((values.astype(np.float32) - np.float32(offset)) * np.float32(255.0 / whole)).astype(np.uint8)


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
