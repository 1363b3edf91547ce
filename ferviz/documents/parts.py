"""What a document consists of: sections with sentences, tables and pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ferviz.images import encode

if TYPE_CHECKING:
    from PIL import Image

MAX_ROWS = 500
"""Rows of a table that are shown; a longer one makes a browser slow and is read by nobody."""


def is_number(value: Any) -> bool:
    """Return whether a cell of a table is a number.

    Args:
        value: the cell.
    """
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class PagePicture:
    """A picture of a document.

    Attributes:
        webp: the bytes of the file.
        size: (width, height) in pixels that it is shown with.
        alt: what it shows, for people who do not see it.
        caption: what stands below it.
    """

    webp: bytes = field(repr=False)
    size: tuple[int, int]
    alt: str
    caption: str = ""

    @classmethod
    def of(cls, image: Image.Image, alt: str, caption: str = "", max_width: int | None = None) -> PagePicture:
        """Return a picture of a document.

        Args:
            image: what it shows.
            alt: what it shows, in words.
            caption: what stands below it.
            max_width: pixels; a wider image is made smaller. None = any.
        """
        if max_width is not None and image.width > max_width:
            image = image.resize((max_width, max(1, round(image.height * max_width / image.width))))
        return cls(encode(image, ".webp"), image.size, alt, caption)

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:image/webp;base64,{base64.b64encode(self.webp).decode()}"

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as plain data, its bytes in base64."""
        webp = base64.b64encode(self.webp).decode()
        return {"webp": webp, "size": list(self.size), "alt": self.alt, "caption": self.caption}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PagePicture:
        """Return the picture of `to_dict`.

        Args:
            record: the plain data.
        """
        width, height = record["size"]
        return cls(base64.b64decode(record["webp"]), (width, height), record["alt"], record["caption"])


@dataclass(frozen=True)
class PageTable:
    """A table of a document; the first cell of a row is its heading.

    Attributes:
        caption: what it says.
        table: rows of cells, the names of the columns first.
    """

    caption: str
    table: Sequence[Sequence[Any]] = field(repr=False)

    @property
    def columns(self) -> Sequence[Any]:
        """The names of the columns."""
        return self.table[0]

    @cached_property
    def rows(self) -> list[Sequence[Any]]:
        """The rows that are shown."""
        return list(self.table[1 : MAX_ROWS + 1])

    @cached_property
    def numeric(self) -> list[bool]:
        """For each column whether it holds numbers, and nothing else but empty cells."""
        columns = [[row[at] for row in self.rows if row[at] not in ("", None)] for at in range(len(self.columns))]
        return [bool(cells) and all(map(is_number, cells)) for cells in columns]

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return len(self.table) - 1 - len(self.rows)


@dataclass(frozen=True)
class PageSection:
    """A section of a document.

    Attributes:
        title: its heading.
        text: its sentences, a paragraph each.
        tables: below them.
        pictures: between sentences and tables.
        notes: what has to be known to read it, a sentence each.
        code: words for a terminal, which are not broken into lines.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[PageTable, ...] = ()
    pictures: tuple[PagePicture, ...] = ()
    notes: tuple[str, ...] = ()
    code: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the section as plain data, pictures in base64."""
        return {
            "title": self.title, "text": list(self.text), "notes": list(self.notes), "code": self.code,
            "tables": [{"caption": t.caption, "table": [list(row) for row in t.table]} for t in self.tables],
            "pictures": [picture.to_dict() for picture in self.pictures],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PageSection:
        """Return the section of `to_dict`.

        Args:
            record: the plain data.
        """
        return cls(
            record["title"], tuple(record["text"]), tuple(PageTable(**table) for table in record["tables"]),
            tuple(PagePicture.from_dict(picture) for picture in record["pictures"]), tuple(record["notes"]), record["code"],
        )  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A document of one HTML file.

    Attributes:
        title: its heading.
        finding: its first sentence.
        sections: in order.
        record: the numbers as plain data, which the file carries for programs.
    """

    title: str
    finding: str
    sections: tuple[PageSection, ...]
    record: dict[str, Any] = field(repr=False)
