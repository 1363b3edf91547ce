"""The detectors' networks that ferviz does not carry: where they come from, their fingerprints, and fetching them once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.files import cache_dir, sha256


@dataclass(frozen=True)
class Download:
    """One file of a detector. name: its file name. url: where its makers keep it. sha256: what its bytes must be."""

    name: str
    url: str
    sha256: str


_ZOO = "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/models/face_detection_yunet/"
_SSD = "https://raw.githubusercontent.com/opencv/opencv_3rdparty/8033c2bc31b3256f0d461c919ecc01c2428ca03b/"
_EXTRA = "https://raw.githubusercontent.com/opencv/opencv_extra/4.x/testdata/dnn/"

DOWNLOADS: dict[str, tuple[Download, ...]] = {
    "yunet": (
        Download(
            "face_detection_yunet_2026may.onnx",
            _ZOO + "face_detection_yunet_2026may.onnx",
            "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        ),
    ),
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
"""Detector -> its files; the first is the one that `detector_model` names. YuNet: MIT; SSD: Apache-2.0."""


def folder() -> Path:
    """Return the folder that fetched files lie in (it may not exist yet)."""
    return cache_dir("detectors")


def fetched(detector: str) -> Path | None:
    """Return the path of a detector's network in the cache, or None where it (or a part of it) is not there."""
    paths = [folder() / file.name for file in DOWNLOADS.get(detector, ())]
    return paths[0] if paths and all(path.is_file() for path in paths) else None


def fetch(detector: str, mirror: str | None = None) -> Path:
    """Fetch a detector's files into the cache, unless they are there, and return the path of its network.

    detector: one of DOWNLOADS. mirror: a URL that holds the same files under the same names, instead of their makers' places.
    Every file's SHA-256 is checked, of those in the cache too; one that differs is fetched again.
    Raises UsageError where pooch is missing, ModelError where nothing can be fetched or the bytes are not the pinned ones.
    """
    if detector not in DOWNLOADS:
        raise UnknownNameError("detector with files to fetch", detector, DOWNLOADS)
    try:
        import pooch
        import requests
    except ImportError:
        raise UsageError(f"fetching {detector} needs pooch; pip install pooch, or bring --detector-model") from None
    pooch.get_logger().setLevel("WARNING")
    for file in DOWNLOADS[detector]:
        url = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url
        if (folder() / file.name).is_file() and sha256(folder() / file.name) == file.sha256:
            continue
        try:
            pooch.retrieve(
                url, f"sha256:{file.sha256}", file.name, folder(), downloader=pooch.HTTPDownloader(timeout=30)
            )
        except requests.exceptions.RequestException as error:
            status = getattr(error.response, "status_code", None)
            reason = f"the server answers {status}" if status else "no connection"
            raise ModelError(
                f"{file.name} cannot be fetched from {url} ({reason}); try again online, or bring the file with --detector-model"
            ) from error
        except ValueError as error:  # what pooch raises when the hash differs; the file is gone then
            raise ModelError(
                f"{url} gives another file than the pinned one (SHA-256 {file.sha256[:12]}...); it was thrown away"
            ) from error
        except OSError as error:
            raise ModelError(
                f"{file.name} cannot be kept in {folder()} ({error.strerror or error}); set FERVIZ_CACHE"
            ) from error
    path = fetched(detector)
    assert path is not None
    return path


def model_path(detector: str, given: str | None) -> Path:
    """Return the file of a detector's network: the one given, or the one in the cache. Raises ModelError with what to do."""
    path = Path(given) if given else fetched(detector)
    if path is None:
        raise ModelError(
            f"{detector} needs its network; run 'ferviz detectors get {detector}' once, or pass --detector-model FILE"
        )
    if not path.is_file():
        raise ModelError(f"the detector's network {path} is not there, or is no file; check --detector-model")
    return path
