"""Groups of options: what a command receives, and how `--help` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import click
import pytest

from ferviz.cli.sections import NamedValue, OptionGroup, SectionedCommand, option, options


@dataclass(frozen=True)
class Paint(OptionGroup):
    section: ClassVar[str] = "Paint"
    colour: str = option("--colour", "-c", default="red", metavar="NAME", help="Which colour.")
    coats: int = option("--coats", default=2, type=click.IntRange(1), help="How many coats.")
    gloss: bool = option("--gloss", default=False, help="Shine.")
    mixed: tuple[tuple[str, object], ...] = option("--mix", default=(), type=NamedValue(), multiple=True, help="Mix.")


@dataclass(frozen=True)
class Brush(OptionGroup):
    section: ClassVar[str] = "Brush"
    width: float | None = option("--width", type=float, help="How wide.")


def painter(**changes) -> tuple[click.Command, list]:
    received: list = []

    @click.command("paint", cls=SectionedCommand)
    @click.argument("wall")
    @click.option("--twice", is_flag=True, help="Do it again.")
    @options(**changes)
    def command(wall: str, twice: bool, paint: Paint, brush: Brush) -> None:
        received.append((wall, twice, paint, brush))

    return command, received


def test_a_command_receives_objects():
    command, received = painter()
    command.main(["north", "--coats", "3", "--gloss", "--mix", "blue=0.5"], standalone_mode=False)
    command.main(["south", "--twice", "--width", "4"], standalone_mode=False)
    assert received[0] == ("north", False, Paint("red", 3, True, (("blue", 0.5),)), Brush())
    assert received[1] == ("south", True, Paint(), Brush(4.0))


def test_help_has_a_section_for_each_group():
    command, _ = painter()
    text = command.get_help(click.Context(command))
    places = [
        text.index(words) for words in ("Options:", "--twice", "Paint:", "--colour", "--gloss", "Brush:", "--width")
    ]
    assert places == sorted(places)
    assert "[default: red]" in text


def test_a_command_changes_what_it_shares():
    command, received = painter(defaults={"coats": 1}, helps={"width": "Of the roller."}, without=("gloss", "mixed"))
    text = command.get_help(click.Context(command))
    assert "[default: 1" in text
    assert "Of the roller." in text
    assert "--gloss" not in text
    command.main(["north"], standalone_mode=False)
    assert received[0][2] == Paint(coats=1)
    with pytest.raises(click.NoSuchOption):
        command.main(["north", "--gloss"], standalone_mode=False)


def test_names_that_no_group_has_are_refused():
    for changes in ({"without": ("glos",)}, {"helps": {"x": "y"}}, {"defaults": {"x": 1}}):
        with pytest.raises(TypeError, match=r"glos|x"):
            painter(**changes)


@pytest.mark.parametrize(
    ("text", "lists", "pair"),
    [
        ("steps=32", False, ("steps", 32)),
        ("flip=true", False, ("flip", True)),
        ("name=a,b", False, ("name", "a,b")),
        ("widths=32,64", True, ("widths", [32, 64])),
        ("drop-out=0.5", True, ("drop_out", 0.5)),
        ("text=a=b", False, ("text", "a=b")),
    ],
)
def test_named_values(text, lists, pair):
    assert NamedValue(lists).convert(text, None, None) == pair


@pytest.mark.parametrize("text", ["steps", "=3", "2x=3"])
def test_what_is_no_named_value(text):
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        NamedValue().convert(text, None, None)
