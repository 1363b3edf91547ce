"""The networks that ferviz brings along, and their compiled forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ferviz.errors import ModelError
from ferviz.files import sha256
from ferviz.paths import is_file

if TYPE_CHECKING:
    from ferviz.models.compiled.file import CompiledModel

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def bundled_networks() -> list[str]:
    """Return the names of the networks that ferviz brings along."""
    return sorted(file.stem for file in ASSETS.glob("*.keras"))


def bundled_path(name: str = "bundled") -> Path:
    """Return the file of a network that ferviz brings along.

    Args:
        name: one of `bundled_networks()`.

    Raises:
        ModelError: the file is missing from the installation.
    """
    path = ASSETS / f"{name}.keras"
    if not is_file(path):
        raise ModelError(
            f"the bundled network is missing from this installation ({path}); install ferviz again, or name a file"
        )
    return path


def is_bundled(path: Path) -> bool:
    """Return whether a file is one that ferviz brings along.

    Args:
        path: a network's file.
    """
    return path.parent == ASSETS


def bundled_compiled(path: Path) -> CompiledModel | None:
    """Return the compiled form that lies beside a bundled network.

    Args:
        path: a network's file.

    Returns:
        The compiled network; None where `path` is not bundled, or where the compiled form was made from another version of it.
    """
    from ferviz.models.compiled.file import read_compiled

    file = path.with_suffix(".ferviz")
    if not is_bundled(path) or not is_file(file):
        return None
    compiled = read_compiled(file)
    return compiled if compiled.sha256 == sha256(path) else None
