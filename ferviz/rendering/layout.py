"""Putting pictures beside, above and around each other on white paper."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from ferviz.rendering.text import PAPER


def beside(blocks: Sequence[Image.Image], gap: int = 0, align: str = "top") -> Image.Image:
    """Return the blocks in one row, `gap` pixels apart. align: "top", "middle" or "bottom"."""
    height = max(b.height for b in blocks)
    made = Image.new("RGB", (sum(b.width for b in blocks) + gap * (len(blocks) - 1), height), PAPER)
    left = 0
    for block in blocks:
        made.paste(block, (left, _offset(height - block.height, align)))
        left += block.width + gap
    return made


def stack(blocks: Sequence[Image.Image], gap: int = 0, align: str = "left") -> Image.Image:
    """Return the blocks in one column, `gap` pixels apart. align: "left", "middle" or "right"."""
    width = max(b.width for b in blocks)
    made = Image.new("RGB", (width, sum(b.height for b in blocks) + gap * (len(blocks) - 1)), PAPER)
    top = 0
    for block in blocks:
        made.paste(block, (_offset(width - block.width, align), top))
        top += block.height + gap
    return made


def grid(blocks: Sequence[Image.Image], columns: int, gap: tuple[int, int]) -> Image.Image:
    """Return the blocks row by row in cells as large as the largest; gap: (across, down) in pixels."""
    width, height = max(b.width for b in blocks), max(b.height for b in blocks)
    columns = min(columns, len(blocks))
    rows = -(-len(blocks) // columns)
    made = Image.new("RGB", (columns * (width + gap[0]) - gap[0], rows * (height + gap[1]) - gap[1]), PAPER)
    for number, block in enumerate(blocks):
        row, column = divmod(number, columns)
        made.paste(block, (column * (width + gap[0]), row * (height + gap[1])))
    return made


def sized(block: Image.Image, width: int, height: int | None = None, align: str = "left") -> Image.Image:
    """Return the block on paper of the given size (height None: its own); what does not fit is cut off."""
    made = Image.new("RGB", (width, height or block.height), PAPER)
    made.paste(block, (_offset(width - block.width, align), 0))
    return made


def margin(block: Image.Image, pixels: int) -> Image.Image:
    """Return the block with `pixels` of paper on each side."""
    made = Image.new("RGB", (block.width + 2 * pixels, block.height + 2 * pixels), PAPER)
    made.paste(block, (pixels, pixels))
    return made


def _offset(spare: int, align: str) -> int:
    return {"top": 0, "left": 0, "middle": spare // 2, "bottom": spare, "right": spare}[align]
