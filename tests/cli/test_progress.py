"""Progress where nobody watches: some lines instead of a bar, none for short work, none if quiet, no colours if they are not wanted."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from ferviz.cli import run
from ferviz.cli.console import Console

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def items(self, count: int, seconds: float):
        for number in range(count):
            self.now += seconds
            yield number


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_prints_lines_with_the_time_left(capsys):
    clock = Clock()
    assert list(Console(clock=clock).progress(clock.items(100, 1), "analyzing", 100)) == list(range(100))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == [
        "analyzing: 10 of 100 (10%), 2 min left",
        "analyzing: 20 of 100 (20%), 80 s left",
    ]
    assert len(err.splitlines()) == 9


def test_a_day_is_not_a_thousand_lines(capsys):
    clock = Clock()
    list(Console(clock=clock).progress(clock.items(86_400, 1), "explaining"))
    lines = capsys.readouterr().err.splitlines()
    assert 50 < len(lines) < 400
    assert re.fullmatch(r"explaining: 8\d,\d{3} in 2[34] h \d\d min", lines[-1])


@pytest.mark.parametrize(("quiet", "seconds"), [(False, 0.05), (True, 10.0)])
def test_short_work_and_quiet_work_print_nothing(quiet, seconds, capsys):
    clock = Clock()
    console = Console(quiet, clock)
    list(console.progress(clock.items(100, seconds), "analyzing", 100))
    with console.steps("dreaming") as step:
        for number in clock.items(100, seconds):
            if step is not None:
                step(number + 1, 100)
    assert capsys.readouterr() == ("", "")


def test_steps_are_lines_as_well(capsys):
    clock = Clock()
    with Console(clock=clock).steps("dreaming") as step:
        assert step is not None
        for number in clock.items(4, 8):
            step(number + 1, 4)
    assert capsys.readouterr().err.splitlines() == ["dreaming: 2 of 4 (50%), 16 s left"]


def test_more_than_was_promised_is_no_negative_time(capsys):
    clock = Clock()
    list(Console(clock=clock).progress(clock.items(3, 20), "analyzing", 1))
    assert capsys.readouterr().err.splitlines() == ["analyzing: 2 in 40 s", "analyzing: 3 in 60 s"]


def test_a_dumb_terminal_gets_lines_without_escapes(monkeypatch):
    clock, terminal = Clock(), Terminal()
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", terminal)
    list(Console(clock=clock).progress(clock.items(3, 12), "analyzing", 3))
    assert terminal.getvalue() == "analyzing: 1 of 3 (33%), 24 s left\nanalyzing: 2 of 3 (67%), 12 s left\n"


def test_no_color_takes_the_colours_from_the_bar_and_from_errors(monkeypatch):
    colours = re.compile(r"\x1b\[[\d;]*m")
    for value, coloured in (("", True), ("1", False)):
        terminal = Terminal()
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", value)
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run(["gradcma"]) == 2
        list(Console().progress(range(3), "analyzing", 3))
        codes = [c for c in colours.findall(terminal.getvalue()) if re.search(r"3\d|9\d", c)]
        assert bool(codes) == coloured


@pytest.mark.parametrize("arguments", [["predict", str(PORTRAIT)], ["predict", str(PORTRAIT), "--json"], ["layers"]])
def test_quiet_commands_have_nothing_on_standard_error(arguments, capsys):
    assert run([*arguments, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert bool(captured.out) == (arguments != ["predict", str(PORTRAIT)])
