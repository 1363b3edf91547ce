"""The ways in which a network may want its pictures: value ranges, sizes, order of resizing, order of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ferviz.models.input_spec import InputSpec


@dataclass(frozen=True)
class Preprocessing:
    """One way to feed a network. name: in words, e.g. "z-score a pixel". spec: what `InputSpec.preprocess` follows. statistics: where mean
    and deviation come from: "picture", "data", "pixel", "imagenet", "half" (no data at all), "given" (the network's own
    setting), or "" without any. sized: the network takes pictures of any size, and this is one that is tried."""

    name: str
    spec: InputSpec
    statistics: str = ""
    sized: bool = False


def feeds(current: InputSpec, images: np.ndarray) -> list[Preprocessing]:
    """Return every value range worth trying, the network's present one first.

    current: how the network is fed now; size, channels, resizing and channel order are kept. images: (N, H, W) or (N, H, W, 3) uint8, the
    faces that z-scores over a data set are computed from (training faces where there are any).
    """
    plain = replace(current, mean=None, std=None, unit=1.0, assumed=())
    grey = images if images.ndim == 3 else images.mean(axis=3, dtype=np.float32)
    some = grey[:: max(1, len(grey) // 8192)].astype(np.float32)
    mean, std = float(some.mean()), float(some.std())
    out = [
        Preprocessing("0..1", replace(plain, scaling="0..1")),
        Preprocessing("-1..1", replace(plain, scaling="-1..1")),
        Preprocessing("0..255", replace(plain, scaling="0..255")),
        Preprocessing("0..1 less a half", replace(plain, scaling="standardize", mean=0.5, std=1.0, unit=255.0), "half"),
        Preprocessing("z-score of each picture", replace(plain, scaling="standardize"), "picture"),
        Preprocessing(
            "z-score of the data", replace(plain, scaling="standardize", mean=mean, std=max(std, 1e-3)), "data"
        ),
    ]
    pixel = _sized(some.mean(axis=0), current), np.maximum(_sized(some.std(axis=0), current), 1e-3)
    if len(some) > 1 and current.height and current.width:
        out.append(
            Preprocessing(
                "z-score of each pixel", replace(plain, scaling="standardize", mean=pixel[0], std=pixel[1]), "pixel"
            )
        )
    if current.channels == 3:
        # What keras.applications' backbones were trained with ("torch" and "caffe" in its preprocess_input).
        torch = replace(plain, scaling="standardize", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), unit=255.0)
        caffe = replace(plain, scaling="standardize", mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), order="bgr")
        out += [
            Preprocessing("ImageNet's mean and deviation", torch, "imagenet"),
            Preprocessing("ImageNet's mean, BGR", caffe, "imagenet"),
        ]
    own = next((f for f in out if same(f.spec, current)), None)
    if own is None:
        own = Preprocessing("as it is fed now", current, "given")
    return [own, *(f for f in out if f is not own)]


def all_feeds(current: InputSpec, images: np.ndarray, tried: np.ndarray) -> list[Preprocessing]:
    """Return `feeds`, with both orders of the channels where that can be told, and in three usual sizes where the network takes any.

    images: see `feeds`. tried: the faces that will be fed; their own size is one of the three. Today's feed is the first.
    """
    free = not (current.height and current.width)
    sides = list(dict.fromkeys([current.default_side, max(tried.shape[1:3]), 96, 48]))[:3]
    specs = [replace(current, height=int(s), width=int(s)) for s in sides] if free else [current]
    out = [replace(f, sized=free) for spec in specs for f in feeds(spec, images)]
    if coloured(tried) and current.channels == 3:
        out += [replace(f, spec=turned(f.spec)) for f in out if f.statistics != "imagenet"]
    return out


def turned(spec: InputSpec) -> InputSpec:
    """Return the spec with its channels in the other order."""
    return replace(spec, order="bgr" if spec.order == "rgb" else "rgb")


def variants(feed: Preprocessing, images: np.ndarray) -> list[Preprocessing]:
    """Return the feed with its resizing done at the other moment, where that makes a difference."""
    if tuple(images.shape[1:3]) == feed.spec.size:
        return []
    return [replace(feed, spec=replace(feed.spec, resize="float" if feed.spec.resize == "uint8" else "uint8"))]


def coloured(images: np.ndarray) -> bool:
    """Return whether the faces have colours, so that the order of the channels can be told."""
    return images.ndim == 4 and bool((images[:256, ..., 0] != images[:256, ..., 2]).any())


def same(a: InputSpec, b: InputSpec) -> bool:
    """Return whether two specs feed a network the same values."""
    if (a.scaling, a.order, a.resize, a.size, a.channels) != (b.scaling, b.order, b.resize, b.size, b.channels):
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


def _sized(statistic: np.ndarray, spec: InputSpec) -> np.ndarray:
    height, width = spec.size
    if statistic.shape == (height, width):
        return statistic
    return np.asarray(cv2.resize(statistic, (width, height), interpolation=cv2.INTER_LINEAR))
