"""An attribution method: a plain function, and what has to be known about it to run it and to read its maps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.engines.base import INPUT, Array, Engine
from ferviz.engines.protocols import ForwardOnly, require, supports
from ferviz.errors import ModelError, UnknownNameError, UsageError

LAYER, PICTURE = "layer", "picture"
_KINDS: tuple[tuple[type, type, str], ...] = (
    (bool, bool, "true or false"),
    (int, Integral, "a whole number"),
    (float, Real, "a number"),
)
"""(type of a setting's default, type that its values need, in words); defaults of other types leave the check to the method."""


@dataclass(frozen=True)
class Method:
    """One attribution method.

    Attributes:
        function: `(MethodInput, **settings) -> MethodOutput`, or with `from_maps`
            `(activation (N, h, w, C), gradient (N, T, h, w, C), **settings) -> maps (N, T, h, w)`. Its keyword-only arguments are the
            method's settings.
        at: "layer" for a map of a layer, "picture" for a map of the pixels.
        title: the name as written above pictures, e.g. "Grad-CAM"; "" = made from the name in the registry.
        signed: the settings under which the maps show evidence for and against, where by default they do not; a contrast of classes
            uses them. Empty = the maps are always signed, or never.
        magnitude: by default the maps show how much a pixel matters, not evidence; a contrast of classes leaves them so.
        gradients: it asks for gradients, which some files do not hold.
        needs: the optional engine protocols of `ferviz.engines.base` that it cannot do without.
        needs_regions: it asks for `MethodInput.face_regions()`: the faces' landmarks are located before it runs.
        needs_explainer: it asks for `MethodInput.explainer`: the network has to be taught first (`ferviz teach`). Its setting `explainer`
            can name the file.
        caution: what every reader of the map has to know, or "".
        from_maps: `function` takes an activation and its gradients.
    """

    function: Callable[..., Any]
    at: str = LAYER
    title: str = ""
    signed: Mapping[str, Any] = field(default_factory=dict)
    magnitude: bool = False
    gradients: bool = False
    needs: tuple[type, ...] = ()
    needs_regions: bool = False
    needs_explainer: bool = False
    caution: str = ""
    from_maps: bool = False

    def runs_on(self, engine: Engine) -> bool:
        """Return whether an engine has what the method needs.

        Args:
            engine: of a network.
        """
        blind = self.gradients and supports(engine, ForwardOnly)
        return not blind and all(supports(engine, protocol) for protocol in self.needs)

    def check_engine(self, engine: Engine, name: str) -> None:
        """Check that an engine has what the method needs.

        Args:
            engine: of a network.
            name: the method's name in the registry.

        Raises:
            ModelError: says what is missing.
        """
        if self.gradients and supports(engine, ForwardOnly):
            raise ModelError(engine.no_gradients)
        for protocol in self.needs:
            require(engine, protocol, name)

    @property
    def settings(self) -> dict[str, Any]:
        """{name: default} of what can be set."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def resolve_settings(self, settings: Mapping[str, Any], contrast: bool = False) -> dict[str, Any]:
        """Return all settings: the defaults, those that sign a contrast's maps, and the given ones.

        Args:
            settings: what was given.
            contrast: a target contrasts classes.

        Raises:
            UnknownNameError: the method does not have a setting.
            UsageError: a value's kind differs from the default's (true or false, a whole number, a number).
        """
        defaults = self.settings
        for name, value in settings.items():
            if name not in defaults:
                raise UnknownNameError("setting", name, defaults, "this method")
            _check_kind(name, value, defaults[name])
        return {**defaults, **(self.signed if contrast and not self.magnitude else {}), **settings}


def method_from_maps(function: Callable[..., Array], at: str = LAYER, **properties: Any) -> Method:
    """Return a method made from a function of one activation and its gradients.

    Args:
        function: (activation (N, h, w, C), gradient (N, T, h, w, C), **settings) -> maps (N, T, h, w).
        at: "layer", or "picture" for activation and gradient of the picture itself.
        **properties: further attributes of `Method`: title, signed, magnitude, caution.
    """
    return Method(function, at, gradients=True, from_maps=True, **properties)


def run_method(method: Method, request: MethodInput, **settings: Any) -> MethodOutput:
    """Run a method on some pictures.

    Args:
        method: the method.
        request: the pictures, the network and the targets.
        **settings: of the method; those left out have their defaults. They are not checked here (see `Method.resolve_settings`).

    Raises:
        ModelError: the layer's output is not a map, or the engine lacks what the method needs.
    """
    if not method.from_maps:
        output: MethodOutput = method.function(request, **settings)
        return output
    activation, gradient, logits = request.gradients(INPUT if method.at == PICTURE else None)
    maps: Array = method.function(request.checked_map(activation), gradient, **settings)
    return MethodOutput(maps.astype("float32", copy=False), logits)


def _check_kind(name: str, value: Any, default: Any) -> None:
    for default_type, value_type, words in _KINDS:
        if isinstance(default, default_type):
            if not isinstance(value, value_type) or isinstance(value, bool) is not (default_type is bool):
                raise UsageError(f"the setting {name} takes {words}, not {value!r:.60}")
            return
