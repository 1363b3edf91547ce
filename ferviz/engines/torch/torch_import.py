"""PyTorch, imported when it is first needed, and so that it can live in one process with TensorFlow.

Importing triton (torchvision, timm and torch's compiler do it) after TensorFlow aborts the process on Linux: both bring an LLVM of their
own, which register the same options. Where TensorFlow is there already, triton is therefore kept out; nothing in ferviz uses it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

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


def keep_triton_out() -> None:
    """Make `import triton` fail from now on if TensorFlow is loaded and triton is not; call it before code that imports either."""
    if "tensorflow" in sys.modules and "triton" not in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
