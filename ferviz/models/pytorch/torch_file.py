"""The files of PyTorch, recognised by their bytes; no framework is imported."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ferviz.paths import is_file

CHECKPOINT, SAFETENSORS, SCRIPT, EXPORTED = "checkpoint", "safetensors", "TorchScript program", "exported program"

PROGRAMS = (SCRIPT, EXPORTED)
"""Kinds of files that are programs: opening one may run anything."""

_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"


def torch_format(path: Path) -> str:
    """Return what kind of PyTorch file this is.

    Args:
        path: any path.

    Returns:
        CHECKPOINT, SAFETENSORS, SCRIPT or EXPORTED; "" for anything else.
    """
    try:
        if not is_file(path):
            return ""
        with path.open("rb") as stream:
            head = stream.read(16)
        if head.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(path) as archive:
                return _zip_format(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return ""
    if head.startswith(_LEGACY):
        return CHECKPOINT
    return SAFETENSORS if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 27 else ""


def _zip_format(names: list[str]) -> str:
    endings = {name.partition("/")[2] if "/" in name else name for name in names[:100_000]}
    if "config.json" in names:
        return ""
    if {"archive_format", "serialized_exported_program.json"} & (endings | set(names)):
        return EXPORTED
    if "data.pkl" not in endings:
        return ""
    return SCRIPT if "constants.pkl" in endings and any(name.startswith("code/") for name in endings) else CHECKPOINT
