"""`result_page`: one result as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ferviz.documents.parts import Page, PagePicture, PageSection, PageTable
from ferviz.printable import printable

if TYPE_CHECKING:
    from PIL import Image

ABOUT = ("schema_version", "versions", "platform", "created", "command", "notes", "finding")
"""Entries of a manifest that have a place of their own in the document, or none."""

MAX_TEXT = 300
"""Characters of a fact that are shown; the block of JSON has all of it."""


def result_page(
    record: dict[str, Any], picture: Image.Image | None = None, table: Sequence[Sequence[Any]] | None = None
) -> Page:
    """Return one result as a document.

    Args:
        record: its manifest.
        picture: what it looks like, None = it has no picture.
        table: rows of cells, the names of the columns first; None = it has no table.
    """
    title = " ".join(
        ["ferviz", *(str(record[key]) for key in ("command", "study", "model") if isinstance(record.get(key), str))]
    )
    finding = str(record.get("finding") or "")
    notes = tuple(map(str, record["notes"])) if isinstance(record.get("notes"), list | tuple) else ()
    facts = list(_facts(record))
    pictures: tuple[PagePicture, ...] = ()
    if picture is not None:
        summary = "; ".join(f"{name} {printable(value, 80)}" for name, value in facts[:8])
        pictures = (PagePicture.of(picture, f"{finding or title}. The numbers stand below: {summary}"),)
    tables = [PageTable("What was measured", table)] if table is not None and len(table) and len(table[0]) else []
    sections = [PageSection("Answer", tables=tuple(tables), pictures=pictures, notes=notes)]
    if facts:
        sections.append(
            PageSection(
                "Facts", tables=(PageTable("How it was asked, and single numbers", [["name", "value"], *facts]),)
            )
        )
    return Page(title, finding, (*sections, made_by(record)), record)


def made_by(record: dict[str, Any]) -> PageSection:
    """Return the section that says what made a document.

    Args:
        record: a manifest.
    """
    versions = record.get("versions", {})
    rows = [["package", "version"], *([name, version] for name, version in versions.items())]
    written = f"Written {record.get('created', '')} (UTC) by ferviz {versions.get('ferviz', '')} on {record.get('platform', '')}."
    carried = "The file carries its numbers as JSON: ferviz report extract FILE prints them."
    return PageSection("Made by", (written, carried), (PageTable("Versions", rows),))


def _facts(record: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """-> the single values of a manifest, those of its settings among them."""
    facts: list[tuple[str, Any]] = []
    for key, value in record.items():
        if not prefix and key in ABOUT:
            continue
        if isinstance(value, dict) and not prefix:
            facts += _facts(value, f"{key}: ")
        elif isinstance(value, str):
            facts.append((f"{prefix}{key}", printable(value, MAX_TEXT)))
        elif isinstance(value, int | float) or (
            isinstance(value, list | tuple) and 0 < len(value) <= 12 and _flat(value)
        ):
            facts.append((f"{prefix}{key}", value))
    return facts


def _flat(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str | int | float) for value in values)
