"""The README and the pages of the documentation do what they say: their Python and their shell lines run as they stand.

Every ```python block of these pages, and every ```sh line that begins with `ferviz`, is run in a folder that holds the files that the
pages name, and prints what a ```text block behind it shows. A block behind a line `<!-- not run: REASON -->` or
`<!-- not tested: REASON -->` is left out, and so is one behind `<!-- needs MODULE -->` where that is not installed; ```console blocks show
what needs foreign files, minutes or TensorFlow. `make tutorial` types all of them in a fresh environment, but for those that are not run.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.attribution.methods.registry import METHODS
from ferviz.cli import run
from ferviz.reports import write_report
from ferviz.studies import region_study
from ferviz.writers import WRITERS

ROOT = Path(__file__).parents[1]
NOISE = np.random.default_rng(0).integers(0, 255, (2, 48, 48)).astype(np.uint8)


def tool(name: str) -> ModuleType:
    """A module of tools/tutorial."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", ROOT / "tools" / "tutorial" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


PAGE_BLOCKS, SHOWN, STAND_INS = tool("page_blocks"), tool("shown_output"), tool("stand_ins")
OWN_TEST = {
    "write-a-detector.md",
    "write-a-reader.md",
    "write-an-engine.md",
    "write-an-objective.md",
    "compiled-networks.md",
}
"""Pages whose code has a test of its own, beside the tests of what it extends."""
SLOW = {
    "README.md",
    "tutorial.md",
    "evaluate.md",
    "read-the-pictures.md",
    "questions-over-a-data-set.md",
    "figures-for-a-paper.md",
    "which-map-to-believe.md",
}
FACES = {"questions-over-a-data-set.md": 2, "report.md": 8}
"""Pages that ask every face thousands of times: how many faces their data set has."""
SECTIONS = ("check", "accuracy", "labels", "gallery")
"""The sections of a report here; one with all of them is written in tests/scale/test_explained.py."""
SHORT_COMMANDS = {"dream": ["--steps", "2"], "gradcam": ["--no-test"], "explain": ["--no-test"]}
"""What is added to a command of which a page shows no output: maps are tested in hundreds of passes."""
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name not in OWN_TEST
    and not page.name.startswith("write-")
    and any(block.kind != "console" for block in PAGE_BLOCKS.read(page))
]


def blocks(page: str | Path, kind: str = "python") -> list[Any]:
    """Return the blocks of a page (a path, or its place below docs/) that are run."""
    return [
        block
        for block in PAGE_BLOCKS.read(ROOT / "docs" / page)
        if block.kind == kind
        and block.mark not in ("not run", "not tested")
        and all(importlib.util.find_spec(module) for module in block.needs)
    ]


@pytest.fixture(autouse=True, scope="module")
def opened_once(read_once: None, frozen_once: None) -> None:
    """The bundled network is read, and frozen for dreams, once for all pages."""


