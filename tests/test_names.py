"""The naming rules of CONTRIBUTING.md and the form of docstrings, checked on the syntax tree of every module."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import ferviz

PACKAGE = Path(ferviz.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in MODULES]

# No nouns or verbs of the field: a reader cannot tell what they hold.
BANNED = {"found", "made", "one", "said", "whole", "who", "nothing", "some", "told"}

# Basenames that have the same role in every package that has one.
REPEATED = {"__init__", "registry", "plots", "cache", "result", "layers"}
# Other pairs, each with its reason.
PAIRS = {
    "comparison": "what ferviz.compare_explanations and ferviz.compare_models answer",
    "metrics": "numbers about heatmaps, and about predictions",
    "read": "what opens a data set, and a network's file: the entry of its package",
    "tf_keras_vis": "the package behind a method, as a method and as an engine",
}
MAX_MODULES = 16
FREE_FOLDERS = {"cli/commands"}
"""Folders with one file for each entry of a list that users extend."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in zip(NAMES, MODULES, strict=True)}


def banned_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in BANNED:
            yield f"{node.lineno}: variable {node.id}"
        if isinstance(node, ast.arg) and node.arg in BANNED:
            yield f"{node.lineno}: argument {node.arg}"
        if isinstance(node, Function | ast.ClassDef) and node.name.strip("_") in BANNED:
            yield f"{node.lineno}: {node.name}"


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield (dotted name, node) of every public class, function and method."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            # Overloads and setters have no docstring of their own; those of commands are help texts.
            if not re.search(r"\boverload\b|\.setter\b|\bclick\b|\bcommand\b", decorators):
                yield prefix + node.name, node
                if isinstance(node, ast.ClassDef):
                    yield from public(node.body, f"{prefix}{node.name}.")


def undocumented(tree: ast.Module) -> Iterator[str]:
    for name, node in public(tree.body):
        doc = ast.get_docstring(node)
        if not doc:
            yield f"{node.lineno}: {name} has no docstring"
        elif isinstance(node, Function):
            arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            _, _, section = doc.partition("Args:")
            for argument in arguments:
                line = rf"^\s+(\**\w+, )*{argument}(, \**\w+)*:"
                if argument not in ("self", "cls") and not re.search(line, section, re.MULTILINE):
                    yield f"{node.lineno}: {name}: {argument} is not under Args"


def test_names_are_words_of_the_field(trees: dict[str, ast.Module]) -> None:
    wrong = [f"{name}:{problem}" for name, tree in trees.items() for problem in banned_names(tree)]
    assert not wrong, "\n".join(wrong)


def test_docstrings_name_every_argument(trees: dict[str, ast.Module]) -> None:
    wrong = [f"{name}:{problem}" for name, tree in trees.items() for problem in undocumented(tree)]
    assert not wrong, "\n".join(wrong)


def test_a_basename_has_one_role() -> None:
    homes = defaultdict(list)
    for name in NAMES:
        if not name.startswith("cli/commands/"):
            homes[Path(name).stem].append(name)
    wrong = {
        stem: names for stem, names in homes.items() if len(names) > 1 and stem not in REPEATED and stem not in PAIRS
    }
    assert not wrong, wrong


def test_a_folder_fits_a_screen() -> None:
    counts = Counter(Path(name).parent.as_posix() for name in NAMES if Path(name).stem != "__init__")
    wrong = {folder: n for folder, n in counts.items() if n > MAX_MODULES and folder not in FREE_FOLDERS}
    assert not wrong, wrong


def test_the_checks_find_what_they_look_for() -> None:
    tree = ast.parse(
        "def found(a, b):\n    '''Do.\n\n    Args:\n        a: a number.\n    '''\n    one = 1\n"
        "class C:\n    def _private(self, x): ...\n    def open(self): ...\n"
    )
    assert list(banned_names(tree)) == ["1: found", "7: variable one"]
    assert list(undocumented(tree)) == [
        "1: found: b is not under Args", "8: C has no docstring", "10: C.open has no docstring"
    ]  # fmt: skip
