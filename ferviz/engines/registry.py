"""The registry of engines. An entry is an `Opener`, which recognises a network by its content and opens an engine that runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.paths import is_file
from ferviz.registry import Registry

if TYPE_CHECKING:
    from ferviz.engines.base import Engine

AUTO, KERAS, ONNX, LITERT = "auto", "keras", "onnx", "litert"
ENGINE_CHOICES = (AUTO, KERAS, ONNX, LITERT)
"""What `load_model(engine=)` and --engine accept: a network can be run as it is (Keras, ONNX), or by LiteRT once it is compiled."""


@dataclass(frozen=True)
class Opener:
    """How one kind of engine opens networks.

    Files of Keras and PyTorch and compiled files hold more than a network, or less (labels, an input spec, only weights), so
    `ferviz.models` reads them and hands over what was in them: a `keras.Model`, an `nn.Module`, a compiled network. Every other file
    goes to the openers as a path.

    Attributes:
        recognises: takes a source, a Path or an object in memory, and returns whether this engine runs it; told by its content and not
            by a name's suffix, without importing a framework, False for a path that does not exist.
        open: takes the source and `trust`, whether code in it may run, and returns the engine.
        note: a sentence for the user about what such a network cannot do, "" = none.
    """

    recognises: Callable[[Any], bool]
    open: Callable[[Any, bool], Engine]
    note: str = ""


ENGINES: Registry[Opener] = Registry("engine", group="ferviz.engines")


def find_opener(source: Any) -> Opener | None:
    """Return the first opener that recognises a network, None where no engine runs it.

    Args:
        source: a Path, or an object in memory such as a `keras.Model`.
    """
    openers = (ENGINES[name] for name in ENGINES)
    return next((opener for opener in openers if opener.recognises(source)), None)


def _keras_backend(source: Any) -> str:
    """The backend that Keras runs on if the source is a Keras network, else ""."""
    keras: Any = sys.modules.get("keras")
    return str(keras.config.backend()) if keras is not None and isinstance(source, keras.Model) else ""


def _open_keras(source: Any, trust: bool) -> Engine:
    from ferviz.engines.keras import KerasEngine

    return KerasEngine(source)


def _open_keras_predict(source: Any, trust: bool) -> Engine:
    from ferviz.engines.keras.keras_predict import KerasPredictEngine

    return KerasPredictEngine(source)


def _open_savedmodel(source: Any, trust: bool) -> Engine:
    from ferviz.engines.savedmodel import SavedModelEngine

    return SavedModelEngine(source, trust)


def _is_torch(source: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def _open_torch(source: Any, trust: bool) -> Engine:
    from ferviz.engines.torch.module_network import open_module

    return open_module(source, None, None).engine


def _is_onnx(source: Any) -> bool:
    from ferviz.engines.onnx.onnx_signature import is_onnx

    onnx: Any = sys.modules.get("onnx")
    return is_onnx(source) if isinstance(source, Path) else onnx is not None and isinstance(source, onnx.ModelProto)


def _open_onnx(source: Any, trust: bool) -> Engine:
    from ferviz.engines.onnx.any_size import open_onnx

    return open_onnx(source)


def _is_tflite(source: Any) -> bool:
    from ferviz.engines.tflite.tflite_engine import is_tflite

    return isinstance(source, Path) and is_tflite(source)


def _open_tflite(source: Any, trust: bool) -> Engine:
    from ferviz.engines.tflite.tflite_engine import TFLiteEngine

    return TFLiteEngine(source)


def _is_compiled(source: Any) -> bool:
    from ferviz.engines.compiled_network import CompiledNetwork

    return isinstance(source, CompiledNetwork)


def _open_litert(source: Any, trust: bool) -> Engine:
    from ferviz.engines.litert import LiteRTEngine

    return LiteRTEngine(source)


ENGINES.add(
    KERAS,
    "any Keras network, on TensorFlow: everything that ferviz does",
    Opener(lambda source: _keras_backend(source) == "tensorflow", _open_keras),
)
ENGINES.add(
    "keras-predict",
    "a Keras network on JAX or PyTorch: predictions only",
    Opener(lambda source: _keras_backend(source) not in ("", "tensorflow"), _open_keras_predict),
)
ENGINES.add(
    "savedmodel",
    "a SavedModel folder: predictions only",
    Opener(
        lambda source: isinstance(source, Path) and is_file(source / "saved_model.pb"),
        _open_savedmodel,
        "a SavedModel gives predictions; its layers and gradients cannot be reached",
    ),
)
ENGINES.add("torch", "a PyTorch network, on PyTorch: everything but training", Opener(_is_torch, _open_torch))
ENGINES.add(ONNX, "an ONNX network, on TensorFlow: everything but training", Opener(_is_onnx, _open_onnx))
ENGINES.add(
    "tflite",
    "a TensorFlow Lite file that ferviz did not compile: predictions, activations, and methods that need no gradients",
    Opener(
        _is_tflite, _open_tflite, "a TensorFlow Lite file has no gradients; occlusion, RISE, regions and Score-CAM work"
    ),
)
ENGINES.add(LITERT, "a compiled network, without TensorFlow", Opener(_is_compiled, _open_litert))
