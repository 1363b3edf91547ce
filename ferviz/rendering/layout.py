"""Arranging pictures beside and above each other on white paper."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from ferviz.rendering.marks import paper, place
from ferviz.rendering.text import PAPER


def hstack(blocks: Sequence[Image.Image], gap: int = 0, align: str = "top") -> Image.Image:
    """Return blocks in one row.

    Args:
        blocks: RGB pictures.
        gap: pixels between two blocks.
        align: "top", "middle" or "bottom".
    """
    height = max(b.height for b in blocks)
    out = paper((sum(b.width for b in blocks) + gap * (len(blocks) - 1), height), PAPER)
    left = 0
    for block in blocks:
        place(out, block, (left, _offset(height - block.height, align)))
        left += block.width + gap
    return out


def vstack(blocks: Sequence[Image.Image], gap: int = 0, align: str = "left") -> Image.Image:
    """Return blocks in one column.

    Args:
        blocks: RGB pictures.
        gap: pixels between two blocks.
        align: "left", "middle" or "right".
    """
    width = max(b.width for b in blocks)
    out = paper((width, sum(b.height for b in blocks) + gap * (len(blocks) - 1)), PAPER)
    top = 0
    for block in blocks:
        place(out, block, (_offset(width - block.width, align), top))
        top += block.height + gap
    return out


def grid(blocks: Sequence[Image.Image], columns: int, gap: tuple[int, int]) -> Image.Image:
    """Return blocks row by row, in cells as large as the largest block.

    Args:
        blocks: RGB pictures.
        columns: cells in a row, at most.
        gap: pixels between two cells, (across, down).
    """
    width, height = max(b.width for b in blocks), max(b.height for b in blocks)
    columns = min(columns, len(blocks))
    rows = -(-len(blocks) // columns)
    out = paper((columns * (width + gap[0]) - gap[0], rows * (height + gap[1]) - gap[1]), PAPER)
    for number, block in enumerate(blocks):
        row, column = divmod(number, columns)
        place(out, block, (column * (width + gap[0]), row * (height + gap[1])))
    return out


def resize_canvas(block: Image.Image, width: int, height: int | None = None, align: str = "left") -> Image.Image:
    """Return a block on paper of another size; what does not fit is cut off.

    Args:
        block: an RGB picture.
        width, height: of the paper, in pixels; the height None = the block's own.
        align: "left", "middle" or "right".
    """
    out = paper((width, height or block.height), PAPER)
    place(out, block, (_offset(width - block.width, align), 0))
    return out


def add_margin(block: Image.Image, pixels: int) -> Image.Image:
    """Return a block with paper around it.

    Args:
        block: an RGB picture.
        pixels: on each side.
    """
    out = paper((block.width + 2 * pixels, block.height + 2 * pixels), PAPER)
    place(out, block, (pixels, pixels))
    return out


def _offset(spare: int, align: str) -> int:
    return {"top": 0, "left": 0, "middle": spare // 2, "bottom": spare, "right": spare}[align]
