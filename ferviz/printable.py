"""Text that comes from a file, made fit to be shown: what would move the cursor, reorder the line or break an encoder becomes an escape."""

from __future__ import annotations

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of control and format characters (bidirectional overrides among them), surrogates and line separators."""

_JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; they join or part their neighbours and nothing else."""


def is_printable(text: str) -> bool:
    """Return whether text can be shown as it is: without control characters, line breaks, bidirectional overrides and lone surrogates.

    Args:
        text: any text.
    """
    return text.isprintable() or not any(map(_is_hidden, text))


def printable(text: object, limit: int | None = None) -> str:
    r"""Return text on one line that can be shown and encoded everywhere.

    Args:
        text: any text, such as the name of a class, a layer or a file; other objects are converted.
        limit: the most characters, the last three of which are dots where the text is longer; None = any.

    Returns:
        The text with an escape (\n, \x1b, \u202e, \udcff) for every character that is not printable.
    """
    shown = str(text)
    if limit is not None:
        shown = shown[: limit + 1]  # an escape is longer than what it stands for, so the rest is never shown
    if not is_printable(shown):
        shown = "".join(_escape(c) if _is_hidden(c) else c for c in shown)
    return shown if limit is None or len(shown) <= limit else shown[: limit - 3] + "..."


def sentence(text: str) -> str:
    """Return a message as a sentence: with a capital letter and a full stop.

    Args:
        text: its words.
    """
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _is_hidden(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) in _HIDDEN


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
