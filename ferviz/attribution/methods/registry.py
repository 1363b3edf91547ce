"""The registry of attribution methods.

A method of your own is registered here (see docs/extending/write-a-method.md), or by another package through the entry-point group
`ferviz.methods`. It is then known everywhere: to `ferviz.explain`, to the command line and to the contract tests.
"""

from __future__ import annotations

from functools import partial

from ferviz.attribution.methods import (
    adjusted_fastshap,
    cam,
    fastshap,
    gradients,
    grid_shapley,
    perturbation,
    region_shapley,
    tf_keras_vis,
)
from ferviz.attribution.methods.method import LAYER, PICTURE, Method, method_from_maps
from ferviz.engines.protocols import GuidedGradients, KerasBacked, LayerInterventions
from ferviz.registry import Registry

AUTO = "auto"
"""Stands for the method that was measured to be the best for the network; it is none of its own."""

METHODS: Registry[Method] = Registry("method", "ferviz.methods")


def methods() -> dict[str, str]:
    """Return {name: a one-line summary} of every attribution method."""
    return METHODS.summaries()


_SAME = "Eigen-CAM does not look at the class: every target gets the same map"
_EDGES = "guided backpropagation draws edges whatever the class and the weights are; do not read it as an explanation"
_SIGNED = {"relu": False}
_SIGNED_SIZE = {"signed": True}

for _name, _summary, _method in (
    ("gradcam", "the layer's channels, weighted by their mean gradient",
     method_from_maps(cam.gradcam, title="Grad-CAM", signed=_SIGNED)),
    ("gradcam++", "as Grad-CAM, weighted by position: finds several places",
     method_from_maps(cam.gradcampp, title="Grad-CAM++", signed=_SIGNED)),
    ("hirescam", "activation times gradient, position by position",
     method_from_maps(cam.hirescam, title="HiResCAM", signed=_SIGNED)),
    ("layercam", "activation times positive gradient: fine on early layers",
     method_from_maps(cam.layercam, title="LayerCAM", signed=_SIGNED)),
    ("xgradcam", "as Grad-CAM, weighted so that the map adds up to the score",
     method_from_maps(cam.xgradcam, title="XGrad-CAM", signed=_SIGNED)),
    ("eigencam", "the layer's first principal component, whatever the class",
     Method(cam.eigencam, title="Eigen-CAM", signed=_SIGNED, caution=_SAME)),
    ("scorecam", "channels weighted by the score under their mask; no gradients, slow",
     Method(perturbation.scorecam, title="Score-CAM", signed=_SIGNED)),
    ("ablationcam", "channels weighted by what the score loses without them",
     Method(perturbation.ablationcam, title="Ablation-CAM", signed=_SIGNED, needs=(LayerInterventions,))),
    ("saliency", "size of the gradient at each pixel",
     method_from_maps(gradients.saliency, PICTURE, title="Saliency", signed=_SIGNED_SIZE, magnitude=True)),
    ("gradient-x-input", "gradient times pixel",
     method_from_maps(gradients.gradient_x_input, PICTURE, title="Gradient x input")),
    ("smoothgrad", "gradient averaged over noisy copies",
     Method(gradients.smoothgrad, PICTURE, title="SmoothGrad", signed=_SIGNED_SIZE, magnitude=True, gradients=True)),
    ("integrated-gradients", "gradient averaged on the way from black to the face",
     Method(gradients.integrated_gradients, PICTURE, title="Integrated gradients", gradients=True)),
    ("guided-backprop", "sharp edges; does not depend on the class",
     Method(gradients.guided_backprop, PICTURE, title="Guided backpropagation", signed=_SIGNED_SIZE, magnitude=True, gradients=True,
            needs=(GuidedGradients,), caution=_EDGES)),
    ("fastshap", "what each place adds to the answer, as a taught network tells in one pass",
     Method(fastshap.fastshap, PICTURE, title="FastSHAP", needs_explainer=True)),
    ("adjusted-fastshap", "the taught map, corrected by what 18 passes tell about the regions of the face",
     Method(adjusted_fastshap.adjusted_fastshap, PICTURE, title="Adjusted FastSHAP", needs_explainer=True, needs_regions=True)),
    ("occlusion", "what the score loses when a patch is hidden", Method(perturbation.occlusion, PICTURE, title="Occlusion")),
    ("rise", "mean of random masks, weighted by the score", Method(perturbation.rise, PICTURE, title="RISE")),
    ("shapley", "what each cell of a grid adds to the score: Shapley values, with their standard error",
     Method(grid_shapley.grid_shapley, PICTURE, title="Shapley values")),
    ("region-occlusion", "what the score loses without the eyes, without the mouth and so on",
     Method(perturbation.region_occlusion, PICTURE, title="Region occlusion", needs_regions=True)),
    ("regions", "what the eyes, the mouth and so on each add to the answer: exact Shapley values",
     Method(region_shapley.region_shapley, PICTURE, title="Region Shapley values", needs_regions=True)),
):  # fmt: skip
    METHODS.add(_name, _summary, _method)

for _name, _title, _summary, _at in (
    ("gradcam", "Grad-CAM", "that library's Grad-CAM, at its place and size", LAYER),
    ("gradcam++", "Grad-CAM++", "that library's Grad-CAM++", LAYER),
    ("layercam", "LayerCAM", "that library's LayerCAM", LAYER),
    ("scorecam", "Score-CAM", "that library's Score-CAM (a softmax of a softmax)", LAYER),
    ("faster-scorecam", "Faster Score-CAM", "that library's Score-CAM on the ten most varied channels", LAYER),
    ("saliency", "Saliency", "that library's saliency", PICTURE),
    ("smoothgrad", "SmoothGrad", "that library's SmoothGrad (mean of unsigned gradients)", PICTURE),
):
    METHODS.add(
        f"tf-keras-vis:{_name}",
        _summary,
        Method(
            partial(tf_keras_vis.run_tf_keras_vis, _name),
            _at,
            title=f"{_title} (tf-keras-vis)",
            magnitude=_at == PICTURE,
            needs=(KerasBacked,),
        ),
    )
