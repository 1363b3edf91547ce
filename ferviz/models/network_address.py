"""A network and its conventions as one value: net.h5?scaling=-1..1&labels=7-alphabetical."""

from __future__ import annotations

from urllib.parse import parse_qsl

from ferviz.errors import UsageError
from ferviz.paths import exists, is_url

CONVENTIONS = ("labels", "scaling", "weights", "architecture", "input")
"""What may stand behind the question mark: the arguments of `load_model` of these names."""


def parse_network(text: str) -> tuple[str, dict[str, str]]:
    """Return a network's path and its conventions.

    Args:
        text: FILE, or FILE?labels=...&scaling=... (see CONVENTIONS); a file with a question mark in its name is taken as it is.

    Raises:
        UsageError: something else stands behind the question mark.
    """
    path, mark, query = text.partition("?")
    if not mark or exists(text) or is_url(text):
        return text, {}
    try:
        if not query:
            raise ValueError
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise UsageError(f"{text!r} is not FILE?scaling=-1..1&labels=7: behind ? stand pairs NAME=VALUE") from None
    given = dict(pairs)
    unknown = [name for name in given if name not in CONVENTIONS]
    if unknown or len(given) < len(pairs):
        wrong = f"not {', '.join(unknown)}" if unknown else "each once"
        raise UsageError(f"a network FILE?... takes {', '.join(CONVENTIONS)}, {wrong}")
    return path, given


def parse_input(text: str) -> tuple[int, int, int]:
    """Return the (height, width, channels) that a text says.

    Args:
        text: "48x48x1", "48x48" (grey) or "224x224x3".

    Raises:
        UsageError: it is anything else.
    """
    words = text.lower().split("x")
    if len(words) not in (2, 3) or not all(word.isdecimal() and len(word) < 6 for word in words):
        raise UsageError(f"input {text!r:.60} is not HEIGHTxWIDTHxCHANNELS, such as 48x48x1")
    height, width, channels = map(int, (*words, "1")[:3])
    return height, width, channels
