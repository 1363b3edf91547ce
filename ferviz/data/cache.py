"""The cache of tables, so that 300 MB of text are decoded once. If the cache fails, the source is read again, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import astuple
from pathlib import Path

import numpy as np

from ferviz.data.dataset import BadRow, Table
from ferviz.files import cache_dir
from ferviz.manifests import to_json

VERSION = 2
"""Part of every key: it is raised whenever the meaning of the readers or of the cache's layout changes."""


def cache_path(reader: str, key: str, skip_bad: bool) -> Path:
    """Return the cache file of a table, whether it is there or not.

    Args:
        reader: the reader's name.
        key: the hash of the source's content.
        skip_bad: whether bad rows were skipped.
    """
    return cache_dir("data") / f"{reader}-{'skip-' if skip_bad else ''}{key[:40]}-v{VERSION}.npz"


def load_table(path: Path) -> Table | None:
    """Return the table in a cache file, or None if there is none or it is damaged.

    Args:
        path: the cache file.
    """
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
                subject=stored["subject"] if "subject" in stored.files else None,
                spellings={str(word): str(name) for word, name in about["spellings"].items()},
            )
    except Exception:  # zipfile, NumPy and JSON raise half a dozen kinds for a damaged file
        return None
    lengths = {len(a) for a in (table.images, table.emotion, table.split, table.rows)}
    intact = len(lengths) == 1 and table.images.dtype == np.uint8 and table.images.ndim in (3, 4)
    return table if intact else None


def store_table(path: Path, table: Table) -> bool:
    """Write a table to a cache file, atomically; return whether it could be written.

    Args:
        path: the cache file.
        table: the table.
    """
    about = {
        "classes": table.classes, "bad": [astuple(row) for row in table.bad], "sha256": table.sha256, "spellings": table.spellings,
    }  # fmt: skip
    arrays = {name: getattr(table, name) for name in ("images", "emotion", "split", "rows")}
    arrays |= {} if table.subject is None else {"subject": table.subject}
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No fsync here: a cache that a crash damages is detected and written again.
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
