"""The bands of a face at any size."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.errors import UnknownNameError
from ferviz.faces.regions import BANDS, region, regions


def test_bands_at_their_own_size() -> None:
    for name, (first, last) in BANDS.items():
        expected = np.zeros((48, 48), bool)
        expected[first:last, 6:42] = True
        np.testing.assert_array_equal(region(name, 48, 48), expected)


@pytest.mark.parametrize("size", [(96, 96), (24, 24), (64, 48), (6, 6), (224, 224)])
def test_bands_cover_the_same_share_at_every_size(size: tuple[int, int]) -> None:
    height, width = size
    for name, mask in regions(height, width).items():
        first, last = BANDS[name]
        assert mask.shape == size
        assert mask.dtype == bool
        rows = np.nonzero(mask.any(1))[0]
        columns = np.nonzero(mask.any(0))[0]
        # the edges lie within half a pixel of where they belong
        assert abs(rows[0] - first * height / 48) <= 0.5
        assert abs(rows[-1] + 1 - last * height / 48) <= 0.5
        assert abs(columns[0] - width / 8) <= 0.5
        assert abs(columns[-1] + 1 - width * 7 / 8) <= 0.5


def test_an_unknown_region() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mouth'"):
        region("mout", 48, 48)
