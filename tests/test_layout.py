"""The architecture of design and docs, checked on the syntax trees of every module."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import ferviz

PACKAGE = Path(ferviz.__file__).parent

# A module imports only from names to the left of its own (and from its own package).
ORDER = [
    "printable", "errors", "registry", "emotions", "manifests", "paths", "files", "native_logs", "sandbox", "known_files", "npz", "images",
    "numerics", "tables", "documents",
    "fills", "writers", "results", "rendering", "faces", "data", "engines", "models", "trust", "attribution", "dreaming",
    "evaluation", "studies", "reports", "training", "scale", "video", "web", "register", "cli",
]  # fmt: skip
FRAMEWORKS = {"tensorflow", "keras", "jax", "torch", "tf_keras_vis"}
FRAMEWORK_PACKAGES = {"engines", "models", "dreaming", "training"}


def part(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@cache
def nodes_of(module: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(module)))


@cache
def imports(module: Path) -> list[tuple[int, str]]:
    """-> (line, dotted name) of every import; those under `if TYPE_CHECKING:` are for readers, not for Python."""
    skipped, names = set(), []
    for node in nodes_of(module):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
    for node in nodes_of(module):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            names.append((node.lineno, node.module))
            names += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_imports_go_one_way():
    wrong = []
    for module in MODULES:
        own = part(module)
        if own in ("__init__", "__main__"):
            continue
        for line, name in imports(module):
            words = name.split(".")
            if words[0] != "ferviz" or len(words) < 2 or words[1] not in ORDER or words[1] == own:
                continue
            if ORDER.index(words[1]) > ORDER.index(own):
                wrong.append(f"{module.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_frameworks_stay_in_their_packages():
    wrong = [
        f"{module.relative_to(PACKAGE)}:{line} imports {name}"
        for module in MODULES
        for line, name in imports(module)
        if name.split(".")[0] in FRAMEWORKS and part(module) not in FRAMEWORK_PACKAGES
    ]
    assert not wrong, "\n".join(wrong)


def test_every_package_is_in_the_order():
    parts = {part(m) for m in MODULES} - {"__init__", "__main__", "assets"}
    assert parts == set(ORDER)


def test_the_page_about_the_architecture_has_the_order():
    text = (PACKAGE.parent / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert [name.strip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)] == ORDER


def test_packages_do_not_shadow_public_functions():
    packages = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    functions = {name for name in ferviz.__all__ if not inspect.ismodule(getattr(ferviz, name))}
    assert not packages & functions


def test_the_library_never_prints():
    wrong = []
    for module in MODULES:
        for node in nodes_of(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                wrong.append(f"{module.relative_to(PACKAGE)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)
