"""Files that native code has run without harm: tried in a process of their own once, and remembered by their hash.

The memory is an empty file per hash in the cache folder. Whoever can write there can also write the compiled networks that lie there,
and with them what ferviz runs; that is not guarded against.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ferviz.errors import ModelError
from ferviz.files import cache_dir
from ferviz.paths import is_file

if TYPE_CHECKING:
    from ferviz.sandbox import Limits

SHIPPED = Path(__file__).parent / "assets" / "known.sha256"
"""The hashes of what ferviz brings along, as `sha256sum` writes them."""


def is_known(kind: str, digest: str, *versions: str) -> bool:
    """Return whether a file was tried before, or is one that ferviz brings along.

    Args:
        kind: what would run it.
        digest: the SHA-256 of its bytes.
        versions: of what would run it; another version tries it again.
    """
    with contextlib.suppress(OSError):
        return is_shipped(digest) or is_file(_note(kind, digest, *versions))
    return False


def remember(kind: str, digest: str, *versions: str) -> None:
    """Note that a file does no harm; where the cache cannot be written, it is tried again the next time.

    Args:
        kind, digest, versions: as for `is_known`.
    """
    note = _note(kind, digest, *versions)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


def probe(
    name: str, target: str | Path, *arguments: str, limits: Limits, stdin: bytes = b"", runtime: str, advice: str
) -> None:
    """Let native code run a file in a process of its own.

    Args:
        name: what messages call the file.
        target, arguments, limits, stdin: as for `ferviz.sandbox.run`; the script exits with 3 and a reason for a file that it refuses.
        runtime: the name of the native code.
        advice: what to do instead, for the end of the sentence.

    Raises:
        ModelError: the file was refused, or running it crashed, hung, or took more memory than it may.
    """
    from ferviz import sandbox

    outcome = sandbox.run(target, *arguments, limits=limits, stdin=stdin)
    problems = {
        "refused": f"{runtime} cannot run it ({outcome.reason.rstrip('. ')})",
        "crashed": f"running it crashes {runtime}",
        "timeout": f"running it once takes longer than {limits.seconds} s",
        "memory": f"running it once takes more than {limits.memory / 1e9:.0f} GB of memory",
        "failed": f"{runtime} could not try it",
    }
    if outcome.status in problems:
        raise ModelError(f"{name} is refused: {problems[outcome.status]}, tried in a process of its own; {advice}")


def is_shipped(digest: str) -> bool:
    """Return whether a file is one that ferviz brings along.

    Args:
        digest: the SHA-256 of its bytes.
    """
    return digest in {line.split()[0] for line in SHIPPED.read_text(encoding="ascii").splitlines()}


def _note(kind: str, digest: str, *versions: str) -> Path:
    key = hashlib.sha256(json.dumps([kind, digest, *versions]).encode()).hexdigest()
    return cache_dir("known") / f"{kind}-{key[:40]}"
