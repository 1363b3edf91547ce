"""The regions of eyes, brows, nose and mouth in a face that is framed as FER2013's are, as named bands of rows.

The bands were measured on the mean face of FER2013's training rows (48 x 48): they are about right for most faces and exactly
right for none, which is enough to say that the evidence is at the mouth, and to hide one region at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferviz.errors import UnknownNameError

BANDS = {"brows": (8, 13), "eyes": (11, 22), "nose": (22, 33), "mouth": (32, 46)}
"""Name -> first row and the row after the last, of a 48 x 48 face. Brows and eyes, nose and mouth share a row or two."""

COLUMNS = (6, 42)
"""First column and the column after the last, of every band."""

_SIDE = 48


def region(name: str, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return one region of an aligned face as a mask, (height, width) bool.

    Args:
        name: one of BANDS.
        height, width: size of the face or heatmap in pixels; a pixel belongs to the region in which its centre lies.

    Raises:
        UnknownNameError: there is no such region.
    """
    if name not in BANDS:
        raise UnknownNameError("face region", name, BANDS)
    first, last = BANDS[name]
    rows = (np.arange(height) + 0.5) * _SIDE / height
    columns = (np.arange(width) + 0.5) * _SIDE / width
    mask: npt.NDArray[np.bool_] = np.logical_and.outer(
        (rows >= first) & (rows < last), (columns >= COLUMNS[0]) & (columns < COLUMNS[1])
    )
    return mask


def regions(height: int, width: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Return every region as a mask, {name: (height, width) bool}, in the order of BANDS.

    Args:
        height, width: as for `region`.
    """
    return {name: region(name, height, width) for name in BANDS}
