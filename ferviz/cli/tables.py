"""Records of pictures and faces as plain lines for a terminal."""

from __future__ import annotations

from typing import Any

from ferviz.printable import printable


def plain_lines(record: dict[str, Any]) -> list[str]:
    """Return a picture's record as lines to read: one for each face, with its two likeliest classes and its box.

    Args:
        record: the record, as `picture_record` returns it.
    """
    lines = []
    for face in record["faces"]:
        p, label, second = face["probabilities"], face["label"], face["second"]
        also = f", {second} {p[second]:.2f}" if second else ""
        where = f"  at {face['box'][0]},{face['box'][1]} to {face['box'][2]},{face['box'][3]}" if face["box"] else ""
        lines.append(f"{printable(record['source'])}: {label} {p[label]:.2f}{also}{where}")
    return lines
