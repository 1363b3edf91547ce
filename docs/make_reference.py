"""Writes docs/reference.md from the docstrings of the public names: python docs/make_reference.py"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ferviz
from ferviz import errors

PAGE = Path(__file__).with_name("reference.md")
GROUPS = {
    "Networks": ["load_model", "Model", "Prediction", "InputSpec", "compile", "diagram", "Diagram", "architectures"],
    "Faces": ["find_faces", "read_image", "Face", "detectors"],
    "Explaining": ["explain", "Explanation", "activations", "Activations", "filters", "Filters", "methods"],
    "Dreaming": ["dream", "Dream", "objectives"],
    "Data": ["read_data", "Dataset", "scheme", "LabelScheme"],
    "Measuring and training": ["check", "evaluate", "Evaluation", "train"],
    "Errors": [n for n in ferviz.__all__ if n.endswith("Error")],
}
HEAD = """# Reference

Every public name of `ferviz`, from its docstring; `help(ferviz.explain)` says the same. Written by `python docs/make_reference.py`.
"""


def page() -> str:
    """Return the page's text."""
    rest = [name for name in ferviz.__all__ if name not in {n for names in GROUPS.values() for n in names}]
    groups = {**GROUPS, **({"More": rest} if rest else {})}
    parts = [HEAD]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += entry(f"ferviz.{name}", getattr(ferviz, name), 3)
    return "\n".join(parts)


def entry(name: str, thing: Any, level: int) -> Iterator[str]:
    """Yield a name's heading, signature and docstring; of a class or module, those of its own public parts too."""
    yield f"{'#' * level} `{name}`\n"
    error = inspect.isclass(thing) and issubclass(thing, Exception)
    if callable(thing) and not error:
        yield f"```python\n{signature(name.split('.')[-1], thing)}\n```\n"
    if error:
        said = re.search(rf"\b{thing.__name__} +\d +(.*)", errors.__doc__ or "")
        yield f"Exit code {thing.exit_code}: {said[1] if said else ''}. Base: `{thing.__base__.__name__}`.\n"
    text = inspect.getdoc(thing) if not error or thing.__doc__ else ""
    if text:
        yield prose(text) + "\n"
    if error:
        return
    for own, part in vars(thing).items() if inspect.isclass(thing) or isinstance(thing, ModuleType) else ():
        if own.startswith("_") or (isinstance(thing, ModuleType) and getattr(part, "__module__", "") != thing.__name__):
            continue
        part = part.__func__ if isinstance(part, classmethod | staticmethod) else part
        if inspect.isfunction(part) or (inspect.isclass(part) and isinstance(thing, ModuleType)):
            yield from function(own, part)
        elif (says := getattr(part, "__doc__", None)) and type(part).__name__ in ("property", "cached_property"):
            yield f"- **`{own}`**: {prose(inspect.cleandoc(says))}\n"


def function(name: str, part: Any) -> Iterator[str]:
    """Yield the list item of a method, or of a module's function."""
    text = prose(inspect.getdoc(part) or "").replace("\n", "\n  ")
    yield f"- **`{signature(name, part, wide=True)}`**: {text}\n"


def signature(name: str, thing: Any, wide: bool = False) -> str:
    """Return a callable's signature without the quotes of postponed annotations; one parameter a line where it is long."""
    found = inspect.signature(thing)
    kept = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    words, starred = [], False
    for p in kept:
        if p.kind is p.KEYWORD_ONLY and not starred:
            words.append("*")
        starred = starred or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        words.append(re.sub(r"^(\w+: |\*+\w+: )'(.*?)'(?= = |$)", r"\1\2", str(p)).replace("<factory>", "..."))
    end = "" if inspect.isclass(thing) else f" -> {found.return_annotation}"
    line = f"{name}({', '.join(words)}){end}"
    if wide or len(line) <= 120:
        return line
    return f"{name}(\n    " + ",\n    ".join(words) + f",\n){end}"


def prose(text: str) -> str:
    """Return a docstring as Markdown: its own stars and underscores are no emphasis."""
    text = re.sub(r"(?m)((?:^>>> .*\n?)+)", lambda m: "```python\n" + m[1].replace(">>> ", "") + "```\n", text)
    text = re.sub(r"(```python\n(?:(?:from|import) .*\n)+)", r"\1\n", text)
    parts = text.split("`")
    if "```" in text:
        return text
    return "`".join(re.sub(r"([*_<\[\]])", r"\\\1", p) if i % 2 == 0 else p for i, p in enumerate(parts))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
