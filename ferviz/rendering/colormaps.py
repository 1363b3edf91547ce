"""Colour maps: numbers to colours whose differences look as large as they are.

Amounts (0 and up) take one of matplotlib's perceptually uniform maps (viridis, inferno, magma by S. van der Walt and N. Smith,
cividis by J. Nunez, C. Anderton and R. Renslow; CC0). Their tables lie in `assets/colormaps.npy`, so that drawing never imports
matplotlib. Signed numbers take a diverging map that is computed here in Oklab (B. Ottosson, 2020): lightness falls equally fast
from white in the middle to blue (against) and to red (for), so neither sign looks stronger than the other.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from ferviz.errors import UnknownNameError

SEQUENTIAL = ("viridis", "inferno", "magma", "cividis")
"""Maps for amounts, in the order of the tables in `assets/colormaps.npy`."""

DIVERGING = "blue-red"
"""The map for signed numbers; its middle is zero."""

_LIGHTEST, _DARKEST, _CHROMA = 0.985, 0.46, 0.17
_FACE_GREY = 0.6  # the lightness of the grey 128
_BLUE, _RED = 255.0, 28.0  # hue angles in Oklab, degrees

Colors = npt.NDArray[np.uint8]


@cache
def table(name: str) -> Colors:
    """Return the colours of a map.

    Args:
        name: one of SEQUENTIAL, DIVERGING, or any other that matplotlib has.

    Returns:
        (256, 3) uint8 RGB, from the lowest value to the highest; not writeable.

    Raises:
        UnknownNameError: another name.
    """
    if name == DIVERGING:
        rgb = _diverging()
    elif name in SEQUENTIAL:
        with resources.files("ferviz").joinpath("assets/colormaps.npy").open("rb") as file:
            rgb = np.load(file, allow_pickle=False)[SEQUENTIAL.index(name)]
    else:
        rgb = _of_matplotlib(name)
    rgb.setflags(write=False)
    return rgb


def colors(values: np.ndarray, vmax: float, signed: bool = False, name: str | None = None) -> Colors:
    """Return one colour a value.

    Args:
        values: any shape, float; values that are not numbers are drawn as zero.
        vmax: > 0, the value (with `signed`, the magnitude) that takes the map's end; what lies beyond is cut off.
        signed: zero is the middle of the map, else its beginning.
        name: the map; None = inferno, or DIVERGING if signed.

    Returns:
        (..., 3) uint8 RGB.
    """
    scaled = np.nan_to_num(np.asarray(values, np.float32) / np.float32(vmax), nan=0.0, posinf=1.0, neginf=-1.0)
    steps = (scaled + 1) / 2 if signed else scaled
    index = np.clip(np.rint(steps * 255), 0, 255).astype(np.uint8)
    return table(name or (DIVERGING if signed else "inferno"))[index]


def _of_matplotlib(name: str) -> Colors:
    from matplotlib import colormaps

    if name not in colormaps:
        raise UnknownNameError("colour map", name, list(dict.fromkeys((*SEQUENTIAL, DIVERGING, *colormaps))))
    return np.rint(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)


def _diverging() -> Colors:
    position = np.linspace(-1, 1, 256)
    amount = np.abs(position)
    hue = np.deg2rad(np.where(position < 0, _BLUE, _RED))
    lightness = _LIGHTEST + (_DARKEST - _LIGHTEST) * amount
    chroma = _CHROMA * amount
    return oklab_to_srgb(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1))


def tints(values: np.ndarray) -> Colors:
    """Return the colours that signed values lay over a grey picture: blue below zero, red above.

    Unlike DIVERGING, which is drawn on paper, they do not run through white: near zero they are as light as the grey of an average
    face, and both signs darken alike.

    Args:
        values: (n,) float, -1..1.

    Returns:
        (n, 3) uint8.
    """
    hue = np.deg2rad(np.where(values < 0, _BLUE, _RED))
    lightness = _FACE_GREY + (_DARKEST - _FACE_GREY) * np.abs(values) ** 2
    return oklab_to_srgb(np.stack([lightness, _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], axis=-1))


def oklab_to_srgb(lab: np.ndarray) -> Colors:
    """Return colours of Oklab in sRGB, cut to what sRGB can show.

    Args:
        lab: (..., 3) float: lightness 0..1, a, b.

    Returns:
        (..., 3) uint8.

    References:
        Ottosson, A perceptual color space for image processing, 2020.
    """
    mix = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ mix.T) ** 3 @ to_rgb.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)
