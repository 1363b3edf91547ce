"""Which method, at which layer, to take for a network: what `ferviz trust --write` kept, or what was measured for networks of its kind."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ferviz.engines.protocols import ForwardOnly, supports
from ferviz.errors import FervizError, ModelError
from ferviz.models.bundled import ASSETS
from ferviz.models.compiled.explainer import is_taught
from ferviz.models.model import Model
from ferviz.models.sidecar import find_sidecar, read_sidecar

FILE = ASSETS / "trust_recommendations.json"

TAUGHT = ("fastshap", "adjusted-fastshap")
"""The methods that only a network which was taught to explain itself has (`ferviz teach`)."""

BUDGETS = (1, 20, 500)
"""Passes through the network a face, for each of which there is a recommendation."""


@dataclass(frozen=True)
class Recommendation:
    """A method to take.

    Attributes:
        method: its name in the registry.
        layer: the layer to look at; None = the method's own choice.
        reason: why, in words.
    """

    method: str
    layer: str | None
    reason: str


def recommended(model: Model, passes: int) -> Recommendation:
    """Return the method that is best for a network.

    Args:
        model: the network.
        passes: through the network that it may take a face, one of BUDGETS.

    Returns:
        What was measured for this very network, if a method passed the test at this price more often than noise does; else what was
        measured for networks of its kind: those whose last map has about as many cells. For a network without gradients or without
        maps of layers it may cost more than that: the methods that cost little need both.

    Raises:
        ModelError: the network's sidecar cannot be read.
    """
    own, lack = _kept(model), lack_of_gradients(model)
    for price in [price for price in BUDGETS if price >= passes] if lack else [passes]:
        choice = _choice(own, price, "this network") if own else None
        if choice and (choice.method not in TAUGHT or is_taught(model)):
            return choice
    kind, passes = _nearest(model), BUDGETS[-1] if lack else passes
    general = _choice(kind, passes, kind["name"])
    if general is not None and general.method in TAUGHT and not is_taught(model):
        general = _choice(kind, passes, f"{kind['name']} without its explainer", "untaught")
    assert general is not None
    why = (
        f"at {_price(passes)} no method passes the test on this network more often than noise; {general.reason}"
        if own
        else f"{lack}{'; ' if lack else ''}{general.reason}; for this one ferviz trust --write finds out"
    )
    return Recommendation(general.method, None, why)


def lack_of_gradients(model: Model) -> str:
    """Return why a network has no gradients at a map, which Grad-CAM and everything else that costs little look at; "" where it has.

    Args:
        model: the network.
    """
    if supports(model.engine, ForwardOnly):
        return "it has no gradients here"
    return (
        "" if any(layer.spatial and len(layer.shape) == 3 for layer in model.layers) else "it has no layer with a map"
    )


def recommended_layer(model: Model, method: str) -> str | None:
    """Return the layer at which a method passed the test most often on a network; None where that was not measured.

    Args:
        model: the network.
        method: the method's name.

    Raises:
        ModelError: the network's sidecar cannot be read, or names a layer that the network does not have.
    """
    own = _kept(model)
    layer = own["layers"].get(method) if own else None
    if layer is not None and layer not in [known.name for known in model.layers]:
        raise ModelError(f"the sidecar of {model.name} recommends layer {layer!r}, which the network does not have")
    return layer


def kept_placement(model: Model, layer: str) -> Mapping[str, Any] | None:
    """Return where the cells of a layer were measured to look, as plain data; None where nothing was kept about it.

    Args:
        model: the network.
        layer: the layer's name.

    Raises:
        ModelError: the network's sidecar cannot be read.
    """
    places = (_kept(model) or {}).get("placement", [])
    return next((place for place in places if place["layer"] == layer), None)


def _choice(report: Mapping[str, Any], passes: int, network: str, key: str = "recommendation") -> Recommendation | None:
    best = report[key].get(str(passes))
    if best is None:
        return None
    share, faces = round(100 * best["better"]), best.get("assessable", report["assessable"])
    reason = f"better than a centre blob on {share} % of {faces} faces, the best of {network} at {_price(passes)}"
    return Recommendation(best["method"], best["layer"], reason)


def _price(passes: int) -> str:
    return "one pass" if passes == 1 else f"up to {passes} passes"


def _nearest(model: Model) -> Mapping[str, Any]:
    """-> of the reports that ferviz brings along, the one of networks whose last map has about as many cells; else the first."""
    try:
        layer = model.layer(model.default_layer()[0])
    except FervizError:  # a network without maps
        return _shipped()[0]
    side = min((side for side in layer.shape[:2] if side), default=0)
    return min(_shipped(), key=lambda report: abs(math.log(report["cells"] / side))) if side else _shipped()[0]


def _kept(model: Model) -> Mapping[str, Any] | None:
    """-> the report that was measured for this very network: of those that ferviz brings along, or in the sidecar of its file."""
    shipped = [report for report in _shipped() if report["model_sha256"] == model.sha256]
    if shipped:
        return shipped[0]
    path = find_sidecar(model.origin.path) if model.file_name is not None else None
    report = read_sidecar(path).trust.get("report") if path else None
    try:
        return _checked(report) if report is not None and report["model_sha256"] == model.sha256 else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: trust.report cannot be read ({error}); run ferviz trust --write again") from error


def _checked(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """-> the report, whose recommendations are texts and shares. Raises ValueError, KeyError, TypeError or AttributeError else."""
    for best in report["recommendation"].values():
        if best is None:
            continue
        if not (isinstance(best["method"], str) and isinstance(best["layer"], str | None)):
            raise TypeError("a method and a layer have names")
        if not isinstance(best.get("assessable", 0), int):
            raise TypeError("faces are counted")
        if not 0 <= best["better"] <= 1:
            raise ValueError("a share lies between 0 and 1")
    if not all(isinstance(name, str) for name in report["layers"].values()):
        raise TypeError("a layer has a name")
    if not isinstance(report["assessable"], int):
        raise TypeError("faces are counted")
    if not all(isinstance(place["layer"], str) for place in report.get("placement", [])):
        raise TypeError("a layer has a name")
    return report


@lru_cache(maxsize=1)
def _shipped() -> list[Mapping[str, Any]]:
    reports: list[Mapping[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["networks"]
    return [_checked(report) for report in reports]
