"""What a picture of an explanation shows: its title, its cells, and the lines below, which say how far to trust the maps."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferviz.attribution import titles
from ferviz.attribution.maps.region_values import region_labels, region_line
from ferviz.attribution.targets import ALL, PREDICTED
from ferviz.faces.face import captions
from ferviz.models.features import MIN_CELLS
from ferviz.printable import printable
from ferviz.rendering.sheets.sheet import Cell, Remark, Sheet, faint_note, is_signed, scale_end, scale_note

if TYPE_CHECKING:
    from ferviz.attribution.explanation import Explanation

_LINED_FACES = 2  # faces whose regions' values are written below a picture


def sheet(e: Explanation, shared_scale: bool, vmax: float | None, scaled: np.ndarray) -> Sheet:
    """Return what a picture of an explanation shows, as plain data.

    Args:
        e: the explanation, or a page of it.
        shared_scale, vmax: as for `Explanation.sheet`.
        scaled: (N, T, H, W), the maps whose values the scale covers, of which the page shows some.
    """
    signed = is_signed(list(scaled))
    origin = e.provenance
    names = captions(e.faces) if origin is None else [printable(origin.caption(i)) for i in range(len(e))]
    labels = tuple(e.predictions[0].probabilities) if e.predictions else ()
    contrast = titles.contrast(e.targets, labels)
    cells = tuple(
        Cell(
            face.pixels,
            maps,
            e.target_names(number),
            prediction.label,
            prediction.probabilities,
            names[number],
            () if shared_scale or vmax else tuple(scale_end([heat], signed) for heat in maps),
            remarks(e, number),
            region_labels(e.settings, number, face, e.target_names(number)),
        )
        for number, (face, maps, prediction) in enumerate(zip(e.faces, e.heatmaps, e.predictions, strict=True))
    )
    end = vmax or scale_end(list(scaled), signed)
    ends = "" if vmax else scale_note(list(scaled), signed, not shared_scale)
    faint = faint_note(cells, end) if shared_scale else ""
    return Sheet(
        titles.title(e.method),
        titles.subtitle(e.method, e.targets, labels, signed),
        cells,
        end,
        signed,
        (f"for {contrast[1]}", f"for {contrast[0]}") if contrast else ("against", "for"),
        (*((ends,) if ends else ()), _origin(e), *_region_notes(e), *_test_notes(e)),
        (*e.cautions(), *((faint,) if faint else ())),
    )


def remarks(e: Explanation, face: int) -> tuple[Remark, ...]:
    """Return what is remarked below the maps of a face: its verdicts; none where they were not tested.

    Args:
        e: the explanation.
        face: the face's number.
    """
    return () if e.trust is None else tuple(Remark(v.sentence, v.short, v.poor) for v in e.trust.verdicts[face])


def cautions(e: Explanation) -> tuple[str, ...]:
    """Return an explanation's warnings, and one more where its maps are coarse and no warning says so.

    Args:
        e: the explanation.
    """
    height, width = e.raw.shape[2:]
    if min(height, width) >= MIN_CELLS or any("coarse" in warning for warning in e.warnings):
        return e.warnings
    coarse = (
        f"the map has only {height}x{width} positions: it is coarse and shows the part of the face, not the feature"
    )
    return (*e.warnings, coarse)


def _region_notes(e: Explanation) -> tuple[str, ...]:
    """-> the values of the regions, a line for each target of the first faces."""
    lines = [
        region_line(e.settings, face, number, name)
        for face in range(min(len(e), _LINED_FACES))
        for number, name in enumerate(e.target_names(face))
    ]
    return tuple(line for line in lines if line)


def _test_notes(e: Explanation) -> tuple[str, ...]:
    """-> what the picture says about the test: what to ask instead, and what is not known."""
    if e.trust is None:
        return ("Not tested whether these maps point at what the network needs.",)
    lines = [alternative(e)] if alternative(e) else []
    if len(e.targets) > 1:
        reasons = {verdict.reason for row in e.trust.verdicts for verdict in row if verdict.reason}
        lines += [f"Not assessable: {reason}." for reason in sorted(reasons)]
    if not e.trust.calibrated:
        lines.append(f"The margin of the test ({e.trust.delta:g}) was not measured for this network.")
    return tuple(lines)


def alternative(e: Explanation, network: Sequence[str] | None = None, folders: bool = False) -> str:
    """Return what to ask where a map is not better than a centre blob, with the command to type; "" where there is none.

    Args:
        e: the explanation.
        network: the options that name the network; None = its file's name, and the conventions that it was loaded with.
        folders: name the picture with its folder, for the one who typed it; files tell no folders.
    """
    if e.trust is None or not any(verdict.poor for row in e.trust.verdicts for verdict in row):
        return ""
    other = next(name for name in titles.SLOW_METHODS if name != e.method)
    sources = {str(face.source) if folders else Path(face.source).name for face in e.faces}
    words = ["ferviz", "explain", sources.pop() or "PICTURE" if len(sources) == 1 else "PICTURE", "--method", other]
    if e.targets != (PREDICTED,):
        every = e.targets == tuple(e.settings.get("labels", ()))
        words += ["--target", ALL if every else ",".join(e.targets)]
    words += network if network is not None else _network_words(e)
    method = titles.title(e.method)
    where = f"{method} does not say where this network looks" if len(e) == 1 else f"there {method} says nothing"
    return f"No better than a blob: {where}. Ask {titles.title(other)}: {shlex.join(words)}"


def _network_words(e: Explanation) -> list[str]:
    """-> the options that name the network of an explanation, as far as it knows them; without folders."""
    if not e.settings.get("model_file"):
        return []
    words = ["--model", Path(e.settings["model_file"]).name]
    for name in ("labels", "scaling", "architecture"):
        value = e.settings.get(f"model_{name}")
        words += [f"--{name}", Path(value).name if name == "architecture" else value] if value else []
    return words


def _origin(e: Explanation) -> str:
    """-> the line below a picture: the map's size, its layer and the network."""
    size = "x".join(str(side) for side in e.raw.shape[2:])
    where = "" if not e.layer else " of the input picture" if e.layer == "input" else f" of layer {e.layer}"
    digest = str(e.settings.get("model_sha256") or "")
    name = printable(e.settings.get("model") or "", 80)
    network = f"; network {name}{f' ({digest[:8]})' if digest else ''}" if name else ""
    drawn = ", its cells drawn where they look" if e.settings.get("place") else ""
    return f"{size} map{where}{drawn}{network}"
