"""`python tools/check_site.py build/docs`: check the built documentation.

Fails where a page loads anything from another host (a script, a style, a font, a picture, a frame), where a picture has no
alternative text, and where a public name, a command or an option is missing in the reference. Links that a reader follows may lead
anywhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

ELSEWHERE = re.compile(r"^\s*(?:[a-z]+:)?//", re.IGNORECASE)
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
"""Tag -> the attribute whose address a browser loads by itself."""
STYLE_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
NAVIGATION = {"canonical", "next", "prev", "search", "index", "author", "copyright"}
"""Relations of <link> that a browser does not load."""


class Page(HTMLParser):
    """Collects the problems of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check one tag."""
        values = dict(attrs)
        address = values.get(LOADS.get(tag, "")) or ""
        loaded = tag != "link" or not NAVIGATION & set((values.get("rel") or "").split())
        if loaded and ELSEWHERE.match(address):
            self.problems.append(f"<{tag}> loads {address}")
        if tag == "img" and values.get("alt") is None:
            self.problems.append(f"the picture {address} has no alternative text")
        self.problems += [f"a style loads {target}" for target in STYLE_ADDRESS.findall(values.get("style") or "")]


def assets(site: Path) -> Iterator[str]:
    """Yield one line for each thing that a page loads from another host, and for each picture without alternative text.

    Args:
        site: the folder of the built site.
    """
    for path in sorted(site.rglob("*.css")) + sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".css":
            yield from (f"{name}: loads {address}" for address in STYLE_ADDRESS.findall(text))
        else:
            page = Page()
            page.feed(text)
            yield from (f"{name}: {problem}" for problem in page.problems)


def gaps(site: Path) -> Iterator[str]:
    """Yield one line for each public name, command and option that the built reference lacks.

    Args:
        site: the folder of the built site.
    """
    import click

    import ferviz
    from ferviz.cli import group

    names = "".join(path.read_text(encoding="utf-8") for path in (site / "reference" / "api").glob("*.html"))
    for name in ferviz.__all__:
        value = getattr(ferviz, name)
        label = f"module-{value.__name__}" if isinstance(value, ModuleType) else f"ferviz.{name}"
        if f'id="{label}"' not in names:
            yield f"ferviz.{name} is not in the reference"
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    waiting: list[tuple[str, click.Group, click.Context]] = [
        ("ferviz", group, group.make_context("ferviz", [], resilient_parsing=True))
    ]
    while waiting:
        prefix, parent, context = waiting.pop()
        for name in parent.list_commands(context):
            command = parent.get_command(context, name)
            assert command is not None
            label = f"{prefix}-{name}"
            section = re.search(rf'<section id="{label}">(.*?)</section>', text, re.DOTALL)
            flags = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts) if flag.startswith("-")}
            if section is None:
                yield f"the command {label} is not in the reference"
            else:
                shown = set(re.findall(r'<span class="pre">(-[^<]+)</span>', section[1]))
                yield from (f"{label}: the option {flag} is not in the reference" for flag in sorted(flags - shown))
            if isinstance(command, click.Group):
                waiting.append((label, command, context))


def main() -> int:
    """Print the problems of the site named on the command line; -> 1 if there are any."""
    site = Path(sys.argv[1])
    problems = [*assets(site), *gaps(site)]
    print(
        "\n".join(problems)
        or "Nothing is loaded from another host; every public name, command and option is in the reference."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
