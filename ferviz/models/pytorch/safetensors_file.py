"""Reading .safetensors: a JSON header with the place of each tensor, then bare numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferviz.errors import ModelError
from ferviz.printable import printable

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32,
           "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}  # fmt: skip


def read_safetensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a .safetensors file.

    Args:
        path: the file.

    Returns:
        {name: tensor}.

    Raises:
        ModelError: a tensor's place or kind is impossible.
        ValueError: the header is damaged.
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        (begin, end), shape, dtype = (
            about["data_offsets"],
            [int(side) for side in about["shape"]],
            _DTYPES.get(about["dtype"]),
        )
        count = int(np.prod(shape, dtype=np.float64))
        if dtype is None or not 0 <= begin <= end <= len(content) - start or min(shape, default=1) < 0:
            raise ModelError(
                f"{path}: the tensor {printable(name, 80)} is of an unknown kind or lies outside the file; copy the network again"
            )
        if count * dtype.itemsize != end - begin:
            raise ModelError(
                f"{path}: the tensor {printable(name, 80)} has other bytes than its shape needs; copy the network again"
            )
        raw = bytearray(content[start + begin : start + end])
        tensors[name] = torch.frombuffer(raw, dtype=dtype).reshape(shape) if raw else torch.zeros(shape, dtype=dtype)
    return tensors