@pytest.fixture(scope="module")
def foreign_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of: small stand-ins for a reader's own."""
    folder = tmp_path_factory.mktemp("page")
    STAND_INS.pictures(folder)
    STAND_INS.examples(folder)
    STAND_INS.data_set(folder)
    STAND_INS.networks(folder, "bundled.ferviz")  # which needs no TensorFlow
    return folder


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.relative_to(ROOT).as_posix(), marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in PAGES
    ],
)
def test_the_page_runs_as_it_stands(
    page: Path, foreign_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(foreign_files, folder)
    monkeypatch.chdir(folder)
    if page.name in FACES:
        STAND_INS.data_set(folder, FACES[page.name])
    if "clip.mp4" in page.read_text(encoding="utf-8"):
        STAND_INS.clip(folder / "clip.mp4")
    monkeypatch.setattr(write_report, "SECTIONS", {name: write_report.SECTIONS[name] for name in SECTIONS})
    # Every fill and every border once, not all pairs.
    monkeypatch.setattr(region_study, "SPREAD", region_study.SPREAD[::4])
    for block in blocks(page, "sh"):
        for command in block.commands:
            if command.words[0] != "ferviz":
                continue
            printed, words = io.StringIO(), command.words[1:]
            if not command.shown and "--steps" not in words and "--no-test" not in words:
                words = [*words, *SHORT_COMMANDS.get(words[0], [])]
            with redirect_stdout(printed), redirect_stderr(printed):
                code = run(words)
            assert code == 0, (command.line, printed.getvalue())
            if command.shown:
                unlike = SHOWN.difference(command.shown, printed.getvalue(), any_number=block.mark == "may differ")
                assert not unlike, (command.line, unlike)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for block in blocks(page):
            with redirect_stdout(io.StringIO()) as printed:
                exec(compile(block.code, str(page), "exec"), names)
            if block.text:
                unlike = SHOWN.difference(block.text, printed.getvalue(), any_number=block.mark == "may differ")
                assert not unlike, (block.code, unlike)
    finally:
        if "matplotlib.pyplot" in sys.modules:  # a page's figures must not wait for the next test's
            sys.modules["matplotlib.pyplot"].close("all")
    assert blocks(page) or blocks(page, "sh") or "<!-- not " in page.read_text(encoding="utf-8")


def test_a_page_is_read_as_it_is_meant(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nferviz a  # why\nferviz b \\\n  --c 'd e'\n```\n\n```text\nprints\n```\n"
        "<!-- may differ: the clock -->\n\n```console\n$ ferviz f\n1 s\n...\n$ ferviz g\n```\n"
        "<!-- not run: minutes -->\n```python\nh\n```\n```python\ni\n```\n```text\nj\n```\n```json\nk\n```\n"
        "<!-- needs torch, timm -->\n<!-- not tested: hours -->\n\n```python\nl\n```\n<!-- needs onnx -->\n```python\nm\n```\n"
    )
    shell, console, hidden, program, slow, foreign = PAGE_BLOCKS.read(page)
    assert [(c.words, c.shown) for c in shell.commands] == [
        (["ferviz", "a"], ""),
        (["ferviz", "b", "--c", "d e"], "prints\n"),
    ]
    assert (console.mark, console.reason) == ("may differ", "the clock")
    assert [(c.line, c.shown) for c in console.commands] == [("ferviz f", "1 s\n...\n"), ("ferviz g", "")]
    assert (hidden.mark, program.mark, program.code, program.text) == ("not run", "", "i\n", "j\n")
    assert (slow.mark, slow.reason, slow.needs) == ("not tested", "hours", ("torch", "timm"))
    assert (foreign.mark, foreign.needs, program.needs) == ("", ("onnx",), ())


@pytest.mark.parametrize(
    ("shown", "printed", "any_number", "agrees"),
    [
        ("happy 0.92\n", "happy 0.92  \n", False, True),
        ("happy 0.92", "happy 0.93", False, True),  # the last place, as processors round
        ("happy 0.92", "happy 0.94", False, False),
        ("happy 0.92", "happy 0.920", False, False),
        ("3 faces", "4 faces", False, False),
        ("3 faces", "4 faces", True, True),
        ("3   faces", "12 faces", True, True),
        ("3 faces", "3 persons", True, False),
        ("1,274 groups", "1,275 groups", False, False),
        ("a\n...\nd", "a\nb\nc\nd", False, True),
        ("a\n...", "a\nb", False, True),
        ("a", "a\nb", False, False),
        ("a\nb", "a", False, False),
        ("a\n...\nd", "a\nb", False, False),
        ("http://host:1/?token=...", "http://host:1/?token=abc", False, True),
        ("(a|b)*", "(a|b)*", False, True),
        ("a.c", "abc", False, False),
        ("red", "\x1b[31mred\x1b[0m", False, True),
    ],
)
def test_what_is_printed_is_compared_with_what_is_shown(
    shown: str, printed: str, any_number: bool, agrees: bool
) -> None:
    assert (SHOWN.difference(shown, printed, any_number) == "") is agrees


def test_an_output_of_other_data_has_most_words_of_what_is_shown() -> None:
    shown = "net on 3,000 faces\n* -1..1  csv  63.0 %\nverdict: use -1..1\n"
    printed = "net on 70 faces\n* 0..1  csv  12.5 %\n\x1b[1mverdict\x1b[0m: keep 0..1\n"
    assert SHOWN.absent_words(shown, printed) == (["use"], 1 / 5)
    assert SHOWN.absent_words(shown, "no such file")[1] == 1
    assert SHOWN.absent_words("12 34", "") == ([], 0)


def test_own_methods() -> None:
    model = ferviz.load_model()
    try:
        for block in blocks("extending/write-a-method.md"):
            exec(block.code, {})
        powered = ferviz.explain(model, NOISE, method="absolute-cam", power=2.0)
        plain = ferviz.explain(model, NOISE, method="absolute-cam")
        assert not np.allclose(powered.raw, plain.raw)
        rows = ferviz.explain(model, NOISE, method="row-occlusion").raw
        assert np.all(rows == rows[..., :1]), "a row of pixels is hidden as a whole"
        assert rows.std() > 0
    finally:
        for name in ("absolute-cam", "row-occlusion"):
            METHODS._entries.pop(name, None)


def test_own_architecture() -> None:
    (block,) = blocks("extending/write-an-architecture.md")
    names: dict[str, Any] = {}
    exec(block.code, names)
    network, logits = names["build"](classes=5, filters=4), names["build"](classes=5, filters=4, logits=True)
    assert network.output_shape == (None, 5)
    for weight, other in zip(network.get_weights(), logits.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    np.testing.assert_allclose(network.predict(NOISE[..., None], verbose=0).sum(1), 1, atol=1e-5)


def test_own_writer(foreign_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import loadmat

    monkeypatch.chdir(tmp_path)
    shutil.copy(foreign_files / "face.png", tmp_path)
    monkeypatch.setattr(WRITERS, "_entries", dict(WRITERS._entries))  # it is gone again afterwards
    names: dict[str, Any] = {}
    (block,) = blocks("extending/write-a-writer.md")
    exec(block.code, names)
    stored = loadmat(tmp_path / "maps.mat")
    np.testing.assert_array_equal(stored["raw"], names["explanation"].raw)
    assert "gradcam" in str(stored["manifest"])
    with pytest.raises(ferviz.OutputExistsError):
        names["explanation"].save(tmp_path / "maps.mat")
