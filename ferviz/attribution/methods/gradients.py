"""Methods that read the gradient at the picture itself: which pixels would change the target, or did."""

from __future__ import annotations

import numpy as np

from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import INPUT, Array
from ferviz.errors import UsageError


def saliency(picture: Array, gradient: Array, *, signed: bool = False) -> Array:
    """Saliency: max over the colours of |G|, or with `signed` the sum over the colours of G.

    Args:
        picture: (N, h, w, c).
        gradient: G, (N, T, h, w, c).
        signed: keep the sign of the gradient.

    Returns:
        (N, T, h, w).

    References:
        Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014, section 3.1.
    """
    return gradient.sum(-1) if signed else np.abs(gradient).max(-1)


def gradient_x_input(picture: Array, gradient: Array) -> Array:
    """Gradient x input: the sum over the colours of G * x, in the network's own units; signed.

    Args:
        picture: x, (N, h, w, c).
        gradient: G, (N, T, h, w, c).

    Returns:
        (N, T, h, w).

    References:
        Shrikumar et al., Not Just a Black Box: Learning Important Features Through Propagating Activation Differences, 2016.
    """
    return np.einsum("nhwc,nthwc->nthw", picture, gradient, optimize=True)


def guided_backprop(request: MethodInput, *, signed: bool = False) -> MethodOutput:
    """Guided backpropagation: the gradient at the picture where every ReLU also stops negative gradients.

    It draws the picture's edges whatever the class and even whatever the later weights are: pretty, and no explanation.

    Args:
        request: the pictures, the network and the targets.
        signed: as for `saliency`.

    References:
        Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR workshop 2015, section 3.4.
        Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
    """
    picture, gradient, logits = request.guided_gradients(INPUT)
    return MethodOutput(saliency(picture, gradient, signed=signed), logits)


def smoothgrad(request: MethodInput, *, samples: int = 32, noise: float = 0.15, signed: bool = False) -> MethodOutput:
    """SmoothGrad: the mean of the signed gradients of `samples` noisy copies, then as saliency.

    Every picture gets the same noise, drawn from `request.seed`, so that a face's map does not depend on the faces beside it.

    Args:
        request: the pictures, the network and the targets.
        samples: how many noisy copies.
        noise: standard deviation of the Gaussian noise, as a share of each picture's range.
        signed: as for `saliency`.

    Raises:
        UsageError: fewer than one sample, or negative noise.

    References:
        Smilkov et al., SmoothGrad: removing noise by adding noise, 2017, section 3.
    """
    if samples < 1 or noise < 0:
        raise UsageError(f"smoothgrad needs samples >= 1 and noise >= 0, not {samples} and {noise}")
    n, shape = len(request), request.batch.shape[1:]
    total = np.zeros((n, request.weights.shape[1], *shape), np.float64)
    spread = noise * np.ptp(request.batch, axis=(1, 2, 3), keepdims=True)[:, None]
    rng = np.random.default_rng(request.seed)
    group = max(1, request.batch_size // n)
    for start in range(0, samples, group):
        drawn = rng.standard_normal((min(group, samples - start), *shape), np.float32)
        noisy = (request.batch[:, None] + spread * drawn).astype(np.float32)
        total += _gradients(request, noisy).sum(1)
    mean = (total / samples).astype(np.float32)
    return MethodOutput(saliency(request.batch, mean, signed=signed), request.logits)


def integrated_gradients(request: MethodInput, *, steps: int = 32, baseline: str | float = "black") -> MethodOutput:
    """Integrated gradients: (x - x') times the mean gradient on the way from a baseline x' to the picture x; signed.

    The pixels should add up to S(x) - S(x'); `details` holds by how much they miss it ("completeness_error") and S(x) - S(x')
    ("difference"), each (N, T).

    Args:
        request: the pictures, the network and the targets.
        steps: points on the way, the midpoints of as many equal pieces.
        baseline: see `MethodInput.baseline`.

    Raises:
        UsageError: fewer than one step, or an unknown baseline.

    References:
        Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, eq. 1 and 3.
    """
    if steps < 1:
        raise UsageError(f"integrated gradients need steps >= 1, not {steps}")
    n, start = len(request), request.baseline(baseline)
    way = request.batch - start
    total = np.zeros((n, request.weights.shape[1], *request.batch.shape[1:]), np.float64)
    group = max(1, request.batch_size // n)
    points = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    for first in range(0, steps, group):
        shares = points[first : first + group]
        between = start[:, None] + shares[None, :, None, None, None] * way[:, None]
        total += _gradients(request, between).sum(1)
    maps = (total / steps * way[:, None]).sum(-1)
    difference = request.full_scores - request.scores(start)
    error = maps.sum((2, 3)) - difference
    details = {"completeness_error": error.astype(np.float32), "difference": difference}
    return MethodOutput(maps.astype(np.float32), request.logits, details)


def _gradients(request: MethodInput, pictures: Array) -> Array:
    """pictures (N, S, h, w, c) -> the gradients at them, (N, S, T, h, w, c)."""
    n, samples = pictures.shape[:2]
    flat = pictures.reshape(n * samples, *pictures.shape[2:])
    weights = np.repeat(request.logit_weights, samples, axis=0)
    _, gradient, _ = request.engine.gradients(flat, INPUT, weights)
    return gradient.reshape(n, samples, *gradient.shape[1:])
