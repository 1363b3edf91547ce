"""PyTorch, imported when it is first needed, and so that it can live in one process with TensorFlow."""

from __future__ import annotations

import importlib
from types import ModuleType

from ferviz.engines.backend import keep_triton_out
from ferviz.errors import ModelError
from ferviz.native_logs import IMPORTING


def torch() -> ModuleType:
    """Return the module `torch`.

    Raises:
        ModelError: PyTorch is not installed.
    """
    with IMPORTING:
        keep_triton_out()
        try:
            return importlib.import_module("torch")
        except ImportError as error:
            reason = "" if isinstance(error, ModuleNotFoundError) and error.name == "torch" else f" ({error})"
            raise ModelError(
                f"PyTorch networks need PyTorch, which cannot be imported here{reason}; install it with pip install 'ferviz[torch]'"
            ) from error
