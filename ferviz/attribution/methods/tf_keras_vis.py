"""tf-keras-vis' methods under our names, to compare with: `tf-keras-vis:gradcam` and its others."""

from __future__ import annotations

from collections.abc import Callable

from ferviz.attribution.request import MethodInput, MethodOutput

NAMES = (
    ("tf-keras-vis:gradcam", "that library's Grad-CAM, at its place and size", "layer"),
    ("tf-keras-vis:gradcam++", "that library's Grad-CAM++", "layer"),
    ("tf-keras-vis:layercam", "that library's LayerCAM", "layer"),
    ("tf-keras-vis:scorecam", "that library's Score-CAM (a softmax of a softmax)", "layer"),
    ("tf-keras-vis:faster-scorecam", "that library's Score-CAM on the ten most varied channels", "layer"),
    ("tf-keras-vis:saliency", "that library's saliency", "picture"),
    ("tf-keras-vis:smoothgrad", "that library's SmoothGrad (mean of unsigned gradients)", "picture"),
)  # fmt: skip
"""(name, summary, what it looks at)."""


def asker(method: str) -> Callable[..., MethodOutput]:
    """Return the method that asks tf-keras-vis; `method` as that library's name after the colon."""

    def ask(question: MethodInput, *, expand: bool = False) -> MethodOutput:
        """Run tf-keras-vis' implementation on a copy of the network.

        expand: bring the map to picture size as that library does; it aligns corners, which moves the evidence of a coarse map
        towards the border. Otherwise the map is brought there as ours are, so that the two can be compared place by place.
        Raises ModelError where that library cannot run the network.
        """
        from ferviz.engines.tf_keras_vis import tf_keras_vis

        logits = question.engine.logits(question.batch)
        weights = question.resolved(logits)
        raw = tf_keras_vis(question.engine, method, question.batch, question.layer, weights, question.seed, expand)
        return MethodOutput(raw, logits)

    return ask
