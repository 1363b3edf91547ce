"""Read everything in an HDF5 file once, in a separate process: a script that `ferviz.models.formats.hdf5_sandbox` runs.

libhdf5 is written in C, and one wrong byte in a file can make it loop for ever or crash; then only this process is lost.
It imports nothing of ferviz. Argument: a path (HDF5, or a .keras zip with model.weights.h5).
Exit 0: all of it can be read; 3: it cannot, and the reason is on standard output.
"""

from __future__ import annotations

import io
import sys
import zipfile
from typing import Any

LIMIT = 2 * 1024**3
MAX_TEXT = 64 * 1024**2
"""The most characters in all attributes; a short file can name one long text many times."""


def read_all(path: str) -> None:
    """Read every attribute and every data set of a file, except the optimizer's.

    Args:
        path: an HDF5 file or a .keras zip.
    """
    import h5py

    source: Any = path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "model.weights.h5" not in archive.namelist() or archive.getinfo("model.weights.h5").file_size > LIMIT:
                return
            source = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(source, "r") as file:
        waiting, seen, characters = [file], set[int](), 0
        while waiting:
            group = waiting.pop()
            for key in group.attrs:
                characters += _count_characters(group.attrs[key])
                if characters > MAX_TEXT:
                    raise ValueError("its attributes hold more text than a network's")
            for name in group:
                if name == "optimizer_weights" or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue  # the parent process reports links by name
                item = group[name]
                if not isinstance(item, h5py.Dataset):
                    address = h5py.h5o.get_info(item.id).addr
                    if address not in seen and len(seen) < 100_000:
                        seen.add(address)
                        waiting.append(item)
                elif (
                    item.dtype.kind in "biuf"
                    and not (item.is_virtual or item.external)
                    and item.size * item.dtype.itemsize <= LIMIT
                ):
                    item[()]


def _count_characters(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    return sum(len(text) for text in value.ravel() if isinstance(text, str | bytes)) if hasattr(value, "ravel") else 0


if __name__ == "__main__":
    try:
        read_all(sys.argv[1])
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        sys.stdout.write((lines[0] if lines else type(error).__name__)[:200])
        sys.exit(3)
