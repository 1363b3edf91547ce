"""Methods that read the gradient at the picture itself: which pixels would change the target, or did."""

from __future__ import annotations

import numpy as np

from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import INPUT, Array
from ferviz.errors import UsageError


def saliency(picture: Array, gradient: Array, *, signed: bool = False) -> Array:
    """Saliency: max over the colours of |G|, or with `signed` the sum over the colours of G.

    picture: (N, h, w, c). gradient: (N, T, h, w, c). -> (N, T, h, w).
    Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014, section 3.1.
    """
    return gradient.sum(-1) if signed else np.abs(gradient).max(-1)


def gradient_x_input(picture: Array, gradient: Array) -> Array:
    """Gradient x input: the sum over the colours of G * x, in the network's own units; signed.

    picture: (N, h, w, c). gradient: (N, T, h, w, c). -> (N, T, h, w).
    Shrikumar et al., Not Just a Black Box: Learning Important Features Through Propagating Activation Differences, 2016.
    """
    return np.einsum("nhwc,nthwc->nthw", picture, gradient, optimize=True)


def guided_backprop(question: MethodInput, *, signed: bool = False) -> MethodOutput:
    """Guided backpropagation: the gradient at the picture where every ReLU also stops negative gradients.

    It draws the picture's edges whatever the class and even whatever the later weights are (Adebayo et al., Sanity Checks for
    Saliency Maps, 2018): pretty, and no explanation. signed: as for `saliency`.
    Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR workshop 2015, section 3.4.
    """
    picture, gradient, logits = question.gradients(INPUT, guided=True)
    return MethodOutput(saliency(picture, gradient, signed=signed), logits)


def smoothgrad(question: MethodInput, *, samples: int = 32, noise: float = 0.15, signed: bool = False) -> MethodOutput:
    """SmoothGrad: the mean of the signed gradients of `samples` noisy copies, then as saliency.

    noise: standard deviation of the Gaussian noise, as a share of each picture's range. Every picture gets the same noise, drawn from
    `question.seed`, so that a face's map does not depend on the faces beside it. signed: as for `saliency`.
    Smilkov et al., SmoothGrad: removing noise by adding noise, 2017, section 3. Raises UsageError for fewer than one sample.
    """
    if samples < 1 or noise < 0:
        raise UsageError(f"smoothgrad needs samples >= 1 and noise >= 0, not {samples} and {noise}")
    n, shape = len(question), question.batch.shape[1:]
    logits = question.engine.logits(question.batch)
    weights = question.resolved(logits)
    spread = noise * np.ptp(question.batch, axis=(1, 2, 3), keepdims=True)[:, None]
    rng = np.random.default_rng(question.seed)
    total = np.zeros((n, weights.shape[1], *shape), np.float64)
    at_once = max(1, question.chunk // n)
    for start in range(0, samples, at_once):
        some = rng.standard_normal((min(at_once, samples - start), *shape), np.float32)
        noisy = (question.batch[:, None] + spread * some).astype(np.float32)
        total += _gradients(question, noisy, weights).sum(1)
    mean = (total / samples).astype(np.float32)
    return MethodOutput(saliency(question.batch, mean, signed=signed), logits)


def integrated_gradients(question: MethodInput, *, steps: int = 32, baseline: str | float = "black") -> MethodOutput:
    """Integrated gradients: (x - x') times the mean gradient on the way from a baseline x' to the picture x; signed.

    steps: points on the way, the midpoints of as many equal pieces. baseline: see `MethodInput.baseline`. The pixels should add up
    to S(x) - S(x'); by how much they do not is told in `details`, (N, T): "completeness_error".
    Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, eq. 1 and 3. Raises UsageError.
    """
    if steps < 1:
        raise UsageError(f"integrated gradients need steps >= 1, not {steps}")
    n, start = len(question), question.baseline(baseline)
    logits = question.engine.logits(question.batch)
    weights = question.resolved(logits)
    way = question.batch - start
    total = np.zeros((n, weights.shape[1], *question.batch.shape[1:]), np.float64)
    at_once = max(1, question.chunk // n)
    points = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    for first in range(0, steps, at_once):
        some = points[first : first + at_once]
        between = start[:, None] + some[None, :, None, None, None] * way[:, None]
        total += _gradients(question, between, weights).sum(1)
    maps = (total / steps * way[:, None]).sum(-1)
    everyone = np.arange(n)
    difference = question.scores(question.batch, everyone, weights) - question.scores(start, everyone, weights)
    error = maps.sum((2, 3)) - difference
    details = {"completeness_error": error.astype(np.float32), "difference": difference}
    return MethodOutput(maps.astype(np.float32), logits, details)


def _gradients(question: MethodInput, pictures: Array, weights: Array) -> Array:
    """pictures (N, S, h, w, c), weights (N, T, K) -> the gradients at them, (N, S, T, h, w, c)."""
    n, samples = pictures.shape[:2]
    flat = pictures.reshape(n * samples, *pictures.shape[2:])
    _, gradient, _ = question.engine.gradients(flat, INPUT, np.repeat(weights, samples, axis=0))
    return gradient.reshape(n, samples, *gradient.shape[1:])
