"""The detectors' networks: the one that is part of ferviz, and where the others come from, their SHA-256, and fetching them once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.files import cache_dir, sha256
from ferviz.paths import exists, is_file, unseen


@dataclass(frozen=True)
class Download:
    """One file of a detector.

    Attributes:
        name: its file name.
        url: where its authors publish it.
        sha256: the hash that its bytes must have.
    """

    name: str
    url: str
    sha256: str


_SSD = "https://raw.githubusercontent.com/opencv/opencv_3rdparty/8033c2bc31b3256f0d461c919ecc01c2428ca03b/"
_EXTRA = "https://raw.githubusercontent.com/opencv/opencv_extra/4.x/testdata/dnn/"

DOWNLOADS: dict[str, tuple[Download, ...]] = {
    "ssd": (
        Download(
            "opencv_face_detector_uint8.pb",
            _SSD + "opencv_face_detector_uint8.pb",
            "5c71d752ef2cbf2f457ac82fdd580fcb2522fd04c5efdaed18eb6d9e2843fbed",
        ),
        Download(
            "opencv_face_detector.pbtxt",
            _EXTRA + "opencv_face_detector.pbtxt",
            "5397808362fc6fb7c4044484848e297b22449d913a267fa7f8bd9d86dce29144",
        ),
    ),
}
"""Detector -> its files; the first is the one that `detector_model` names. SSD: Apache-2.0."""


SHIPPED: dict[str, Path] = {"yunet": Path(__file__).resolve().parents[2] / "assets" / "yunet.onnx"}
"""Detector -> its network that ferviz brings along. YuNet: MIT, `face_detection_yunet_2026may.onnx` of the OpenCV Zoo."""


def download_folder() -> Path:
    """Return the folder of fetched files (it may not exist yet)."""
    return cache_dir("detectors")


def cached_model(detector: str) -> Path | None:
    """Return the path of a detector's network that ferviz brings along or has fetched, or None where it (or a part of it) is not there.

    Args:
        detector: one of SHIPPED or DOWNLOADS; others have no such network.
    """
    if detector in SHIPPED:
        return SHIPPED[detector] if is_file(SHIPPED[detector]) else None
    paths = [download_folder() / file.name for file in DOWNLOADS.get(detector, ())]
    return paths[0] if paths and all(is_file(path) for path in paths) else None


def fetch(detector: str, mirror: str | None = None) -> Path:
    """Fetch a detector's files into the cache, unless they are there.

    Every file's SHA-256 is checked, also in the cache; a file that differs is fetched again.

    Args:
        detector: one of DOWNLOADS.
        mirror: a URL under which the same files lie with the same names, instead of their authors' URLs.

    Returns:
        The path of the detector's network.

    Raises:
        UnknownNameError: the detector has no files to fetch.
        UsageError: pooch is missing.
        ModelError: a file cannot be fetched, or its bytes are not the expected ones.
    """
    if detector not in DOWNLOADS:
        raise UnknownNameError("detector with files to fetch", detector, DOWNLOADS)
    try:
        import pooch
        import requests
    except ImportError:
        raise UsageError(f"fetching {detector} needs pooch; pip install pooch, or pass --detector-model FILE") from None
    pooch.get_logger().setLevel("WARNING")
    for file in DOWNLOADS[detector]:
        url = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url
        path = download_folder() / file.name
        if is_file(path) and sha256(path) == file.sha256:
            continue
        try:
            downloader = pooch.HTTPDownloader(timeout=30)
            pooch.retrieve(url, f"sha256:{file.sha256}", file.name, download_folder(), downloader=downloader)
        except requests.exceptions.RequestException as error:
            status = getattr(error.response, "status_code", None)
            reason = f"the server answers {status}" if status else "no connection"
            raise ModelError(
                f"{file.name} cannot be fetched from {url} ({reason}); try again online, or pass the file with --detector-model"
            ) from error
        except ValueError as error:  # what pooch raises when the hash differs; the file is gone then
            raise ModelError(
                f"{url} gives another file than the expected one (SHA-256 {file.sha256[:12]}...), which was deleted; try another --mirror"
            ) from error
        except OSError as error:
            raise ModelError(
                f"{file.name} cannot be written to {download_folder()} ({error.strerror or error}); set FERVIZ_CACHE to another folder"
            ) from error
    model = cached_model(detector)
    assert model is not None
    return model


def model_path(detector: str, model: str | None) -> Path:
    """Return the file of a detector's network: the user's, or the one that is ready.

    Args:
        detector: one of SHIPPED or DOWNLOADS.
        model: the user's file, or None.

    Raises:
        ModelError: there is no such file; the message says what to do.
    """
    path = Path(model) if model else cached_model(detector)
    if path is None and detector in SHIPPED:
        raise ModelError(f"{SHIPPED[detector]} is missing from this installation; install ferviz again")
    if path is None:
        raise ModelError(
            f"{detector} needs its network; run 'ferviz detectors get {detector}' once, or pass --detector-model FILE"
        )
    if not is_file(path):
        reason = "is not a file; check --detector-model" if exists(path) else unseen(path)
        raise ModelError(f"the detector's network {path} {reason}")
    return path
