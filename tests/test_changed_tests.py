"""`make quick`: which tests belong to a changed file."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).resolve().parents[1] / "tools" / "changed_tests.py"))


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("ferviz/engines/keras/affine.py", "tests/engines"),
        ("ferviz/cli/__init__.py", "tests/cli"),
        ("ferviz/numerics.py", "tests/test_numerics.py"),
        ("ferviz/images/listing.py", "tests/test_images.py"),
        ("ferviz/errors.py", "tests/test_foundation.py"),
        ("tests/models/test_load.py", "tests/models/test_load.py"),
        ("tests/models/conftest.py", "tests/models"),
        ("tests/networks.py", "tests"),
        ("docs/tutorial.md", "tests/test_pages.py"),
        ("examples/sweep.py", "tests/test_examples.py"),
        ("pyproject.toml", ""),
    ],
)
def test_a_changed_file_has_its_tests(path: str, tests: str) -> None:
    assert TOOL["tests_of"](path) == tests


def test_the_tests_that_are_always_run_exist() -> None:
    root = Path(__file__).resolve().parents[1]
    assert all((root / path).is_file() for path in (*TOOL["ALWAYS"], *TOOL["OF_MODULES"].values()))
