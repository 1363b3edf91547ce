"""The fixture networks (tests/networks.py) and their engines, each built once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def networks() -> ModuleType:
    """The module tests/networks.py. (`tests` cannot be imported by name: tf-keras-vis installs a package called so.)"""
    path = Path(__file__).resolve().parents[1] / "networks.py"
    spec = importlib.util.spec_from_file_location("ferviz_test_networks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def engine(networks: ModuleType) -> Any:
    """A function from a network's name to its KerasEngine."""
    from ferviz.engines.keras import KerasEngine

    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = KerasEngine(networks.build(name))
        return made[name]

    return get
