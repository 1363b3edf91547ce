"""tf-keras-vis' methods under our names, as a second opinion: `tf-keras-vis:gradcam` and the others in the registry."""

from __future__ import annotations

from ferviz.attribution.request import MethodInput, MethodOutput


def run_tf_keras_vis(name: str, request: MethodInput, *, expand: bool = False) -> MethodOutput:
    """Run tf-keras-vis' implementation of a method on a copy of the network.

    Args:
        name: the method as that library calls it, e.g. "gradcam".
        request: the pictures, the network and the targets.
        expand: bring the map to picture size as that library does; it aligns corners, which moves the evidence of a coarse map
            towards the border. Otherwise the map is brought there as ours are, so that the two can be compared place by place.

    Raises:
        ModelError: that library cannot run the network.
    """
    from ferviz.engines.keras.tf_keras_vis import tf_keras_vis

    raw = tf_keras_vis(request.engine, name, request.batch, request.layer, request.logit_weights, request.seed, expand)
    return MethodOutput(raw, request.logits)
