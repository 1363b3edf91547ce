"""A network and its conventions as one value: net.h5?scaling=-1..1&labels=7-alphabetical."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from ferviz.errors import UsageError
from ferviz.paths import exists, is_url

CONVENTIONS = ("labels", "scaling", "weights")
"""What may stand behind the question mark: the arguments of `load_model` of these names."""

_SUFFIXES = (".keras", ".h5", ".hdf5", ".json", ".ferviz", ".tflite", ".pb")


def parse_network(text: str) -> tuple[str, dict[str, str]]:
    """Return a network's path and its conventions.

    Args:
        text: FILE, or FILE?labels=...&scaling=...&weights=...; a file with a question mark in its name is taken as it is.

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
        raise UsageError(f"a network FILE?... takes labels, scaling and weights, {wrong}")
    return path, given


def split_networks(texts: Iterable[str]) -> list[str]:
    """Return the networks of an option that is repeated or has commas; conventions (labels=happy,sad) may have commas, too.

    Args:
        texts: the values of the option.
    """
    networks: list[str] = []
    for text in texts:
        if exists(text):
            networks.append(text)
            continue
        first, *pieces = text.split(",")
        networks.append(first.strip())
        for piece in pieces:
            if _begins_network(piece.strip()) or "?" not in networks[-1]:
                networks.append(piece.strip())
            else:
                networks[-1] += f",{piece}"
    return networks


def _begins_network(text: str) -> bool:
    from ferviz.models.bundled import bundled_networks

    path = text.partition("?")[0]
    return path in bundled_networks() or path.lower().endswith(_SUFFIXES) or exists(path)
