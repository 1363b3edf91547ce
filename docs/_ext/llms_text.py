"""Writes llms.txt beside the built site: its pages, every command with its options, every public name, from the sources of the reference.

The form is that of llmstxt.org: a heading, a quotation, lists of links. Each option that several commands share is explained once.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click
from api_pages import groups
from command_tree import commands, sections_of

import ferviz
from ferviz.cli.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {
    "Start": ("tutorial.md", "how-to/use-your-network.md", "how-to/read-the-pictures.md"),
    "How-to": ("how-to/*.md",),
    "Reference": ("reference/*.md",),
    "Explanation": ("explanation/*.md", "model-card.md"),
    "Extending": ("extending/*.md",),
}
"""Heading -> the pages below it, by patterns; a page stands under the first heading that names it."""


def text(docs: Path) -> str:
    """Return the content of llms.txt.

    Args:
        docs: the folder with the sources of the site.
    """
    parts = [
        ["# ferviz", "", f"> {metadata('ferviz')['Summary']}"],
        *_pages(docs),
        ["## Commands", "", *_commands()],
        ["## Options that several commands share", "", *_shared_options()],
        ["## Exit codes", "", *(f"- {code}: {meaning}" for code, meaning in EXIT_CODES.items())],
        ["## Python", "", *_names()],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _pages(docs: Path) -> Iterator[list[str]]:
    seen: set[Path] = set()
    for heading, patterns in PAGES.items():
        pages = [page for pattern in patterns for page in sorted(docs.glob(pattern)) if page.name != "index.md"]
        pages = [page for page in dict.fromkeys(pages) if page not in seen]
        seen.update(pages)
        yield [f"## {heading}", "", *(_link(page, docs) for page in pages)]


def _link(page: Path, docs: Path) -> str:
    title, _, rest = page.read_text(encoding="utf-8").partition("\n")
    address = page.relative_to(docs).with_suffix(".html").as_posix()
    return f"- [{title.removeprefix('# ')}]({address}): {_sentence(_prose(rest))}"


def _prose(page: str) -> str:
    """-> the first paragraph of a page that is no code, list, table or picture, without its marks."""
    blocks = re.sub(r"^(```|:::).*?^\1\S*$", "", page, flags=re.DOTALL | re.MULTILINE).split("\n\n")
    prose = next((block.strip() for block in blocks if re.match(r"[\w`*\[]", block.strip())), "")
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose)


def _sentence(paragraph: str) -> str:
    """-> the first sentence of a text."""
    words = " ".join(paragraph.split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`])", words)[0].rstrip(":") if words else ""


def _commands() -> Iterator[str]:
    for name, context, command in commands():
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        yield f"- `{usage}`: {_sentence(inspect.cleandoc(command.help or ''))}"
        for title, options in sections_of(command).items():
            if title == "Options":
                yield from (f"  - {_option(option, context)}" for option in options)
            elif title != "Arguments":
                yield f"  - {title}: {' '.join(_longest(option) for option in options)}"


def _shared_options() -> Iterator[str]:
    sections: dict[str, dict[str, Counter[str]]] = {}
    for _, context, command in commands():
        for title, options in sections_of(command).items():
            if title not in ("Options", "Arguments"):
                for option in options:
                    versions = sections.setdefault(title, {}).setdefault(_longest(option), Counter())
                    versions[_option(option, context)] += 1
    for title, lines in sections.items():
        yield f"- {title}"
        for versions in lines.values():
            line = versions.most_common(1)[0][0]
            # A default that is not the same in every command would be wrong in some.
            yield f"  - {line if len(versions) == 1 else line.partition(' [default: ')[0]}"


def _option(option: click.Parameter, context: click.Context) -> str:
    takes = "" if getattr(option, "is_flag", False) else f" {option.make_metavar(context)}"
    flags = ", ".join([*option.opts, *option.secondary_opts])
    return f"`{flags}{takes}`: {' '.join((getattr(option, 'help', None) or '').split())}"


def _longest(option: click.Parameter) -> str:
    return max(option.opts, key=len)


def _names() -> Iterator[str]:
    for title, names in groups().items():
        yield f"- {title}"
        for name in names:
            value = getattr(ferviz, name)
            shown = name if isinstance(value, ModuleType) else f"{name}{_parameters(value)}"
            yield f"  - `ferviz.{shown}`: {_sentence(inspect.getdoc(value) or '')}"


def _parameters(value: object) -> str:
    """-> the parameters of a function or class with their defaults, without their types."""
    if not callable(value) or (inspect.isclass(value) and issubclass(value, BaseException)):
        return ""
    signature = inspect.signature(value)
    plain = [part.replace(annotation=inspect.Parameter.empty) for part in signature.parameters.values()]
    shown = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return re.sub(r"<factory>|<[^<>]* object at 0x[^<>]*>", "...", shown)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the file into the folder of the built site."""
    if error is None:
        (Path(app.outdir) / "llms.txt").write_text(text(Path(app.srcdir)), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
