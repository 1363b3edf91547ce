"""Loading libraries without their notes on the terminal: TensorFlow's, for the networks and for the detectors that run on it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

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
def silenced() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and afterwards let through whatever is not log noise.

    Loading the libraries writes notes there before any setting of theirs is read, so nothing less helps.
    """
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):  # no standard error at all: nothing to silence
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            rest = b"".join(line for line in held if not NOISE.match(line))
            if rest:
                os.write(2, rest)
