"""The registry of face detectors. An entry is a class (or function) that takes a model path or None and returns a `Detector`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from ferviz.errors import UnknownNameError
from ferviz.faces.detectors.detector import Detector
from ferviz.registry import Registry

DETECTORS: Registry[Callable[..., Detector]] = Registry("detector", group="ferviz.detectors")
DETECTORS.add("yunet", "YuNet, best and fastest, with landmarks; always ready", "ferviz.faces.detectors.yunet:YuNet")
DETECTORS.add("ssd", "OpenCV's SSD on 300 x 300 pixels; fetched once", "ferviz.faces.detectors.ssd:SSD")
DETECTORS.add("mtcnn", "MTCNN, with landmarks; needs the package mtcnn, slow", "ferviz.faces.detectors.mtcnn:MTCNN")
DETECTORS.add("haar", "OpenCV's Haar cascade: upright frontal faces", "ferviz.faces.detectors.haar:Haar")

AUTO, NONE = "auto", "none"
PREFERENCE = ("yunet", "haar")
"""The order in which `auto` looks for a detector that is ready to run; measured in benchmarks/results.md."""

SUFFIXES = {".xml": "haar", ".pb": "ssd", ".onnx": "yunet"}
"""Suffix of a model file -> its detector, for `auto`."""


def detectors() -> dict[str, str]:
    """Return {name: one line} of everything that `find_faces` and --detector accept."""
    auto = "the whole picture if it is a face crop, otherwise the best detector that is ready"
    return {AUTO: auto, **DETECTORS.summaries(), NONE: "the whole picture"}


def open_detector(name: str = AUTO, model: str | None = None) -> Detector:
    """Return a detector, ready to run; the same object again for the same arguments in the same thread.

    Args:
        name: one of DETECTORS, or "auto" for the one that the suffix of `model` belongs to, or else the best that is ready.
        model: path of the detector's own network, where it needs one that is not in the cache.

    Raises:
        UnknownNameError: there is no such detector.
        ModelError: the network is missing, is not such a network, or crashes what runs it.
        UntrustedModelError: the network could run code of its own.
        UsageError: a package must be installed first.
    """
    if name == AUTO:
        suffix = model[model.rfind(".") :].lower() if model and "." in model else ""
        name = SUFFIXES.get(suffix) or best_detector()
    if name not in DETECTORS:
        raise UnknownNameError("detector", name, detectors())
    # OpenCV's detectors keep buffers between calls: one object must not serve two threads at once.
    return _opened(name, model, threading.get_ident())


def best_detector() -> str:
    """Return the name of the best detector that runs without a further installation or download."""
    for name in PREFERENCE:
        if name in DETECTORS and getattr(DETECTORS[name], "available", lambda: True)():
            return name
    return PREFERENCE[-1]


@functools.lru_cache(maxsize=8)
def _opened(name: str, model: str | None, thread: int) -> Detector:
    from ferviz.faces.detectors.harmless import check_harmless

    check_harmless(name, model)
    return DETECTORS[name](model)
