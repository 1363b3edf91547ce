"""The gate before OpenCV, which trusts the files of detectors: known ones pass at once, others are tried in a process of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2

from ferviz.errors import ModelError, UntrustedModelError
from ferviz.faces.detectors.downloads import DOWNLOADS, cached_model
from ferviz.files import sha256
from ferviz.known_files import is_known, is_shipped, probe, remember
from ferviz.paths import is_file

_KIND = "detector"
_CHILD = "ferviz.faces.detectors.detector_child"
_RUN_BY_OPENCV = ("yunet", "ssd", "haar")
_SECONDS, _MEMORY = 30, 3 * 1024**3


def check_harmless(detector: str, model: str | None) -> None:
    """Let a detector's file pass if its hash is known or if detecting with it, in a process of its own, does no harm.

    Files that are missing pass as well: opening them says so.

    Args:
        detector: a name from the registry; those that do not run on OpenCV have no such file.
        model: the user's file; None = the one that is ready.

    Raises:
        ModelError: the file is no such network, or it crashes OpenCV.
        UntrustedModelError: the file could run code of its own.
    """
    if detector == "mtcnn" and model is not None:
        raise UntrustedModelError(
            f"{model} is not read: MTCNN's weights are pickles, which can run code; leave the detector's model out to use the package's own"
        )
    path = Path(model) if model else cached_model(detector)
    if detector not in _RUN_BY_OPENCV or path is None or not is_file(path):
        return
    try:
        digests = [sha256(file) for file in _files(detector, path)]
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error}); check --detector-model") from error
    published = {file.sha256 for file in DOWNLOADS.get(detector, ())}
    if all(digest in published or is_shipped(digest) for digest in digests):
        return
    digest = hashlib.sha256("".join(digests).encode()).hexdigest()
    if is_known(_KIND, digest, detector, cv2.__version__):
        return
    from ferviz.sandbox import Limits

    limits = Limits(seconds=_SECONDS, memory=_MEMORY + 4 * path.stat().st_size)
    advice = "fetch the network again, or leave the detector's model out"
    probe(str(path), _CHILD, detector, str(path.absolute()), limits=limits, runtime="OpenCV", advice=advice)
    remember(_KIND, digest, detector, cv2.__version__)


def _files(detector: str, path: Path) -> Iterable[Path]:
    if detector != "ssd":
        return [path]
    from ferviz.faces.detectors.ssd import description

    return [path, description(path)]
