"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything imports TensorFlow: quiet, and a cache of the test run's own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's own data (published networks, FER2013 without its exam); tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data (published networks and FER2013), which is not part of the repository")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the user's cache directory out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["FERVIZ_CACHE"] = str(folder)
    return folder
