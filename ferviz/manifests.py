"""Plain data as JSON, and the manifest that tells how a file was made."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np


def to_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON.

    Args:
        value: plain data; NumPy's numbers and arrays become plain numbers and lists, paths become text, NaN and infinity null.
        indent: spaces of indentation, None = all on one line.

    Returns:
        The text. Bytes of a file's name that are not UTF-8 become JSON's own escape (\\udcff), so that the text can always be encoded.
    """
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def manifest(**facts: Any) -> dict[str, Any]:
    """Return a run's manifest: how a result was made.

    Versions are read from the installed packages' metadata, so that nothing is imported. SOURCE_DATE_EPOCH (seconds since 1970)
    takes the place of the clock, so that the same run can give the same bytes.

    Args:
        **facts: entries of the caller's: the command, its settings, the answer.

    Returns:
        {schema_version, the facts, versions (of ferviz and of the packages that it runs on), platform, created (UTC)}.
    """
    versions = {"python": platform.python_version()}
    for package in ("ferviz", "numpy", "tensorflow", "keras", "ai-edge-litert", "opencv-python-headless", "pillow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch) if epoch.isdecimal() else None))
    return {"schema_version": 1, **facts, "versions": versions, "platform": sys.platform, "created": written}
