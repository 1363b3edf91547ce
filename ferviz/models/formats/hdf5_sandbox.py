"""Check in a separate process that libhdf5 can read a file, so that a damaged file cannot hang or crash this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ferviz.errors import ModelError

SCRIPT = Path(__file__).with_name("hdf5_child.py")
SECONDS = 3
"""Processor time for a small file; a large one gets more. Reading a network of 100 MB takes 0.2 s."""

WAIT = 120.0
"""Seconds of waiting at most, for systems without a limit on processor time."""


def check_readable(path: Path) -> None:
    """Check that everything in a file can be read, by letting another process read it.

    Args:
        path: an HDF5 file or a .keras zip.

    Raises:
        ModelError: the file cannot be read to its end, or reading it hung or crashed.
    """
    if not sys.executable:  # Python inside another program: there is no interpreter to start
        return
    seconds = SECONDS + path.stat().st_size // 50_000_000
    # -I: neither the working directory nor the environment may replace h5py
    command = [sys.executable, "-I", os.fspath(SCRIPT), os.fspath(path.absolute()), str(seconds)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path} cannot be read to its end in {WAIT:.0f} s; it is damaged, copy it again") from None
    except OSError:  # the system starts no more processes
        return
    if done.returncode == 3:
        reason = done.stdout.decode("utf-8", "replace").strip()
        raise ModelError(f"{path} is damaged or cut off ({reason}); copy the network again")
    if done.returncode < 0:
        raise ModelError(f"{path} is damaged in a way that breaks the HDF5 library; copy the network again")
