"""MTCNN with landmarks, through the package `mtcnn` (an extra: it needs TensorFlow and is slow, but contains its weights)."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path

import numpy as np

from ferviz.errors import UsageError
from ferviz.faces.detectors.detector import Detection
from ferviz.images import Pixels
from ferviz.native_logs import IMPORTING, QUIET, silenced
from ferviz.paths import is_file

# The package counts the levels of its pyramid from the picture's size alone, as if this were the smallest face: with a larger value
# the last level is smaller than its network's 12 pixels, and the answer is "no face" (with 24, at every second size of picture).
_MIN_FACE = 20


class MTCNN:
    """MTCNN, in three stages.

    The weights are pickles, and the package would load `./pnet.lz4` from the working directory: it is only ever given absolute
    paths.

    Args:
        model: the folder with pnet.lz4, rnet.lz4 and onet.lz4; None = the package's own.

    Raises:
        UsageError: the package or one of the files is missing.

    References:
        Zhang, Zhang, Li, Qiao: Joint face detection and alignment using multitask cascaded convolutional networks (SPL 2016).
    """

    name = "mtcnn"
    threshold = 0.8
    max_pixels = 600_000

    @staticmethod
    def available() -> bool:
        """Return whether the package is installed (without importing it)."""
        return util.find_spec("mtcnn") is not None

    def __init__(self, model: str | None = None) -> None:
        package = util.find_spec("mtcnn")
        if package is None or package.origin is None:
            raise UsageError(
                "the detector mtcnn is not installed; pip install mtcnn==1.0.0, or use --detector yunet or haar"
            )
        folder = Path(model).resolve() if model else Path(package.origin).resolve().parent / "assets" / "weights"
        weights = [folder / f"{stage}net.lz4" for stage in "pro"]
        if not all(is_file(path) for path in weights):
            raise UsageError(f"{folder} does not hold pnet.lz4, rnet.lz4 and onet.lz4; leave the detector's model out")
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        os.environ["KERAS_BACKEND"] = "tensorflow"
        try:
            with IMPORTING, silenced():
                import mtcnn
                from mtcnn.stages import StageONet, StagePNet, StageRNet

                stages = zip((StagePNet, StageRNet, StageONet), weights, strict=True)
                self._net = mtcnn.MTCNN(stages=[stage(weights=str(path)) for stage, path in stages])
        except ImportError as error:
            raise UsageError(f"mtcnn is installed but lacks {error.name}; pip install {error.name}") from error

    def detect(self, pixels: Pixels, threshold: float, min_size: float) -> list[Detection]:
        """Detect faces as `Detector.detect` does, with landmarks.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            threshold: minimum score, 0..1.
            min_size: minimum side of a box, in pixels.
        """
        faces = self._net.detect_faces(
            pixels,
            fit_to_image=False,
            box_format="xyxy",
            min_face_size=_MIN_FACE,
            threshold_onet=threshold,
        )
        # The package names eyes and mouth corners as the viewer sees them; ours are the person's own.
        order = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        detections = []
        for face in faces:
            points = np.array([face["keypoints"][name] for name in order], np.float32)
            left, top, right, bottom = (float(v) for v in face["box"])
            if (
                min(right - left, bottom - top) > 0
                and max(right - left, bottom - top) >= min_size
                and face["confidence"] >= threshold
            ):
                detections.append(Detection((left, top, right, bottom), float(min(face["confidence"], 1.0)), points))
        return detections
