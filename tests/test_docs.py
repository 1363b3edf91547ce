"""The documentation's links lead somewhere, its commands have the options that they are shown with, and the built site is its own host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from ferviz.cli import COMMANDS, group
from ferviz.cli.short_forms import PictureCommand

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "docs"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
    if "gallery" not in page.parts
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    made_by_the_build = {"gallery/index.rst"}
    missing, anchors = [], []
    for target, fragment in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text):
        file = page.parent / target if target else page
        if "://" in target or target in made_by_the_build:
            continue
        if not file.exists():
            missing.append(target)
        elif fragment and fragment[1:] not in headings(file):
            anchors.append(target + fragment)
    assert not missing
    assert not anchors


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and MyST make them from its headings."""
    lines = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_picture_says_in_words_what_it_shows(page: Path) -> None:
    assert not [
        target for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")) if not text
    ]


def commands() -> Iterator[tuple[str, click.Command]]:
    """(name with spaces, command) of every command, and of those inside a group."""

    def below(parent: click.Group, context: click.Context, prefix: str) -> Iterator[tuple[str, click.Command]]:
        for name in parent.list_commands(context):
            command = parent.get_command(context, name)
            assert command is not None
            yield prefix + name, command
            if isinstance(command, click.Group):
                yield from below(command, context, f"{prefix}{name} ")

    yield from below(group, group.make_context("ferviz", [], resilient_parsing=True), "")


def options() -> dict[str, set[str]]:
    """{command: its long options}, with those of the commands that it forwards to or groups."""
    known: dict[str, set[str]] = {}
    for name, command in commands():
        parts = [command]
        if isinstance(command, PictureCommand):
            parts += [command.command_for(kind) for kind in command.kinds]
        flags = {
            flag
            for part in parts
            for p in part.params
            for flag in (*p.opts, *p.secondary_opts)
            if flag.startswith("--")
        }
        known[name] = known.get(name, set()) | flags
        for depth in range(1, len(name.split())):
            known[" ".join(name.split()[:depth])] |= flags
    return known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_the_pages_have_the_options_that_they_are_shown_with(page: Path) -> None:
    known = options()
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = re.findall(r"(?:^|[`$ (])ferviz ([a-z]+(?: [a-z]+)?)\b([^`\n|#]*)", text, flags=re.MULTILINE)
    wrong = set()
    for words, rest in shown:
        name = words if words in known else words.split()[0]
        if name in known:
            flags = re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)
            wrong |= {(name, flag) for flag in flags if flag not in known[name] | {"--help"}}
    assert not wrong


def test_every_command_is_in_the_table_of_commands() -> None:
    table = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert not [name for name in COMMANDS if f"`{name}`" not in table]


def test_every_benchmark_is_in_its_readme() -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in ROOT.glob("benchmarks/*.py") if f"`{p.name}`" not in readme]


def test_every_picture_of_the_documentation_is_used() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    pictures = [p.name for p in (ROOT / "docs" / "images").iterdir() if p.suffix in {".png", ".jpg", ".webp", ".gif"}]
    assert not [name for name in pictures if name not in text]


@pytest.fixture(scope="module")
def check_site(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("tools/check_site.py")


def test_the_example_of_a_report_is_what_its_command_writes(check_site: ModuleType) -> None:
    import ferviz

    page = ROOT / "docs" / "how-to" / "report-bundled.html"
    assert page.stat().st_size < 2_000_000
    record = ferviz.read_record(page)
    assert record["settings"]["model_sha256"] == ferviz.load_model().sha256, (
        "the bundled network is another one: write it again"
    )
    text = (ROOT / "docs" / "how-to" / "report.md").read_text(encoding="utf-8")
    assert 'href="report-bundled.html"' in text
    command = record["asked"].removesuffix(" --force")
    assert f"$ {command}\n" in text
    assert not record["settings"]["show_faces"]
    assert not [name for name, section in record["sections"].items() if "not_measured" in section]
    assert not list(check_site.assets(page.parent))


def test_the_site_s_check_finds_what_comes_from_another_host(check_site: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://a.example/"><a href="https://b.example/">b</a><img src="c.png" alt="">'
        '<link rel="stylesheet" href="https://d.example/d.css"><script src="//e.example/e.js"></script><img src="f.png">'
        '<p style="background: url(https://g.example/g.png)"></p>'
    )
    (tmp_path / "h.css").write_text("@import 'https://h.example/h.css'; a { background: url(i.png) }")
    lines = list(check_site.assets(tmp_path))
    assert len(lines) == 5
    for line, part in zip(lines, ("h.css", "d.example", "e.example", "f.png", "g.example"), strict=True):
        assert part in line


@pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built; make docs builds it")
def test_the_built_site_loads_nothing_from_another_host(check_site: ModuleType) -> None:
    assert not list(check_site.assets(SITE))
