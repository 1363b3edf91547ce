"""The registry of attribution methods. A method is a function from a MethodInput to an MethodOutput, and says what it looks at.

A method of one's own is registered here (see docs/extending/write-a-method.md), or by another package through the entry-point group
`ferviz.methods`; then it is known everywhere: to `ferviz.explain`, to the command line, and to the contract tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from ferviz.attribution.methods import cam, gradients, perturbation
from ferviz.attribution.methods import tf_keras_vis as second_opinion
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import INPUT, Array
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.registry import Registry

LAYER, PICTURE = "layer", "picture"
_KINDS: tuple[tuple[type, type, str], ...] = (
    (bool, bool, "true or false"),
    (int, Integral, "a whole number"),
    (float, Real, "a number"),
)
"""(type of a setting's default, what its values have to be, in words); defaults of other types leave it to the method."""


@dataclass(frozen=True)
class Method:
    """One attribution method.

    function: takes a MethodInput and the method's own settings as keywords, returns an MethodOutput. at: "layer" for a map of a layer,
    "picture" for a map of the pixels. caution: what everybody who looks at the map has to know, or "".
    """

    function: Callable[..., MethodOutput]
    at: str = LAYER
    caution: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """{name: default} of what can be set."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def __call__(self, question: MethodInput, **settings: Any) -> MethodOutput:
        """MethodOutput the question with settings as `checked` takes them."""
        return self.function(question, **self.checked(settings))

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings if their kinds fit the defaults: true or false, a whole number, a number.

        Raises UnknownNameError for a setting that the method does not have, UsageError for a value of another kind.
        """
        known = self.settings
        for name, value in settings.items():
            if name not in known:
                raise UnknownNameError("setting", name, known, "this method")
            for default, kind, words in _KINDS:
                if isinstance(known[name], default):
                    if not isinstance(value, kind) or isinstance(value, bool) is not (default is bool):
                        raise UsageError(f"the setting {name} takes {words}, not {value!r:.60}")
                    break
        return dict(settings)


METHODS: Registry[Method] = Registry("method", "ferviz.methods")


def methods() -> dict[str, str]:
    """Return {name: one line about it} of every attribution method."""
    return METHODS.summaries()


def method_from_maps(function: Callable[..., Array], at: str = LAYER, caution: str = "") -> Method:
    """Make a method of a function of one activation and its gradients.

    function: (activation (N, h, w, C), gradient (N, T, h, w, C), **settings) -> maps (N, T, h, w).
    """

    def ask(question: MethodInput, **settings: Any) -> MethodOutput:
        activation, gradient, logits = question.gradients(INPUT if at == PICTURE else None)
        if activation.ndim != 4:
            raise ModelError(
                f"the output of {question.layer!r} is not a map; choose a layer that `ferviz layers` marks as one"
            )
        return MethodOutput(np_float32(function(activation, gradient, **settings)), logits)

    # The settings are the function's own; `Method.settings` reads them from here.
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    first = inspect.Parameter("question", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ask.__signature__ = inspect.Signature([first, *own])  # type: ignore[attr-defined]
    ask.__doc__ = function.__doc__
    return Method(ask, at, caution)


def np_float32(maps: Array) -> Array:
    """Return maps as float32, whatever precision the arithmetic had."""
    return maps.astype("float32", copy=False)


_SAME = "Eigen-CAM does not look at the class: every target gets the same map"
_EDGES = "guided backpropagation draws edges whatever the class and the weights are; do not read it as an explanation"

for _name, _summary, _method in (
    ("gradcam", "the layer's channels, weighted by their mean gradient", method_from_maps(cam.gradcam)),
    ("gradcam++", "as Grad-CAM, weighted by position: finds several places", method_from_maps(cam.gradcampp)),
    ("hirescam", "activation times gradient, position by position", method_from_maps(cam.hirescam)),
    ("layercam", "activation times positive gradient: fine on early layers", method_from_maps(cam.layercam)),
    ("xgradcam", "as Grad-CAM, weighted so that the map adds up to the score", method_from_maps(cam.xgradcam)),
    ("eigencam", "the layer's first principal component, whatever the class", method_from_maps(cam.eigencam, caution=_SAME)),
    ("scorecam", "channels weighted by the score under their mask; no gradients, slow", Method(perturbation.scorecam)),
    ("ablationcam", "channels weighted by what the score loses without them", Method(perturbation.ablationcam)),
    ("saliency", "size of the gradient at each pixel", method_from_maps(gradients.saliency, PICTURE)),
    ("gradient-x-input", "gradient times pixel", method_from_maps(gradients.gradient_x_input, PICTURE)),
    ("smoothgrad", "gradient averaged over noisy copies", Method(gradients.smoothgrad, PICTURE)),
    ("integrated-gradients", "gradient averaged on the way from black to the face", Method(gradients.integrated_gradients, PICTURE)),
    ("guided-backprop", "sharp edges; does not depend on the class", Method(gradients.guided_backprop, PICTURE, _EDGES)),
    ("occlusion", "what the score loses when a patch is hidden", Method(perturbation.occlusion, PICTURE)),
    ("rise", "mean of random masks, weighted by the score", Method(perturbation.rise, PICTURE)),
    ("region-occlusion", "what the score loses without brows, eyes, nose, mouth", Method(perturbation.region_occlusion, PICTURE)),
):  # fmt: skip
    METHODS.add(_name, _summary, _method)

for _name, _summary, _at in second_opinion.NAMES:
    METHODS.add(_name, _summary, Method(second_opinion.asker(_name.split(":")[1]), _at))
