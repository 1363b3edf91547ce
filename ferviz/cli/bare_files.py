"""What `--bare` writes: one picture a map, without a page around it."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import UsageError
from ferviz.files import check_output
from ferviz.paths import exists, fit_name

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from ferviz.cli.options.drawing_options import PrintOptions

TRANSPARENT = (".png", ".webp", ".tif", ".tiff")
"""Formats that keep what is transparent."""


def check_bare(out: Path, printing: PrintOptions, zoom: float = 1.0, transparent: bool = False) -> None:
    """Check that bare pictures can be written in a format, and that no page was asked for; call it before the work.

    Args:
        out: the value of --out, or its default.
        printing: of its options, --dpi alone goes with a bare picture.
        zoom: the value of --zoom.
        transparent: the pictures have an alpha channel.

    Raises:
        UsageError: they cannot, or options lay out a page.
    """
    if printing.width_mm or printing.font_size or zoom != 1:
        raise UsageError(
            "--width-mm, --font-size and --zoom lay out a page, and a bare picture has none; --side is its size"
        )
    from ferviz.images import FORMATS

    suffixes = [suffix for suffix in FORMATS if not transparent or suffix in TRANSPARENT]
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"a bare picture cannot be written as {out.name}; use one of {', '.join(suffixes)}")


def any_part(out: Path) -> bool:
    """Return whether a picture that `names` makes of a path may be there already.

    Args:
        out: the path.
    """
    return exists(out) or any(file.suffix == out.suffix for file in out.parent.glob(f"{glob.escape(out.stem)}-*"))


def names(out: Path, parts: Sequence[Sequence[str]]) -> list[Path]:
    """Return a path for each picture: `out` for a single one, else `out` with what tells the pictures apart before the suffix.

    Args:
        out: the value of --out.
        parts: what each picture is called, e.g. ("face2", "happy").
    """
    if len(parts) == 1:
        return [out]
    differing = [len({part[k] for part in parts}) > 1 for k in range(len(parts[0]))]
    ends = [
        "".join(f"-{_plain(word)}" for word, differs in zip(part, differing, strict=True) if differs) for part in parts
    ]
    if len(set(ends)) < len(ends):
        ends = [f"-{number}{end}" for number, end in enumerate(ends, 1)]
    return [out.with_name(fit_name(f"{out.stem}{end}", out.suffix)) for end in ends]


def write_pictures(
    paths: Sequence[Path],
    pictures: Sequence[Image.Image | np.ndarray],
    manifest: dict[str, Any],
    force: bool,
    dpi: float | None = None,
) -> None:
    """Write pictures; where one of the files is there already none is written.

    Args:
        paths: the files.
        pictures: as many.
        manifest: how they were made.
        force: replace existing files.
        dpi: dots an inch that the files say.
    """
    from ferviz.images import write_image

    for path in paths:
        check_output(path, force)
    for path, picture in zip(paths, pictures, strict=True):
        write_image(path, picture, manifest=manifest, force=force, dpi=dpi)


def enlarge(pixels: np.ndarray, side: int | None) -> Image.Image:
    """Return a picture, its longer side so long.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        side: in pixels; None = as it is.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    ratio = side / max(picture.size) if side else 1
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _plain(word: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", word)[:40]
