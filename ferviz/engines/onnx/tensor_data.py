"""The arrays of an ONNX file, read so that no size in the file decides over memory: an array has the bytes that it says, or is refused."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import ModelError
from ferviz.printable import printable

MAX_ELEMENTS = 1 << 29
"""The most numbers in one array: 2 GiB of float32, more than a file may have."""

_DTYPES: dict[int, str] = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
_BFLOAT16 = 16
_FIELDS = {1: "float_data", 11: "double_data", 7: "int64_data", 12: "uint64_data", 13: "uint64_data"}
_EXTERNAL = 1


def read_tensor(tensor: Any, folder: Path | None, where: str) -> np.ndarray:
    """Return a TensorProto as an array; numbers of any floating type become float32.

    Args:
        tensor: the TensorProto.
        folder: the folder of the file, in which weights may lie in files of their own; None = nowhere.
        where: the file, for messages.

    Raises:
        ModelError: its bytes are not as many as its shape needs, its type has no numbers, or its data lies outside of the folder.
    """
    name = printable(tensor.name, 80) or "without a name"
    sizes = tuple(int(size) for size in tensor.dims)
    count = math.prod(sizes)
    if len(sizes) > 8 or any(size < 0 for size in sizes) or count > MAX_ELEMENTS:
        raise ModelError(f"{where} is damaged: its array {name!r} has the impossible shape {printable(str(sizes), 80)}")
    kind = int(tensor.data_type)
    if kind not in _DTYPES and kind != _BFLOAT16:
        raise ModelError(
            f"{where} keeps its array {name!r} in ONNX's type {kind}, which holds no numbers that ferviz reads"
        )
    dtype = np.dtype(_DTYPES.get(kind, "<u2"))
    if tensor.data_location == _EXTERNAL:
        values = np.frombuffer(_external(tensor, folder, where, name, count * dtype.itemsize), dtype)
    elif tensor.raw_data:
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise ModelError(
                f"{where} is damaged: its array {name!r} has {len(tensor.raw_data):,} bytes instead of {count * dtype.itemsize:,}"
            )
        values = np.frombuffer(tensor.raw_data, dtype)
    else:
        values = _listed(getattr(tensor, _FIELDS.get(kind, "int32_data")), kind, dtype)
        if values.size != count:
            raise ModelError(f"{where} is damaged: its array {name!r} has {values.size:,} numbers instead of {count:,}")
    if kind == _BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    values = values.reshape(sizes)
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def external_file(tensor: Any) -> str:
    """Return the name of the file that an array lies in, "" for one in the network's own file.

    Args:
        tensor: the TensorProto, which `read_tensor` has read.
    """
    if tensor.data_location != _EXTERNAL:
        return ""
    return next((str(entry.value) for entry in tensor.external_data if entry.key == "location"), "")


def _listed(field: Any, kind: int, dtype: np.dtype) -> np.ndarray:
    values = np.array(field, np.float64 if dtype.kind == "f" and kind != 10 else np.int64 if kind != 13 else np.uint64)
    if kind == 10:  # half precision stands there as its bits
        return values.astype(np.uint16).view(np.float16)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _external(tensor: Any, folder: Path | None, where: str, name: str, size: int) -> bytes:
    """-> the bytes of an array that lies in a file beside the network."""
    entries = {str(entry.key): str(entry.value) for entry in list(tensor.external_data)[:16]}
    location = entries.get("location", "")
    shown = printable(location, 80)
    if folder is None:
        raise ModelError(f"{where} keeps weights in a file beside it ({shown}); give its path instead of its content")
    parts = Path(location.replace("\\", "/"))
    inside = bool(location) and not parts.is_absolute() and ".." not in parts.parts and ":" not in location
    path = folder / parts
    try:
        if not inside or "\0" in location or not path.resolve().is_relative_to(folder.resolve()):
            raise ModelError(f"{where} keeps weights outside of its folder ({shown}), which ferviz does not read")
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ModelError(f"{where} keeps weights in {shown}, which is no regular file")
        start = int(entries.get("offset", "0") or 0)
        length = int(entries.get("length", "") or facts.st_size - start)
    except OSError as error:
        raise ModelError(
            f"{where} keeps its weights in the file {shown}, which is not beside it ({error.strerror}); copy both files into one folder"
        ) from error
    except ValueError as error:
        raise ModelError(f"{where} is damaged: it does not say where in {shown} its array {name!r} lies") from error
    if start < 0 or length != size or start + length > facts.st_size:
        raise ModelError(f"{where} is damaged: {shown} does not hold the {size:,} bytes of its array {name!r}")
    with path.open("rb") as stream:
        stream.seek(start, os.SEEK_SET)
        return stream.read(length)
