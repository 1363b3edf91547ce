"""Pictures as phones write them, AVIF and HEIC: told apart by the brands of their container (ISO/IEC 23008-12), and opened.

Pillow decodes AVIF itself. HEIC needs pillow-heif, the extra ferviz[heif]; its reader is called directly, not registered with
Pillow, so that a program that imports ferviz opens what it opened before.
"""

from __future__ import annotations

import io

from PIL import Image, features

from ferviz.errors import PictureError

HEAD = 256
"""So many bytes of a file say its kind; a list of brands is far shorter."""

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_EITHER = {b"mif1", b"msf1"}


def heif_format(head: bytes) -> str | None:
    """Return "AVIF", "HEIC", or None for every other file.

    head: the first HEAD bytes of a file, or all of them. Its main brand decides; one that says only that there is a picture
    leaves it to the compatible brands, of which HEIC names none in particular.
    """
    if head[4:8] != b"ftyp":
        return None
    main = head[8:12]
    end = min(int.from_bytes(head[:4], "big"), len(head), HEAD)
    others = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if main in _AVIF or (main in _EITHER and others & _AVIF):
        return "AVIF"
    return "HEIC" if main in _HEIC | _EITHER else None


def open_heif(stream: io.BytesIO, kind: str, name: str) -> Image.Image:
    """Open an AVIF or HEIC picture without decoding it, as `PIL.Image.open` does.

    stream: the whole file. kind: what `heif_format` said. name: of the file, for the sentence. -> its first or main picture, turned
    as its EXIF orientation says or with that orientation still to be applied.
    Raises PictureError where nothing that is installed decodes the kind, and what Pillow raises for damaged files.
    """
    if kind == "AVIF":
        if not features.check("avif"):
            raise PictureError(
                f"{name} is an AVIF picture, which this Pillow cannot read; install Pillow's wheel from PyPI, or save it as JPEG or PNG"
            )
        try:
            return Image.open(stream, formats=("AVIF",))
        except Image.UnidentifiedImageError:  # Pillow's word for an index that is not whole; the brand is known already
            raise PictureError(f"{name} is a damaged or cut off AVIF picture; get a whole copy of it") from None
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise PictureError(
            f"{name} is a HEIC picture; to read it, pip install pillow-heif (the extra ferviz[heif]), or save it as JPEG or PNG"
        ) from None
    picture: Image.Image = HeifImageFile(stream)
    return picture
