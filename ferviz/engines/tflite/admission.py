"""The gate before the LiteRT interpreter, which trusts what it is given: a file is verified, tried once, and remembered."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from ferviz.known_files import is_known, probe, remember

VERSION = "1"
"""Of the rules that a file is verified by; with others it is verified again."""

_KIND = "tflite"
_SCRIPT = Path(__file__).with_name("tflite_child.py")


def admit(content: bytes, digest: str = "", name: str = "the compiled network", advice: str = "") -> None:
    """Let a TensorFlow Lite file pass that is sound and that was run in a process of its own without harm.

    One that was compiled on this machine, that ferviz brings along or that passed before is known by its hash, and costs nothing.

    Args:
        content: the file.
        digest: its SHA-256, "" = it is computed.
        name: what messages call it.
        advice: what to do instead of a file that does not pass, for the end of messages; "" = to compile it again.

    Raises:
        ModelError: says what is wrong with the file.
    """
    digest = digest or hashlib.sha256(content).hexdigest()
    if is_known(_KIND, digest, *_versions()):
        return
    from ferviz.engines.tflite.verify import verify
    from ferviz.sandbox import Limits

    verify(content, name, *([advice] if advice else []))
    limits = Limits(seconds=20 + len(content) // 5_000_000, memory=4 * 1024**3 + 4 * len(content))
    probe(name, _SCRIPT, limits=limits, stdin=content, runtime="LiteRT", advice=advice or "compile the network again")
    remember(_KIND, digest, *_versions())


def remember_compiled(content: bytes) -> None:
    """Note that a file was compiled here.

    Args:
        content: the file.
    """
    remember(_KIND, hashlib.sha256(content).hexdigest(), *_versions())


def _versions() -> tuple[str, str]:
    try:
        return VERSION, metadata.version("ai-edge-litert")
    except metadata.PackageNotFoundError:
        return VERSION, "unknown"
