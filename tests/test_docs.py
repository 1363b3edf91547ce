"""The documentation's links lead somewhere, and its commands have the options that they are shown with."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ferviz.cli import COMMANDS, group
from ferviz.cli.short_forms import PictureCommand

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("benchmarks/*.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def options() -> dict[str, set[str]]:
    """{command: its long options}, with those of the commands that it forwards to, or that it groups."""
    context = group.make_context("ferviz", [], resilient_parsing=True)
    flags = {}
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        parts = [command]
        if isinstance(command, PictureCommand):
            parts += [command.command_for(kind) for kind in command.kinds]
        if isinstance(command, click.Group):
            parts += [command.get_command(context, part) for part in command.list_commands(context)]
        spellings = {flag for part in parts for p in part.params for flag in (*p.opts, *p.secondary_opts)}
        flags[name] = {flag for flag in spellings if flag.startswith("--")}
    return flags


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_on_the_pages_have_the_options_that_they_are_shown_with(page):
    known = options()
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = re.findall(r"(?:^|[`$ (])ferviz ([a-z]+)\b([^`\n|#]*)", text, flags=re.MULTILINE)
    wrong = {
        (name, flag)
        for name, rest in shown
        if name in known
        for flag in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)
        if flag not in known[name] | {"--help"}
    }
    assert not wrong


def test_every_benchmark_is_in_its_readme():
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in ROOT.glob("benchmarks/*.py") if f"`{p.name}`" not in readme]


def test_every_picture_of_the_documentation_is_used():
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    pictures = [p.name for p in (ROOT / "docs" / "images").iterdir() if p.suffix in {".png", ".jpg", ".webp", ".gif"}]
    assert not [name for name in pictures if name not in text]
