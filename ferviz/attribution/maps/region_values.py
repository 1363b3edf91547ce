"""The values of a face's regions, as the methods that ask region by region leave them in an explanation's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import crop_landmarks
from ferviz.faces.landmarks.points import affine
from ferviz.faces.regions import MERGED, REGIONS

KINDS = {
    "": "regions",
    "hide_one/": "regions_hide_one",
    "show_one/": "regions_show_one",
    "low/": "regions_low",
    "high/": "regions_high",
}
"""Prefix of a method's details -> the name in a face's record."""

_SHOWN = 4  # regions named in a line
_LABELLED = 0.15  # of the largest value; regions with less have no label on the picture
_PLACES = {
    "background": (3, 4), "forehead": (23.5, 6), "brows": (12.5, 12), "eyes": (34, 18), "nose": (23.5, 25), "cheeks": (11, 29),
    "mouth": (23.5, 36), "chin": (23.5, 44),
}  # fmt: skip
"""Where a region's label stands, in the template's frame."""


def region_records(
    settings: Mapping[str, Any], face: int, targets: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the values of a face's regions as plain data.

    Args:
        settings: of an explanation.
        face: the face's number.
        targets: names of the targets.

    Returns:
        {"regions": {target: {region: value}}} and, where the method has them, the same under the other names of KINDS; {} for a
        method without regions.
    """
    details = settings.get("details", {})
    records = {}
    for prefix, name in KINDS.items():
        if all(f"{prefix}{region}" in details for region in REGIONS):
            records[name] = {
                target: {region: round(details[f"{prefix}{region}"][face][number], 4) for region in REGIONS}
                for number, target in enumerate(targets)
            }
    return records


def region_line(settings: Mapping[str, Any], face: int, number: int, target: str) -> str:
    """Return the values of a face's regions as a line of text, the largest first, with their sum; "" for a method without them.

    Args:
        settings: of an explanation.
        face: the face's number.
        number: the target's.
        target: the target's name.
    """
    values = region_records(settings, face, [*[""] * number, target]).get("regions", {}).get(target)
    if not values:
        return ""
    ranked = sorted(REGIONS, key=lambda region: -abs(values[region]))
    parts = [f"{region} {values[region]:+.2f}" for region in ranked[:_SHOWN]]
    parts.append(f"the other {len(ranked) - _SHOWN} {sum(values[region] for region in ranked[_SHOWN:]):+.2f}")
    merged = "; ".join(f"{name} together {sum(values[p] for p in members):+.2f}" for name, members in MERGED.items())
    details = settings["details"]
    if "seen" not in details:
        return f"{target}: {', '.join(parts)}; {merged}"
    seen, hidden = details["seen"][face][number], details["hidden"][face][number]
    total = f"sum {seen - hidden:+.2f} = {seen:+.2f} (whole face) less {hidden:+.2f} (all hidden)"
    return f"{target}: {', '.join(parts)}; {total}; {merged}"


def region_labels(
    settings: Mapping[str, Any], index: int, face: Face, targets: Sequence[str]
) -> tuple[tuple[tuple[float, float, str], ...], ...]:
    """Return the names and values to write on a face's maps.

    Args:
        settings: of an explanation.
        index: the face's number.
        face: the face, with landmarks.
        targets: names of the targets.

    Returns:
        For each target (x, y, text), x and y in 0..1 of the face; () for a method without regions.
    """
    records = region_records(settings, index, targets).get("regions")
    if not records or face.landmarks is None:
        return ()
    height, width = face.pixels.shape[:2]
    places = np.column_stack([list(_PLACES.values()), np.ones(len(_PLACES))]) @ affine(crop_landmarks(face)).T
    middle = dict(zip(_PLACES, ((places + 0.5) / [width, height]).tolist(), strict=True))
    labels: list[tuple[tuple[float, float, str], ...]] = []
    for values in records.values():
        least = _LABELLED * max(abs(value) for value in values.values())
        shown = [name for name, value in values.items() if abs(value) >= least > 0]
        labels.append(tuple((middle[name][0], middle[name][1], f"{name} {values[name]:+.1f}") for name in shown))
    return tuple(labels)
