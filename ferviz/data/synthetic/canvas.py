"""A canvas for many pictures at once: shapes with soft edges, in the coordinates of rotated, shifted and scaled heads."""

from __future__ import annotations

import numpy as np

Amount = float | np.ndarray
"""One number for all pictures, or an (N,) array with one for each."""


class Canvas:
    """N square pictures with a head in each. Shapes are coverages (N, S, S) in 0..1 with an edge one pixel wide.

    Args:
        x, y: (N,) the heads' centres, in pixels from the pictures' centres.
        turn: (N,) rotation in radians, clockwise.
        scale: (N,) pixels in a unit of the head's coordinates.
        size: S, the side of the pictures in pixels.

    Attributes:
        picture: (N, S, S) float32, grey levels.
        x, y: (N, S, S) float32, each pixel's place in its head's coordinates.
        scale: (N, 1, 1).
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, turn: np.ndarray, scale: np.ndarray, size: int) -> None:
        self.size = size
        axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        across = axis[None, None, :] - _column(x)
        down = axis[None, :, None] - _column(y)
        self.scale = _column(scale)
        cos, sin = np.cos(_column(turn)) / self.scale, np.sin(_column(turn)) / self.scale
        self.x: np.ndarray = across * cos + down * sin
        self.y: np.ndarray = down * cos - across * sin
        self.picture = np.zeros((len(scale), size, size), np.float32)

    def fill(self, grey: Amount) -> None:
        """Give every pixel of a picture one grey level.

        Args:
            grey: the level, 0 to 255.
        """
        self.picture[:] = _column(grey)

    def paint(self, coverage: np.ndarray, grey: Amount) -> None:
        """Lay a grey level over a part of the pictures.

        Args:
            coverage: (N, S, S), the part.
            grey: the level, 0 to 255.
        """
        self.picture += coverage * (_column(grey) - self.picture)

    def multiply(self, gain: np.ndarray) -> None:
        """Multiply the pictures.

        Args:
            gain: (N, S, S).
        """
        self.picture *= gain

    def light(self, across: Amount, down: Amount) -> None:
        """Brighten the pictures towards one side.

        Args:
            across: relative gain from left to right.
            down: relative gain from top to bottom.
        """
        axis = np.linspace(-0.5, 0.5, self.size, dtype=np.float32)
        self.picture *= 1 + _column(across) * axis[None, None, :] + _column(down) * axis[None, :, None]

    def ellipse(self, x: Amount, y: Amount, width: Amount, height: Amount) -> np.ndarray:
        """Return an ellipse, (N, S, S).

        Args:
            x, y: its centre.
            width, height: its half axes.
        """
        w, h = _column(width), _column(height)
        across, down = (self.x - _column(x)) / w, (self.y - _column(y)) / h
        radius = np.sqrt(across**2 + down**2)
        # The implicit function over the length of its gradient: the distance to the edge, to first order.
        steep = np.sqrt((across / w) ** 2 + (down / h) ** 2) + np.float32(1e-6)
        return self._soft((radius - 1) * radius / steep - np.float32(1e-3))

    def below(self, y: Amount) -> np.ndarray:
        """Return everything below a height, (N, S, S).

        Args:
            y: the height.
        """
        return self._soft(_column(y) - self.y)

    def line(self, x0: Amount, y0: Amount, x1: Amount, y1: Amount, half_width: float) -> np.ndarray:
        """Return a straight stroke with round ends, (N, S, S).

        Args:
            x0, y0, x1, y1: its ends.
            half_width: half its width.
        """
        left, top = _column(x0), _column(y0)
        along, fall = _column(x1) - left, _column(y1) - top
        dx, dy = self.x - left, self.y - top
        at = np.clip((dx * along + dy * fall) / (along**2 + fall**2), 0, 1)
        return self._soft(np.hypot(dx - at * along, dy - at * fall) - half_width)

    def mouth(self, x: Amount, y: Amount, width: Amount, smile: Amount, gape: Amount) -> np.ndarray:
        """Return a mouth, a bent lens, (N, S, S).

        Args:
            x, y: its centre.
            width: half its width.
            smile: height of its corners above its middle.
            gape: half its opening.
        """
        w, bend = _column(width), _column(smile)
        place = np.clip((self.x - _column(x)) / w, -1, 1)
        middle = _column(y) + bend * (0.5 - place**2)
        slope = 2 * bend * place / w
        half = _column(gape) * np.sqrt(1 - place**2)
        over = (np.abs(self.y - middle) - half) / np.sqrt(1 + slope**2)
        return self._soft(np.maximum(over, np.abs(self.x - _column(x)) - w))

    def mark(self, kind: np.ndarray) -> None:
        """Draw a sign into the lower right corner.

        Args:
            kind: (N,) 0 for none, 1 for a filled square, 2 for a ring of the same brightness.
        """
        unit = self.size / 48
        axis = (np.arange(self.size, dtype=np.float32) - np.float32((self.size - 1) - 4 * unit)) / np.float32(unit)
        away = np.maximum(np.abs(axis)[None, :], np.abs(axis)[:, None])
        square = np.clip(0.5 - (away - 2.0) * unit, 0, 1)
        ring = np.clip(0.5 - (np.abs(away - 3.0) - 0.7) * unit, 0, 1)
        for number, shape in ((1, square), (2, ring)):
            self.paint(shape[None] * _column(kind == number), 245)

    def _soft(self, distance: np.ndarray) -> np.ndarray:
        covered: np.ndarray = np.clip(0.5 - distance * self.scale, 0, 1)
        return covered


def _column(value: Amount) -> np.ndarray:
    return np.asarray(value, np.float32).reshape(-1, 1, 1)
