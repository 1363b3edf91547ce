"""Keras and TensorFlow, imported when they are first needed: quietly, and with TensorFlow as the backend.

Everything else in ferviz asks here and never writes `import keras` itself, so that `import ferviz` stays fast and one
place decides about log noise and about the backend.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from types import ModuleType
from typing import Any

from ferviz.errors import ModelError
from ferviz.native_logs import IMPORTING, QUIET, silenced

_STARTED_BEFORE_FORK = False
"""In a forked process: whether TensorFlow computed before the fork, so that its threads are missing here."""


def keras() -> Any:
    """Return the module `keras`, running on TensorFlow.

    Where Keras is not imported yet, its backend, channel order and float type are set for this process whatever
    `KERAS_BACKEND` or `~/.keras/keras.json` say. Where the caller imported it before, it is taken as it is.
    Raises ModelError when Keras already runs on another backend: that cannot be changed within a process.
    """
    with IMPORTING:
        return _keras()


def running() -> Any:
    """Return the module `keras` on the backend that it runs on already, on TensorFlow where it does not run yet.

    For what any backend can do: rebuilding a network from its file, training it, answering. Explaining asks `keras`.
    """
    with IMPORTING:
        if "keras" not in sys.modules:
            return keras()
        module: Any = importlib.import_module("keras")
        if module.config.backend() == "tensorflow":
            tensorflow()
        return module


def tensorflow() -> ModuleType:
    """Return the module `tensorflow`, imported without a word on the terminal.

    Raises:
        ModelError: this process was forked from one in which TensorFlow had computed; there it would wait for ever.
    """
    if _STARTED_BEFORE_FORK:
        raise ModelError(
            "TensorFlow had computed before this process was forked, and would wait here for ever; start processes with "
            "multiprocessing's 'spawn', or fork before the first network is loaded"
        )
    with IMPORTING:
        if "tensorflow" in sys.modules:
            keep_triton_out()
            return sys.modules["tensorflow"]
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        module = _imported("tensorflow")
        # TensorFlow's Python side writes its notes through absl's logger at INFO and WARNING.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(logging.ERROR)
        keep_triton_out()
        return module


def keep_triton_out() -> None:
    """Make `import triton` fail from now on if TensorFlow is loaded and triton is not.

    Importing triton (torchvision, timm and PyTorch's compiler do it) after TensorFlow aborts the process on Linux: both bring an LLVM of
    their own, which register the same options. Nothing in ferviz uses triton, and those who ask for it go on without.
    """
    if "tensorflow" in sys.modules and "triton" not in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]


def _keras() -> Any:
    if "keras" in sys.modules:
        module: Any = importlib.import_module("keras")
        backend = module.config.backend()
        if backend != "tensorflow":
            raise ModelError(
                f"Keras was already imported with its {backend} backend and cannot be switched; start a new process and "
                "import ferviz's model first, or set KERAS_BACKEND=tensorflow"
            )
        tensorflow()
        return module
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tensorflow()
    module = _imported("keras")
    # Importing Keras obeys ~/.keras/keras.json; a channels_first or float16 default there would change every layer
    # that a file or an architecture does not spell out.
    module.config.set_image_data_format("channels_last")
    module.config.set_floatx("float32")
    return module


def _imported(name: str) -> Any:
    """Import a large library, quietly and without garbage collection: what is imported stays, and looking for garbage in it took a sixth
    of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with silenced():
            return importlib.import_module(name)
    finally:
        if collects:
            gc.enable()


def _has_started() -> bool:
    """Whether TensorFlow's runtime was started in this process: importing it alone starts no threads."""
    context: Any = sys.modules.get("tensorflow.python.eager.context")
    current = context.context_safe() if context is not None and hasattr(context, "context_safe") else None
    return getattr(current, "_context_handle", None) is not None


def _forked() -> None:
    global _STARTED_BEFORE_FORK
    _STARTED_BEFORE_FORK = _STARTED_BEFORE_FORK or _has_started()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
