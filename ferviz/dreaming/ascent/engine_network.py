"""Any engine's network as the ascent in NumPy needs it: pictures in 0..1, tensors, and gradients at the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferviz.dreaming.parameterizations.parameterization import Vjp
from ferviz.engines.base import INPUT, LOGITS
from ferviz.errors import ModelError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


class EngineNetwork:
    """A model's network at one picture size, reached through the primitives that every engine has.

    Args:
        model: the model that dreams.
        size: (h, w) of the pictures; None = the model's own.

    Raises:
        ModelError: for a network that does not take pictures of this size.
    """

    def __init__(self, model: Model, size: tuple[int, int] | None = None) -> None:
        self.model = model
        self.size = (*(size or model.input.size), model.input.channels)
        native = (model.input.height, model.input.width)
        if not all(own in (None, side) for own, side in zip(native, self.size[:2], strict=True)):
            raise ModelError(
                f"{model.name} only takes pictures of {native[0]} x {native[1]} pixels, not {self.size[0]} x {self.size[1]}; "
                "dream at its own size"
            )

    def preprocess(self, pictures: np.ndarray) -> tuple[np.ndarray, Vjp]:
        """Scale pictures as the network takes them; see `scaled_vjp`.

        Args:
            pictures: (N, h, w, c) float32 in 0..1.

        Returns:
            The batch (N, h, w, c) float32, and a function from the gradient at the batch to that at the pictures.
        """
        return scaled_vjp(self.model.input, pictures)

    def tensors(self, batch: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        """Compute the tensors that objectives read.

        Args:
            batch: (N, h, w, c) float32, from `preprocess`.
            layers: addresses of layers; LOGITS is a name too.

        Returns:
            {name: (N, ...) float32, channels last}.
        """
        engine = self.model.engine
        inner = [name for name in layers if name != LOGITS]
        tensors = dict(zip(inner, engine.activations(batch, inner), strict=True)) if inner else {}
        return {name: engine.logits(batch) if name == LOGITS else tensors[name] for name in layers}

    def gradient(self, batch: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
        """Compute the gradient of the sum of `weights[name] * tensors[name]` at the batch.

        Args:
            batch: (N, h, w, c) float32, from `preprocess`.
            weights: {name: (N, ...) float32}, in the shapes of `tensors`.

        Returns:
            (N, h, w, c) float32.

        Raises:
            ModelError: where the engine has no gradient at the picture.
        """
        gradient = np.zeros(batch.shape, np.float32)
        for name, weight in weights.items():
            rows = np.ascontiguousarray(weight, np.float32)[:, None]
            gradient += self.model.engine.gradients(batch, INPUT, rows, of=name)[1][:, 0]
        return gradient


def scaled_vjp(spec: InputSpec, pictures: np.ndarray) -> tuple[np.ndarray, Vjp]:
    """Scale pictures as `InputSpec.preprocess` does, and return how a gradient flows back through it, in NumPy.

    Args:
        spec: the network's input spec.
        pictures: (N, h, w, c) float32 in 0..1.

    Returns:
        The batch (N, h, w, c) float32, and a function from the gradient at the batch to that at the pictures.
    """
    turned = spec.channels == 3 and spec.order == "bgr"
    values = pictures[..., ::-1] if turned else pictures
    batch, back = _standardized(spec, values) if spec.scaling == "standardize" else _ranged(spec, values)

    def vjp(gradient: np.ndarray) -> np.ndarray:
        gradient = back(gradient)
        return gradient[..., ::-1] if turned else gradient

    return np.ascontiguousarray(batch, np.float32), vjp


def _ranged(spec: InputSpec, values: np.ndarray) -> tuple[np.ndarray, Vjp]:
    factor, offset = {"0..1": (1.0, 0.0), "-1..1": (2.0, -1.0), "0..255": (255.0, 0.0)}[spec.scaling]
    return values * np.float32(factor) + np.float32(offset), lambda gradient: gradient * np.float32(factor)


def _standardized(spec: InputSpec, values: np.ndarray) -> tuple[np.ndarray, Vjp]:
    values = values * np.float32(255.0 / spec.unit)
    factor = np.float32(255.0 / spec.unit)
    if spec.mean is not None:
        mean, deviation = (spread(numbers, values.shape[1:3]) for numbers in (spec.mean, spec.std))
        return (values - mean) / deviation, lambda gradient: gradient * (factor / deviation)
    axes = (1, 2, 3)
    deviation = np.maximum(values.std(axes, keepdims=True), 1e-6)
    batch = (values - values.mean(axes, keepdims=True)) / deviation

    def vjp(gradient: np.ndarray) -> np.ndarray:
        along = batch * (gradient * batch).mean(axes, keepdims=True)
        return (gradient - gradient.mean(axes, keepdims=True) - along) * (factor / deviation)

    return batch, vjp


def spread(numbers: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bring the numbers of an input spec to a form that broadcasts over pictures.

    Args:
        numbers: (), (c,), (h, w) or (h, w, c).
        size: (h, w) of the pictures; maps of another size are resized by linear interpolation.

    Returns:
        float32, as it is for one number or one for each channel, else (*size, c).
    """
    import cv2

    numbers = np.asarray(numbers, np.float32)
    if numbers.ndim < 2:
        return numbers
    maps = numbers[..., None] if numbers.ndim == 2 else numbers
    if maps.shape[:2] == tuple(size):
        return maps
    return cv2.resize(maps, (size[1], size[0]), interpolation=cv2.INTER_LINEAR).reshape(*size, maps.shape[2])  # type: ignore[no-any-return]
