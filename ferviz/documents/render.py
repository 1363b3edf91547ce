"""`render`: a document as the text of an HTML file."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ferviz.documents.parts import Page, is_number
from ferviz.errors import UsageError
from ferviz.manifests import to_json
from ferviz.printable import printable

if TYPE_CHECKING:
    import jinja2

RECORD = "ferviz-data"
"""The id of the block of JSON."""


def check_jinja() -> None:
    """Check that HTML files can be written.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    try:
        importlib.import_module("jinja2")
    except ImportError:
        raise UsageError("HTML files need Jinja2: pip install ferviz[report]") from None


def render(page: Page) -> str:
    """Return a document as the text of an HTML file.

    All texts are escaped, whatever they hold; the policy in the file's head lets a browser load nothing but the pictures in the file
    itself, and run nothing.

    Args:
        page: the document.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    check_jinja()
    style = _asset("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _environment().get_template("page.html").render(
        page=page, style=_safe(style), policy=policy, record=_safe(escaped_json(page.record)), record_id=RECORD
    )  # fmt: skip


def escaped_json(record: Any) -> str:
    """Return plain data as JSON that no HTML parser takes for markup, whatever its texts hold.

    Args:
        record: the plain data.
    """
    text = json.dumps(json.loads(to_json(record)))  # ASCII alone: nothing in it reorders the source either
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": shown, "numeric": is_number, "cells": shown_cells}
    return environment


def shown(value: Any) -> str:
    """Return a cell of a table as it is shown.

    Args:
        value: a text, a number, a truth value, None, or a list of these.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 100_000 else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return printable(value)


def shown_cells(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Return the cells of a table as they are shown: the floats of a column have as many decimals, so that they can be compared.

    Args:
        rows: cells, all rows as long.
    """
    columns = [_shown_column(column) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _shown_column(column: Sequence[Any]) -> list[str]:
    filled = [value for value in column if value is not None and value != ""]
    if not filled or not all(isinstance(value, float) for value in filled):
        return [shown(value) for value in column]
    largest = max((abs(value) for value in filled if math.isfinite(value)), default=0.0)
    decimals = max(0, 3 - sum(largest >= power for power in (10, 100, 1000)))
    if largest >= 2 and all(value.is_integer() for value in filled):  # counts
        decimals = 0
    smallest = 0.5 * 10**-decimals  # what is smaller would be a row of zeros

    def text(value: float | str | None) -> str:
        if not isinstance(value, float) or not math.isfinite(value):
            return shown(value)
        return f"{value:.2g}" if 0 < abs(value) < smallest else f"{value:,.{decimals}f}"

    return [text(value) for value in column]


def _safe(text: str) -> Any:
    import markupsafe

    return markupsafe.Markup(text)


@cache
def _asset(name: str) -> str:
    return resources.files("ferviz").joinpath("documents", "templates", name).read_text(encoding="utf-8")
