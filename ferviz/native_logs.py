"""Native libraries without their notes on the terminal: TensorFlow's, for networks and for detectors that run on it, and LiteRT's."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_CPP_MAX_VLOG_LEVEL": "0",
    "GRPC_VERBOSITY": "ERROR",
    "GLOG_minloglevel": "3",
    "TF_ENABLE_DEPRECATION_WARNINGS": "0",
}
"""Environment that silences TensorFlow's C++ side; it is read once, at the import. What the user has set wins."""

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d .*: [IWE] |"
    rb"To enable the following instructions:|\s*$"
)
"""Lines that TensorFlow's libraries write straight to file descriptor 2 while they are loaded."""


@contextlib.contextmanager
def silenced(everything: bool = False) -> Iterator[None]:
    """Keep native libraries' log lines, written straight to file descriptor 2, from the terminal for the time of the block.

    Loading the libraries writes notes there before any setting of theirs is read, and LiteRT announces its processor back end past
    every setting, so nothing less helps. Python errors are not lost: they travel as exceptions.

    Args:
        everything: drop all lines; otherwise those that are no log noise are written once the block ends.
    """
    if everything:
        with Path(os.devnull).open("wb") as sink, _in_place_of_errors(sink):
            yield
        return
    with tempfile.TemporaryFile() as held:
        try:
            with _in_place_of_errors(held):
                yield
        finally:
            held.seek(0)
            rest = b"".join(line for line in held if not NOISE.match(line))
            if rest:
                with contextlib.suppress(OSError):
                    os.write(2, rest)


@contextlib.contextmanager
def _in_place_of_errors(stand_in: IO[bytes]) -> Iterator[None]:
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):  # no standard error at all: nothing to silence
        yield
        return
    os.dup2(stand_in.fileno(), 2)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
