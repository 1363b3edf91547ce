"""Check in a separate process that libhdf5 can read a file, so that a damaged file cannot hang or crash this one."""

from __future__ import annotations

from pathlib import Path

from ferviz import sandbox
from ferviz.errors import ModelError

SCRIPT = Path(__file__).with_name("hdf5_child.py")
SECONDS = 3
"""Processor time for a small file; a large one gets more. Reading a network of 100 MB takes 0.2 s."""

WAIT = 120.0
"""Seconds of waiting at most, for systems without a limit on processor time."""

MEMORY = 2 * 1024**3
"""Bytes of address space for a small file, libraries included; a large one gets more, up to LARGEST_MEMORY."""

LARGEST_MEMORY = 8 * 1024**3


def check_readable(path: Path) -> None:
    """Check that everything in a file can be read, by letting another process read it.

    Args:
        path: an HDF5 file or a .keras zip.

    Raises:
        ModelError: the file cannot be read to its end, reading it hung or crashed, or takes far more memory than its size.
    """
    size = path.stat().st_size
    limits = sandbox.Limits(
        seconds=SECONDS + size // 50_000_000,
        wait=WAIT,
        memory=min(MEMORY + 8 * size, LARGEST_MEMORY),
    )
    outcome = sandbox.run(SCRIPT, str(path.absolute()), limits=limits)
    if outcome.status == "refused":
        raise ModelError(f"{path} is damaged or cut off ({outcome.reason}); copy the network again")
    if outcome.status == "timeout":
        raise ModelError(f"{path} cannot be read to its end in {limits.seconds} s; it is damaged, copy it again")
    if outcome.status == "memory":
        raise ModelError(
            f"{path} has {size / 1e6:.1f} MB, and takes more than {limits.memory / 1024**3:.0f} GiB of memory to read; it is "
            "damaged or made to fill the memory"
        )
    if outcome.status == "crashed":
        raise ModelError(f"{path} is damaged in a way that breaks the HDF5 library; copy the network again")
