"""Places at which a test may end the process, to see that what is left on the disk is never mistaken for something else.

The environment variable FERVIZ_SCALE_FAULT names such a place and a shard ("renamed:3"); the process that comes there with that
shard gets SIGKILL, as from a machine that loses its power. It is for tests; without the variable this does nothing.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "FERVIZ_SCALE_FAULT"
STEPS = ("tried", "explained", "written", "renamed", "received", "tidied")
"""The steps of a shard: the try is noted, its faces are explained, its table is complete under another name, has its name, has its receipt,
and the tries are removed. Besides, "picture-5" is the sixth picture of the shard."""


def reach(step: str, shard: int) -> None:
    """Come to a step.

    Args:
        step: one of STEPS.
        shard: the shard's number.
    """
    if os.environ.get(VARIABLE) == f"{step}:{shard}":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
