"""Which faces of a result: a number, a slice, a boolean mask or indices, as NumPy takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ferviz.errors import UsageError

Selection: TypeAlias = "int | slice | Sequence[int] | Sequence[bool] | np.ndarray"
"""What `[...]` of a result with many faces takes."""


def positions(which: Selection, count: int) -> npt.NDArray[np.int64]:
    """Return the positions that a selection means.

    Args:
        which: a number from 0 (negative ones count from the end), a slice, a boolean mask of `count` values, or indices, of which
            each may come several times.
        count: how many faces there are.

    Returns:
        (M,) int64, 0 to `count` - 1.

    Raises:
        IndexError: there is no such face.
        UsageError: the mask has another length, or the selection is none of these.
    """
    if isinstance(which, slice):
        return np.arange(count, dtype=np.int64)[which]
    at = np.asarray(which)
    if at.dtype == bool:
        if at.shape != (count,):
            raise UsageError(f"a mask of shape {at.shape} does not fit {count} faces; it needs one value for each face")
        return np.flatnonzero(at).astype(np.int64)
    if at.size and at.dtype.kind not in "iu":
        raise UsageError(f"faces are selected by numbers, a slice or a mask of True and False, not {which!r:.60}")
    if at.ndim > 1:
        raise UsageError(f"indices of shape {at.shape} do not select faces; they need one dimension")
    return np.arange(count, dtype=np.int64)[np.atleast_1d(at).astype(np.int64)]  # raises IndexError
