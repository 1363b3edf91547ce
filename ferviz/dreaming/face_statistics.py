"""What faces have in common: means, spectrum and principal components of FER2013's Training faces, as a small asset.

The asset holds averages only, no single face; `tools/measure_faces.py` makes it.

Every face is brought to the same brightness and contrast first, so that the components show shape before they show
lighting, and counted together with its mirror image, so that neither side of a face is preferred.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources

import numpy as np

from ferviz.emotions import FER2013, canonical
from ferviz.errors import UsageError
from ferviz.files import PathLike
from ferviz.manifests import manifest
from ferviz.npz import write_npz

COMPONENTS = 256
"""How many components the asset holds: 92 % of the variance; with half as many, wrinkles and teeth are missing."""

CONTRAST = 0.2
"""Standard deviation of the pixels (in 0..1) that every face is brought to, about mid-grey."""


@dataclass(frozen=True)
class FaceStatistics:
    """Averages over real faces of one size, pixels in 0..1.

    Attributes:
        mean: (h, w), of all faces.
        means: (K, h, w), of each class, each with the contrast of a single face as far as its range allows.
        labels: the K class names.
        magnitude: (h, w // 2 + 1), mean |rfft2| of faces minus their own mean.
        components: (P, h, w), each scaled by the standard deviation that faces have along it.
    """

    mean: np.ndarray = field(repr=False)
    means: np.ndarray = field(repr=False)
    labels: tuple[str, ...]
    magnitude: np.ndarray = field(repr=False)
    components: np.ndarray = field(repr=False)

    def of(self, label: str) -> np.ndarray:
        """Look up the mean face of a class.

        Args:
            label: the class, by any of its names.

        Returns:
            (h, w) in 0..1; the mean of all faces where the class is not known.
        """
        name = canonical(label)
        return self.means[self.labels.index(name)] if name in self.labels else self.mean

    def sized(self, size: tuple[int, int]) -> FaceStatistics:
        """Resize the statistics.

        Args:
            size: (height, width).

        Returns:
            The same statistics for pictures of that size.
        """
        if size == self.mean.shape:
            return self
        return replace(
            self,
            mean=resized(self.mean[None], size)[0],
            means=resized(self.means, size),
            magnitude=_respaced(self.magnitude, self.mean.shape, size),
            components=resized(self.components, size),
        )


def measure(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...] = FER2013, count: int = COMPONENTS
) -> FaceStatistics:
    """Measure the statistics of faces.

    Args:
        images: (N, h, w) uint8. Pictures of one single grey are left out.
        labels: (N,) indices into `names`.
        names: the class names.
        count: P, the number of components.

    Returns:
        The statistics.

    Raises:
        UsageError: where there are fewer faces than components.
    """
    if images.ndim != 3 or len(images) < count:
        raise UsageError(f"{count} components need at least as many grey faces (N, h, w), got {images.shape}")
    faces = images.astype(np.float32) / 255.0
    deviation = faces.std((1, 2), keepdims=True)
    keep = deviation[:, 0, 0] > 0.02
    faces, labels = (faces - faces.mean((1, 2), keepdims=True))[keep] / deviation[keep] * CONTRAST, labels[keep]
    mean = _mirrored(faces.mean(0))
    covariance = np.zeros((mean.size, mean.size))
    for part in (faces, faces[:, :, ::-1]):
        flat = (part - mean).reshape(len(part), -1)
        covariance += flat.T @ flat / (2.0 * len(faces))
    variance, vectors = np.linalg.eigh(covariance)
    order = np.argsort(variance)[::-1][:count]
    scaled = vectors[:, order] * np.sqrt(np.maximum(variance[order], 0))
    # The sign of an eigenvector is arbitrary; its largest number is made positive so that every machine agrees.
    scaled *= np.sign(scaled[np.abs(scaled).argmax(0), np.arange(count)])
    means = np.stack(
        [_mirrored(faces[labels == k].mean(0)) if (labels == k).any() else mean for k in range(len(names))]
    )
    magnitude = np.abs(np.fft.rfft2(faces)).mean(0)
    return FaceStatistics(
        _lit(mean), np.stack([_lit(m) for m in means]), tuple(names), magnitude, scaled.T.reshape(count, *mean.shape)
    )


def save(statistics: FaceStatistics, path: PathLike, source: str = "") -> None:
    """Write statistics to one NPZ file: means as float16, components as int8 with a float32 scale each (a quarter of a percent).

    Args:
        statistics: what to write.
        path: the .npz file.
        source: the data they were measured on, for the manifest.
    """
    scale = np.abs(statistics.components).max((1, 2)) / 127.0
    arrays = {
        "mean": statistics.mean.astype(np.float16),
        "means": statistics.means.astype(np.float16),
        "magnitude": statistics.magnitude.astype(np.float16),
        "components": np.rint(statistics.components / scale[:, None, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
        "labels": np.array(statistics.labels),
    }
    write_npz(path, arrays, manifest(made_by="python tools/measure_faces.py", source=source))


def load(path: PathLike) -> FaceStatistics:
    """Read statistics.

    Args:
        path: a file that `save` wrote.

    Returns:
        The statistics.
    """
    with np.load(path, allow_pickle=False) as file:
        return FaceStatistics(
            file["mean"].astype(np.float32),
            file["means"].astype(np.float32),
            tuple(map(str, file["labels"])),
            file["magnitude"].astype(np.float32),
            file["components"].astype(np.float32) * file["scale"][:, None, None],
        )


@lru_cache(maxsize=1)
def face_statistics() -> FaceStatistics:
    """Read the statistics that ferviz brings along, once.

    Returns:
        The statistics of 48 x 48 pixels.
    """
    with resources.as_file(resources.files("ferviz") / "assets" / "face_statistics.npz") as path:
        return load(path)


def resized(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize maps, with half-pixel centres: by averaging where both sides shrink, else by cubic interpolation.

    Args:
        maps: (P, h, w).
        size: (height, width).

    Returns:
        (P, *size) float32.
    """
    import cv2

    smaller = size[0] < maps.shape[1] and size[1] < maps.shape[2]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.stack([cv2.resize(m.astype(np.float32), size[::-1], interpolation=how) for m in maps])


def _mirrored(face: np.ndarray) -> np.ndarray:
    return (face + face[:, ::-1]) / 2.0


def _lit(mean: np.ndarray) -> np.ndarray:
    """An average over many faces is pale; give it the contrast of one face, about mid-grey."""
    return np.clip(0.5 + (mean - mean.mean()) * (0.9 * CONTRAST / max(mean.std(), 1e-6)), 0.03, 0.97)


def _respaced(magnitude: np.ndarray, old: tuple[int, ...], new: tuple[int, int]) -> np.ndarray:
    """A spectrum for another size: the same waves per picture, none where the old one had none."""
    spaced = np.zeros((new[0], new[1] // 2 + 1), np.float32)
    across = min(spaced.shape[1], magnitude.shape[1])
    below, above = (min(new[0], old[0]) + 1) // 2, min(new[0], old[0]) // 2
    spaced[:below, :across] = magnitude[:below, :across]
    spaced[len(spaced) - above :, :across] = magnitude[len(magnitude) - above :, :across]
    return spaced * (new[0] * new[1]) / (old[0] * old[1])
