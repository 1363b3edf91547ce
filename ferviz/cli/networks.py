"""The networks that an option names: several with commas between, each a file with its conventions."""

from __future__ import annotations

from collections.abc import Iterable

from ferviz.paths import exists

_SUFFIXES = (".keras", ".h5", ".hdf5", ".json", ".ferviz", ".tflite", ".pb", ".pth", ".pt", ".pt2", ".safetensors")


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
