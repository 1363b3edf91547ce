"""Links from a page to a file of the repository that also stands on the site lead to the page on the site."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

PAGES = {
    "benchmarks/results.md": "/benchmarks.md",
    "benchmarks/README.md": "/benchmarks.md",
    "CONTRIBUTING.md": "/contributing.md",
    "SECURITY.md": "/security.md",
    "CHANGELOG.md": "/changelog.md",
    "examples/README.md": "/gallery/index.rst",
    "docs/": "/",
}
"""What a path in the repository begins with -> the site's page."""


INCLUDED = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
"""A page of the site that is a file of the repository: its text takes the place of this directive, without its heading."""


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put included files into a page, and rewrite the links of both."""
    page = Path(app.env.doc2path(docname))
    root = Path(app.srcdir).parent

    def text_of(match: re.Match[str]) -> str:
        file = (page.parent / match[1]).resolve()
        app.env.note_dependency(str(file))
        _, _, rest = file.read_text(encoding="utf-8").partition("\n")
        return rewrite(rest, file, root)

    source[0] = INCLUDED.sub(text_of, rewrite(source[0], page, root))


def rewrite(text: str, page: str | Path, root: Path) -> str:
    """Return a page's text with links into the site.

    Args:
        text: Markdown.
        page: where it lies.
        root: the repository.

    Returns:
        The text; links that lead nowhere else than to a page of docs/ already are unchanged.
    """

    def link(match: re.Match[str]) -> str:
        target, fragment = match[1], match[2] or ""
        if "://" in target or target.startswith("/"):
            return match[0]
        path = (Path(page).parent / target).resolve()
        if not path.is_relative_to(root):
            return match[0]
        place = path.relative_to(root).as_posix()
        inside = Path(page).resolve().is_relative_to(root / "docs")
        for prefix, new in PAGES.items():
            if place == prefix or (prefix.endswith("/") and place.startswith(prefix) and not inside):
                return f"]({new}{place[len(prefix) :] if prefix.endswith('/') else ''}{fragment})"
        return match[0]

    return re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", link, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", on_source_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
