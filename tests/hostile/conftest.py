"""The small network, the table of faces, and the fuzz targets."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ferviz import sandbox

_HERE = Path(__file__).resolve().parent

# `tests` cannot be imported by name (tf-keras-vis installs a package called so), so the package of the targets is found here.
sys.path.append(str(_HERE))


def _fixtures(folder: str) -> ModuleType:
    path = _HERE.parent / folder / "conftest.py"
    spec = importlib.util.spec_from_file_location(f"ferviz_test_{folder}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_models, _data = _fixtures("models"), _fixtures("data")

old_h5, small, rewritten = _models.old_h5, _models.small, _models.rewritten
faces, table = _data.faces, _data.table


@pytest.fixture(autouse=True, scope="module")
def hdf5_is_tried_elsewhere(hdf5_is_tried_here: Callable[..., Any]) -> Iterator[None]:
    """In a process of its own, as for users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "run", hdf5_is_tried_here)
        yield
