"""A document that is not larger than asked: pictures become smaller, then fewer, and the document says so."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from ferviz.documents.parts import Page, PagePicture, PageSection
from ferviz.documents.render import render
from ferviz.errors import UsageError

Change = Callable[[PagePicture], PagePicture | None]


def render_within(page: Page, max_bytes: int) -> str:
    """Return a document as the text of an HTML file that is no larger than asked.

    Args:
        page: the document.
        max_bytes: of the file.

    Raises:
        UsageError: the file would be larger without any picture.
    """
    text = render(page)
    limit = f"to keep the file below {max_bytes / 1e6:g} MB"
    changes: list[tuple[Change, str]] = [
        (_halved, f"Pictures are half as large as they could be, {limit}."),
        (_without_large, f"Large pictures were left out {limit}; their tables have the numbers."),
        (lambda _: None, f"All pictures were left out {limit}."),
    ]
    for change, sentence in changes:
        if len(text.encode()) <= max_bytes:
            break
        text = render(_changed(page, change, sentence))
    size = len(text.encode())
    if size > max_bytes:
        raise UsageError(f"the report has {size / 1e6:.1f} MB without any picture; allow more with --max-mb")
    return text


def _changed(page: Page, change: Change, sentence: str) -> Page:
    sections = tuple(
        replace(section, pictures=tuple(p for p in map(change, section.pictures) if p is not None)) for section in page.sections
    )  # fmt: skip
    return replace(page, sections=(PageSection("Left out", (sentence,)), *sections))


def _halved(picture: PagePicture) -> PagePicture:
    with Image.open(io.BytesIO(picture.webp)) as image:
        return PagePicture.of(image.convert("RGB"), picture.alt, picture.caption, max(1, image.width // 2))


def _without_large(picture: PagePicture) -> PagePicture | None:
    return None if picture.size[0] > 200 else _halved(picture)
