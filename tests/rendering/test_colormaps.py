import subprocess
import sys

import numpy as np
import pytest

from ferviz.errors import UnknownNameError
from ferviz.rendering.colormaps import DIVERGING, SEQUENTIAL, colors, table


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* (0..100) of sRGB colours, worked out here on its own."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_tables_are_matplotlibs(name):
    import matplotlib

    theirs = np.rint(np.array(matplotlib.colormaps[name](np.arange(256)))[:, :3] * 255)
    np.testing.assert_allclose(table(name), theirs, atol=1)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_equal_steps_look_equal(name):
    steps = np.diff(lightness(table(name).astype(float))[::16])
    assert (steps > 0).all()
    # The maps are even in CAM02-UCS; near black L* is not, so the darkest step may differ. A rainbow map fails by its sign.
    assert steps[1:].max() < 1.7 * steps[1:].min()


def test_both_signs_look_equally_strong():
    light = lightness(table(DIVERGING).astype(float))
    np.testing.assert_allclose(light, light[::-1], atol=6)
    assert light[127] > 97
    assert (np.diff(light[128:][::8]) < 0).all()
    assert (np.diff(light[:128][::8]) > 0).all()


def test_signs_have_their_colours():
    against, nothing, for_ = colors(np.array([-1.0, 0.0, 1.0]), 1.0, signed=True).astype(int)
    assert against[2] > against[0] + 80
    assert for_[0] > for_[2] + 80
    assert np.ptp(nothing) <= 6
    assert nothing.min() > 240


def test_values_beyond_the_scale_and_no_numbers():
    got = colors(np.array([-3.0, 0.0, 2.0, 9.0, np.nan, np.inf]), 2.0, name="viridis")
    ends = table("viridis")
    np.testing.assert_array_equal(got, ends[[0, 0, 255, 255, 0, 255]])


def test_unknown_map():
    with pytest.raises(UnknownNameError, match="did you mean 'viridis'"):
        table("viridi")


def test_drawing_imports_no_framework_and_no_matplotlib():
    code = (
        "import sys, numpy as np\n"
        "from ferviz.rendering.sheets.sheet import Cell, Sheet\n"
        "from ferviz.rendering.sheets.overlays import explanation_picture\n"
        "from ferviz.rendering.sheets import activation_grids as grids\n"
        "face = np.zeros((48, 48, 3), np.uint8)\n"
        "explanation_picture(Sheet('a', 'b', (Cell(face, np.ones((1, 4, 4)), ('c',)),), 1.0, False))\n"
        "grids.layer_grid([face], [('a', np.ones((1, 4, 4)))], ['x'], title='t')\n"
        "print([m for m in ('matplotlib', 'cv2', 'tensorflow', 'keras', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
