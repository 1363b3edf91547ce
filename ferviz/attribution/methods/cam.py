"""The family of class activation maps, as arithmetic on one layer's activation and the gradient there.

Every function takes A: activation (N, h, w, C) and G: gradient (N, T, h, w, C), the gradient of the target S at A, and returns maps
(N, T, h, w); `eigencam` asks for the activation itself, because it needs no gradient. Sums over i, j run over the map, sums over k over
its channels. `relu` keeps only the evidence for the target, as the papers do; without it the map is signed and also shows the evidence
against it.
"""

from __future__ import annotations

import numpy as np

from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import Array


def gradcam(activation: Array, gradient: Array, *, relu: bool = True) -> Array:
    """Grad-CAM: relu(sum_k mean_ij(G_k) A_k).

    Args:
        activation: A, (N, h, w, C).
        gradient: G, (N, T, h, w, C).
        relu: keep only the evidence for the target.

    Returns:
        (N, T, h, w).

    References:
        Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017, eq. 1-2.
    """
    return _weighted(activation, gradient.mean((2, 3)), relu)


def gradcampp(activation: Array, gradient: Array, *, relu: bool = True) -> Array:
    """Grad-CAM++: relu(sum_k w_k A_k) with w_k = sum_ij alpha_k relu(G_k), alpha = G^2 / (2 G^2 + sum_ij(A) G^3).

    The paper's formula for Y = exp(S), without the factor exp(S), which all of a map's weights share: so neither a large nor a very
    negative logit overflows or fades. Divided by G^2, alpha is 1 / (2 + sum_ij(A) G), which small gradients cannot spoil; it counts
    only where G > 0, so it is positive on maps after a ReLU. On signed maps its denominator can vanish; there alpha is 0.

    Args:
        activation: A, (N, h, w, C).
        gradient: G, (N, T, h, w, C).
        relu: keep only the evidence for the target.

    Returns:
        (N, T, h, w).

    References:
        Chattopadhay et al., Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks, WACV 2018, eq. 10-19.
    """
    positive = np.maximum(gradient, 0)
    denominator = 2 + activation.sum((1, 2), dtype=np.float64)[:, None, None, None, :] * positive
    weights = np.divide(positive, denominator, out=np.zeros_like(denominator), where=np.abs(denominator) > 1e-6)
    return _weighted(activation, weights.sum((2, 3)).astype(np.float32), relu)


def hirescam(activation: Array, gradient: Array, *, relu: bool = True) -> Array:
    """HiResCAM: relu(sum_k G_k * A_k), without averaging the gradient first.

    Args:
        activation: A, (N, h, w, C).
        gradient: G, (N, T, h, w, C).
        relu: keep only the evidence for the target.

    Returns:
        (N, T, h, w).

    References:
        Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks, 2020, eq. 5.
    """
    return _rectified(np.einsum("nhwc,nthwc->nthw", activation, gradient, optimize=True), relu)


def layercam(activation: Array, gradient: Array, *, relu: bool = True) -> Array:
    """LayerCAM: relu(sum_k relu(G_k) * A_k).

    Args:
        activation: A, (N, h, w, C).
        gradient: G, (N, T, h, w, C).
        relu: keep only the evidence for the target.

    Returns:
        (N, T, h, w).

    References:
        Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE TIP 2021, eq. 6-8.
    """
    return hirescam(activation, np.maximum(gradient, 0), relu=relu)


def xgradcam(activation: Array, gradient: Array, *, relu: bool = True) -> Array:
    """XGrad-CAM: relu(sum_k w_k A_k) with w_k = sum_ij(A_k * G_k) / sum_ij(A_k); a channel that adds up to 0 has no weight.

    Args:
        activation: A, (N, h, w, C).
        gradient: G, (N, T, h, w, C).
        relu: keep only the evidence for the target.

    Returns:
        (N, T, h, w).

    References:
        Fu et al., Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC 2020, eq. 8.
    """
    total = np.broadcast_to(activation.sum((1, 2))[:, None], (*gradient.shape[:2], gradient.shape[-1]))
    product = np.einsum("nhwc,nthwc->ntc", activation, gradient, optimize=True)
    # A sum that is only rounding error would turn noise into a weight.
    present = np.abs(total) > 1e-6 * np.abs(activation).sum((1, 2))[:, None]
    return _weighted(activation, np.divide(product, total, out=np.zeros_like(product), where=present), relu)


def eigencam(request: MethodInput, *, relu: bool = True) -> MethodOutput:
    """Eigen-CAM: the activation's projection on its first principal component; the same for every target.

    It needs the activation alone, so that files without gradients have it, too.

    Args:
        request: the pictures, the network and the targets.
        relu: keep only the positive part.

    Raises:
        ModelError: the layer's output is not a map.

    References:
        Muhammad and Yeasin, Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020, eq. 3-5.
    """
    component = first_component(request.activation_map())[:, None]
    maps = np.repeat(_rectified(component, relu), request.weights.shape[1], axis=1)
    return MethodOutput(maps, request.logits)


def first_component(activation: Array) -> Array:
    """Return an activation's projection on its first principal component.

    A = U s V^T with one row a position; the map is A v_1. The sign of a component is free: the one is taken with which the map adds
    up to more than 0.

    Args:
        activation: A, (N, h, w, C).

    Returns:
        (N, h, w) float32.
    """
    n, h, w, channels = activation.shape
    rows = activation.reshape(n, h * w, channels).astype(np.float64)
    if channels <= h * w:
        _, vectors = np.linalg.eigh(rows.transpose(0, 2, 1) @ rows)
        projection = (rows @ vectors[..., -1:])[..., 0]
    else:
        values, vectors = np.linalg.eigh(rows @ rows.transpose(0, 2, 1))
        projection = vectors[..., -1] * np.sqrt(np.maximum(values[..., -1:], 0))
    projection *= np.where(projection.sum(1, keepdims=True) < 0, -1, 1)
    component: Array = projection.reshape(n, h, w).astype(np.float32)
    return component


def fuse(maps: list[Array]) -> Array:
    """Fuse the maps of several layers: each scaled to a largest magnitude of 1, then the strongest value at each place.

    After the fusion in LayerCAM, without its tanh. A map without evidence stays empty.

    Args:
        maps: (N, T, H, W) for each layer, all of one size.

    Returns:
        (N, T, H, W).

    References:
        Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE TIP 2021, section III-C.
    """
    scaled = []
    for layer_maps in maps:
        largest = np.abs(layer_maps).max((2, 3), keepdims=True)
        scaled.append(np.divide(layer_maps, largest, out=np.zeros_like(layer_maps), where=largest > 0))
    stacked = np.stack(scaled)
    strongest = np.abs(stacked).argmax(0)
    fused: Array = np.take_along_axis(stacked, strongest[None], 0)[0]
    return fused


def _weighted(activation: Array, weights: Array, relu: bool) -> Array:
    """sum_k weights[n,t,k] A[n,h,w,k] -> (N, T, h, w)."""
    n, h, w, channels = activation.shape
    maps = weights @ activation.reshape(n, h * w, channels).transpose(0, 2, 1)
    return _rectified(maps.reshape(n, weights.shape[1], h, w), relu)


def _rectified(maps: Array, relu: bool) -> Array:
    return np.maximum(maps, 0) if relu else maps
