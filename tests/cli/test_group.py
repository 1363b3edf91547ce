"""The command line as a whole: names, help texts, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ferviz.cli import COMMANDS, group, run
from ferviz.cli.exit_codes import EXIT_CODES
from ferviz.errors import FervizError


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: ferviz {name}") or f" {name} " in out.splitlines()[0]


def test_the_lines_of_the_overview_are_the_commands_own():
    context = group.make_context("ferviz", [], resilient_parsing=True)
    for name, line in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert (command.help or "").splitlines()[0].strip() == line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["gradcma"], 2, "'gradcam'"),
        (["gradcam", "--nonsense"], 2, "--nonsense"),
        (["gradcam"], 2, "PICTURE"),
        (["gradcam", "not-there.png"], 3, "not-there.png"),
        (["layers", "--model", "not-there.h5"], 4, "not-there.h5"),
        (["data", "not-there.csv"], 6, "not-there.csv"),
        ([], 2, "Commands:"),
    ],
)
def test_mistakes_get_a_sentence_and_their_exit_code(arguments, code, says, capsys):
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_module_runs():
    done = subprocess.run([sys.executable, "-m", "ferviz", "--version"], capture_output=True, text=True, check=True)
    assert "ferviz" in done.stdout or "version" in done.stdout


def kinds_of(error: type[FervizError]) -> set[type[FervizError]]:
    return {error}.union(*map(kinds_of, error.__subclasses__()))


def test_the_help_lists_every_exit_code_as_the_reference_does(capsys):
    assert run(["--help"]) == 0
    section = capsys.readouterr().out.partition("Exit codes:\n")[2]
    listed = dict(re.findall(r"^  (\d+) +(\S.*)$", section, re.MULTILINE))
    assert {int(code) for code in listed} == {error.exit_code for error in kinds_of(FervizError)} | {0, 130}
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert listed == dict(re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE))
    assert listed == {str(code): meaning for code, meaning in EXIT_CODES.items()}
