"""The command line as a whole: names, help texts, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ferviz.cli import COMMANDS, group, run


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
