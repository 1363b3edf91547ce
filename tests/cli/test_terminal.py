"""The terminal: Ctrl-C at any moment, names that would move the cursor, readers that leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ferviz.cli import run
from ferviz.cli.console import Console, echo, echo_data, print_json

HOOK = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.environ["INTERRUPT_AT"] = ""
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""
"""A sitecustomize module that presses Ctrl-C when a module is imported."""

EVIL = "happy\x1b[2K\rferviz: all is well\n\u202e\x9b31m"


def interrupted(module: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(HOOK)
    paths = [str(folder), os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])]
    environment = {**os.environ, "INTERRUPT_AT": module, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        [sys.executable, "-m", "ferviz", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("ferviz.cli", ["--help"]),
        ("click", ["--help"]),
        ("click.core", ["--help"]),
        ("ferviz.errors", ["--help"]),
        ("ferviz.cli.commands.layers", ["layers"]),
        ("numpy", ["layers"]),
        ("numpy._core.multiarray", ["layers"]),
        ("ai_edge_litert.interpreter", ["layers"]),
    ],
)
def test_ctrl_c_while_modules_are_imported(module, arguments, tmp_path) -> None:
    done = interrupted(module, tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() in ("", "ferviz: interrupted")


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_that_a_library_turns_into_an_error_of_its_own(monkeypatch, capsys) -> None:
    from ferviz import cli

    def work(**_: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        except KeyboardInterrupt as error:
            raise ImportError("the library could not be initialised") from error

    monkeypatch.setattr("ferviz.cli.group.main", work)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main([])
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 130
    assert capsys.readouterr().err == "ferviz: interrupted\n"


def test_names_cannot_forge_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say(EVIL)
    console.warn(EVIL)
    console.error(ValueError(EVIL))
    assert run(["gradcam", "--method", EVIL]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[2K\\rferviz: all is well\\n\\u202e\\x9b31m" in lines[0]


def test_text_keeps_its_lines_and_loses_its_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    echo("first\nsecond \x1b[31m")
    assert capsys.readouterr().out == "first\nsecond \\x1b[31m\n"


def test_data_are_exact_for_programs_and_harmless_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    echo_data("a,\x1b[31m\n")
    assert capsys.readouterr().out == "a,\x1b[31m\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    echo_data("a,\x1b[31m\n")
    assert click.unstyle(printed := capsys.readouterr().out) == printed == "a,\\x1b[31m\n"


def test_json_is_the_same_document_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("test", {"name": EVIL, "nan": float("nan"), "tag": "\U000e0041"})
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert json.loads(printed) == {
        "schema_version": 1,
        "command": "test",
        "name": EVIL,
        "nan": None,
        "tag": "\U000e0041",
    }


def test_a_reader_of_standard_error_that_has_left_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "ferviz", "nosuch"], stdout=subprocess.PIPE, stderr=pipe, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (2, "")


def test_commands_print_through_the_console_alone() -> None:
    folder = Path(run.__code__.co_filename).parent
    wrong = [
        f"{path.relative_to(folder)}:{number}"
        for path in folder.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\b(click\.echo|click\.secho|print)\(", line) and path.name not in ("console.py", "__init__.py")
    ]
    assert not [place for place in wrong if "train.py" not in place]  # rich prints its progress
