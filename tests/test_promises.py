"""The page "What ferviz promises under trouble": each of its sentences names the tests that show it, and these exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "under-trouble.md"


def promises(text: str) -> list[tuple[str, list[str]]]:
    """-> the items of the page's lists: (sentence, addresses of tests)."""
    items = re.findall(r"^- (.*?)(?:<!-- (.*?) -->)?$", text, re.MULTILINE)
    return [(sentence.strip(), tests.split()) for sentence, tests in items]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


PROMISES = promises(PAGE.read_text(encoding="utf-8"))


def test_the_page_makes_promises() -> None:
    assert len(PROMISES) > 25
    assert len({sentence for sentence, _ in PROMISES}) == len(PROMISES)


@pytest.mark.parametrize(("sentence", "tests"), PROMISES, ids=[sentence[:40] for sentence, _ in PROMISES])
def test_each_promise_has_a_test(sentence: str, tests: list[str]) -> None:
    assert sentence.endswith(".")
    assert tests, "name the tests in a comment behind the sentence: <!-- tests/....py::test_... -->"
    for address in tests:
        file, name = address.split("::")
        assert name.startswith("test_")
        assert name in functions(ROOT / file), address


def test_an_item_without_a_test_is_noticed() -> None:
    assert promises("- Nothing is lost.\n- All is kept. <!-- tests/a.py::test_b -->\n") == [
        ("Nothing is lost.", []),
        ("All is kept.", ["tests/a.py::test_b"]),
    ]
