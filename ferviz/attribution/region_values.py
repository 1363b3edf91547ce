"""The values of a face's regions, as the methods that ask region by region leave them in an explanation's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    total = f"sum {seen - hidden:+.2f} = {seen:+.2f} (whole face) - {hidden:+.2f} (all hidden)"
    return f"{target}: {', '.join(parts)}; {total}; {merged}"
