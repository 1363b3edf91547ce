"""llms.txt, which the build of the site writes: it names every page, command, option and public name, and the same text each time."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import ferviz

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_ext"))
        yield importlib.import_module("llms_text")


@pytest.fixture(scope="module")
def text(module: ModuleType) -> str:
    result: str = module.text(DOCS)
    return result


def test_every_page_is_linked_once(text: str) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.glob("*/*.md")}
    linked = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, re.MULTILINE)
    assert len(linked) == len(set(linked))
    missing = {page for page in pages - set(linked) if not page.endswith("index.html")}
    assert not missing
    assert not [page for page in linked if not (DOCS / page).with_suffix(".md").exists()]


def test_every_command_and_option_is_there(text: str, module: ModuleType) -> None:
    blocks = dict(
        re.findall(r"^- `(ferviz [^`\[]+?)(?: \[[^`]*| [A-Z][^`]*)?`: (\S.*(?:\n  - .*)*)", text, re.MULTILINE)
    )
    shared = text.partition("## Options that several commands share")[2].partition("## Exit codes")[0]
    for name, _, command in module.commands():
        for title, options in module.sections_of(command).items():
            flags = {module._longest(option) for option in options} if title != "Arguments" else set()
            assert flags <= set(re.findall(r"--[\w-]+", blocks[name]))
            assert title in ("Options", "Arguments") or flags <= set(re.findall(r"--[\w-]+", shared))


def test_every_public_name_is_there_with_a_sentence(text: str) -> None:
    listed = re.findall(r"^  - `ferviz\.(\w+)[^`]*`: \S", text, re.MULTILINE)
    assert sorted(listed) == sorted(ferviz.__all__)


def test_a_default_of_one_command_is_not_said_of_all(text: str) -> None:
    shared = text.partition("## Options that several commands share")[2]
    assert re.search(r"`--out, -o FILE`: [^\[\n]*$", shared, re.MULTILINE)


def test_it_is_the_same_text_each_time_and_short(text: str, module: ModuleType) -> None:
    assert module.text(DOCS) == text
    assert str(Path.home()) not in text
    assert "0x" not in text
    assert len(text) < 60_000
