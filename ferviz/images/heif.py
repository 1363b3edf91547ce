"""AVIF and HEIC, the formats of phones: recognised by the brands of their container (ISO/IEC 23008-12), and opened.

Pillow decodes AVIF itself. HEIC needs pillow-heif, the extra ferviz[heif]; its reader is called directly, not registered with
Pillow, so that importing ferviz does not change what Pillow opens elsewhere in a program.
"""

from __future__ import annotations

import io

from PIL import Image, features

from ferviz.errors import PictureError

HEAD = 256
"""Bytes at the beginning of a file that tell its format; a list of brands is far shorter."""

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_EITHER = {b"mif1", b"msf1"}


def heif_format(head: bytes) -> str | None:
    """Tell AVIF and HEIC from other files.

    The main brand decides. A main brand that tells only that the file is a picture leaves it to the compatible brands: AVIF names its
    own there, HEIC none in particular.

    Args:
        head: the first HEAD bytes of a file, or all of them.

    Returns:
        "AVIF", "HEIC", or None for every other file.
    """
    if head[4:8] != b"ftyp":
        return None
    main = head[8:12]
    end = min(int.from_bytes(head[:4], "big"), len(head), HEAD)
    others = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if main in _AVIF or (main in _EITHER and others & _AVIF):
        return "AVIF"
    return "HEIC" if main in _HEIC | _EITHER else None


def open_heif(stream: io.BytesIO, picture_format: str, name: str) -> Image.Image:
    """Open an AVIF or HEIC picture without decoding it, as `PIL.Image.open` does.

    Args:
        stream: the content of the file.
        picture_format: "AVIF" or "HEIC", from `heif_format`.
        name: the file's name, for messages.

    Returns:
        The first or main picture. Its EXIF orientation is either applied already or still in its EXIF data.

    Raises:
        PictureError: no installed package decodes the format. Damaged files also raise what Pillow raises.
    """
    if picture_format == "AVIF":
        if not features.check("avif"):
            raise PictureError(
                f"{name} is an AVIF picture, which this Pillow cannot read; install Pillow's wheel from PyPI, or save it as JPEG or PNG"
            )
        try:
            return Image.open(stream, formats=("AVIF",))
        except (
            Image.UnidentifiedImageError
        ):  # what Pillow raises for an incomplete index; the brand was recognised before
            raise PictureError(f"{name} is a damaged or cut off AVIF picture; get a complete copy of it") from None
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise PictureError(
            f"{name} is a HEIC picture; to read it, pip install pillow-heif (the extra ferviz[heif]), or save it as JPEG or PNG"
        ) from None
    picture: Image.Image = HeifImageFile(stream)
    return picture
