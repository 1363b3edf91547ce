"""The candidates of preprocessing: value ranges, sizes, order of resizing, order of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ferviz.models.input_spec import InputSpec


@dataclass(frozen=True)
class Preprocessing:
    """One way to preprocess faces for a network.

    Attributes:
        name: the value range in words, e.g. "z-score of each pixel".
        spec: what `InputSpec.preprocess` follows.
        statistics: the source of mean and deviation: "picture", "data", "pixel", "imagenet", "half" (no data at all), "given" (the
            network's own setting), or "" without any.
        sized: the network takes pictures of any size, and this size is one of those that are tried.
    """

    name: str
    spec: InputSpec
    statistics: str = ""
    sized: bool = False

    @property
    def title(self) -> str:
        """The name, with the order of the channels, the size, the crop and the equalisation where they were varied."""
        bgr = " BGR" if self.spec.order == "bgr" and "BGR" not in self.name else ""
        height, width = self.spec.size
        crop = f", centre crop of {self.spec.crop_pct:.0%}" if self.spec.crop_pct < 1 else ""
        equal = ", equalised" if self.spec.equalize else ""
        return self.name + bgr + (f" at {height}x{width}" if self.sized else "") + crop + equal


def value_ranges(current: InputSpec, images: np.ndarray) -> list[Preprocessing]:
    """Return every value range worth trying, the network's present one first.

    Args:
        current: the network's present spec; its size, channels, resizing and channel order are kept.
        images: (N, H, W) or (N, H, W, 3) uint8, the faces that z-scores over a data set are computed from (training faces where there
            are any).
    """
    plain = replace(current, mean=None, std=None, unit=1.0, assumed=())
    grey = images if images.ndim == 3 else images.mean(axis=3, dtype=np.float32)
    part = grey[:: max(1, len(grey) // 8192)].astype(np.float32)
    mean, std = float(part.mean()), float(part.std())
    standard = replace(plain, scaling="standardize")
    out = [
        Preprocessing("0..1", replace(plain, scaling="0..1")),
        Preprocessing("-1..1", replace(plain, scaling="-1..1")),
        Preprocessing("0..255", replace(plain, scaling="0..255")),
        Preprocessing("0..1 less a half", replace(standard, mean=0.5, std=1.0, unit=255.0), "half"),
        Preprocessing("z-score of each picture", standard, "picture"),
        Preprocessing("z-score of the data", replace(standard, mean=mean, std=max(std, 1e-3)), "data"),
    ]
    pixel = _resized(part.mean(axis=0), current), np.maximum(_resized(part.std(axis=0), current), 1e-3)
    if len(part) > 1 and current.height and current.width:
        out.append(Preprocessing("z-score of each pixel", replace(standard, mean=pixel[0], std=pixel[1]), "pixel"))
    out += [replace(p, spec=replace(p.spec, equalize=not current.equalize)) for p in out[:2]]
    if current.channels == 3:
        # The preprocessing of keras.applications' backbones ("torch" and "caffe" in its preprocess_input).
        torch = replace(standard, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), unit=255.0)
        caffe = replace(standard, mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), order="bgr")
        out += [
            Preprocessing("ImageNet's mean and deviation", torch, "imagenet"),
            Preprocessing("ImageNet's mean, BGR", caffe, "imagenet"),
        ]
    own = next((p for p in out if equivalent(p.spec, current)), None)
    if own is None:
        own = Preprocessing("as it is now", current, "given")
    return [own, *(p for p in out if p is not own)]


def candidates(current: InputSpec, images: np.ndarray, tried: np.ndarray) -> list[Preprocessing]:
    """Return the value ranges, with both orders of the channels where the faces have colours, and in three usual sizes where the network
    takes any.

    Args:
        current: the network's present spec, which is the first candidate.
        images: see `value_ranges`.
        tried: the faces of the check; their own size is one of the three.
    """
    free = not (current.height and current.width)
    sides = list(dict.fromkeys([current.default_side, max(tried.shape[1:3]), 96, 48]))[:3]
    specs = [replace(current, height=int(s), width=int(s)) for s in sides] if free else [current]
    out = [replace(p, sized=free) for spec in specs for p in value_ranges(spec, images)]
    if has_colours(tried) and current.channels == 3:
        out += [replace(p, spec=swap_channels(p.spec)) for p in out if p.statistics != "imagenet"]
    return out


def swap_channels(spec: InputSpec) -> InputSpec:
    """Return a spec with its channels in the other order.

    Args:
        spec: a spec of three channels.
    """
    return replace(spec, order="bgr" if spec.order == "rgb" else "rgb")


def variants(preprocessing: Preprocessing, images: np.ndarray, free: bool = False) -> list[Preprocessing]:
    """Return what may be done to the pictures besides: resizing after scaling instead of before (or the reverse), where that makes a
    difference; equalising their histograms (or not); cutting out their centre.

    Args:
        preprocessing: the preprocessing.
        images: the faces.
        free: the network takes pictures of any size, so that the usual crop (44 of 48 pixels) is tried.
    """
    spec, out = preprocessing.spec, []
    sides = tuple(images.shape[1:3])
    cropped = (
        replace(spec, crop_pct=_usual_crop(spec, sides, free)) if spec.crop_pct == 1 else replace(spec, crop_pct=1.0)
    )
    if free and spec.crop_pct == 1:
        height, width = (max(8, round(side * cropped.crop_pct)) for side in spec.size)
        cropped = replace(cropped, height=height, width=width)
    if sides != spec.size:
        out.append(replace(spec, resize="float" if spec.resize == "uint8" else "uint8"))
    out.append(replace(spec, equalize=not spec.equalize))
    if cropped.crop_pct != spec.crop_pct:
        out += [cropped, replace(cropped, equalize=not spec.equalize)]
    fits = _fits_everywhere(spec)
    return [replace(preprocessing, spec=other) for other in out if fits or other.size == spec.size]


CROP = 44 / 48
"""The usual centre crop of FER2013's faces."""


def _usual_crop(spec: InputSpec, sides: tuple[int, ...], free: bool) -> float:
    """-> the share of the faces' sides that a network's own size is, where that is a usual crop; else 1."""
    if free:
        return CROP
    shares = {own / side for own, side in zip(spec.size, sides, strict=True)}
    share = min(shares)
    return share if len(shares) == 1 and 0.8 <= share < 1 else 1.0


def _fits_everywhere(spec: InputSpec) -> bool:
    """Whether mean and deviation do not belong to one size of pictures."""
    return spec.mean is None or max(np.ndim(spec.mean), np.ndim(spec.std)) < 2


def has_colours(images: np.ndarray) -> bool:
    """Return whether faces have colours, so that they show the order of the channels.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
    """
    return images.ndim == 4 and bool((images[:256, ..., 0] != images[:256, ..., 2]).any())


def equivalent(a: InputSpec, b: InputSpec) -> bool:
    """Return whether two specs give a network the same values.

    Args:
        a, b: the specs.
    """
    first, second = ((s.scaling, s.order, s.resize, s.size, s.channels, s.equalize, s.crop_pct) for s in (a, b))
    if first != second:
        return False
    if a.scaling != "standardize":
        return True
    if (a.mean is None) != (b.mean is None):
        return False
    if a.mean is None:
        return True
    return all(
        np.allclose(np.broadcast_to(x * a.unit, _shape(x, y)), y * b.unit, rtol=1e-3)
        for x, y in ((a.mean, b.mean), (a.std, b.std))
    )


def _shape(a: np.ndarray, b: np.ndarray) -> Sequence[int]:
    return np.broadcast_shapes(np.shape(a), np.shape(b))


def _resized(statistic: np.ndarray, spec: InputSpec) -> np.ndarray:
    height, width = spec.size
    if statistic.shape == (height, width):
        return statistic
    return np.asarray(cv2.resize(statistic, (width, height), interpolation=cv2.INTER_LINEAR))
