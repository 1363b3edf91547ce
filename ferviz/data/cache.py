"""A cache of what was read: decoding 300 MB of text once is enough. Any failure of the cache means reading again, no more."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import astuple
from pathlib import Path

import numpy as np

from ferviz.data.dataset import BadRow
from ferviz.data.table import Table
from ferviz.files import cache_dir, to_json

VERSION = 1
"""Part of every key: raised whenever the readers or the cache's layout change their meaning."""


def path_of(reader: str, key: str, skip_bad: bool) -> Path:
    """Return the file that holds (or will hold) what `reader` read from the content with the hash `key`."""
    return cache_dir("data") / f"{reader}-{'skip-' if skip_bad else ''}{key[:40]}-v{VERSION}.npz"


def load(path: Path) -> Table | None:
    """Return the Table in a cache file, or None if there is none or it is damaged."""
    try:
        # Opened here: np.load leaves the file of a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            table = Table(
                images=stored["images"],
                emotion=stored["emotion"],
                split=stored["split"],
                rows=stored["rows"],
                classes=tuple(about["classes"]),
                bad=tuple(BadRow(*row) for row in about["bad"]),
                sha256=about["sha256"],
            )
    except Exception:  # zipfile, NumPy and JSON raise half a dozen kinds for a damaged file
        return None
    lengths = {len(a) for a in (table.images, table.emotion, table.split, table.rows)}
    whole = len(lengths) == 1 and table.images.dtype == np.uint8 and table.images.ndim in (3, 4)
    return table if whole else None


def store(path: Path, table: Table) -> bool:
    """Write a Table to a cache file atomically; -> whether it could be written."""
    about = {"classes": table.classes, "bad": [astuple(row) for row in table.bad], "sha256": table.sha256}
    arrays = {name: getattr(table, name) for name in ("images", "emotion", "split", "rows")}
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No fsync here: a cache that a crash destroys is found damaged and made again.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".npz", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, allow_pickle=False, **arrays, about=np.array(to_json(about)))
        temporary.replace(path)
    except OSError:
        return False
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return True
