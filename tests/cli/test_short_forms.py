"""`ferviz predict clip.mp4` is `ferviz video predict clip.mp4`: which command takes over, and with which options."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from ferviz.cli import group, run


def chosen(arguments: list[str]) -> tuple[str, click.Context]:
    """The command that a command line leads to, and its context."""
    with group.make_context("ferviz", list(arguments)) as root:
        name, command, rest = group.resolve_command(root, list(arguments))
        assert command is not None
        context = command.make_context(name, rest, parent=root)
        while isinstance(context.command, click.Group):
            name, command, rest = context.command.resolve_command(context, context._protected_args + context.args)
            assert command is not None
            context = command.make_context(name, rest, parent=context)
        return context.command_path.removeprefix("ferviz "), context


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("predict clip.mp4 --every 2", "video predict clip.mp4 --every 2"),
        ("predict --every 2 -o a.mp4 -- clip.MOV", "video predict --every 2 -o a.mp4 -- clip.MOV"),
        ("predict -- -clip.mp4", "video predict -- -clip.mp4"),
        ("explain clip.mp4 -O steps=4", "video explain clip.mp4 -O steps=4"),
        ("gradcam clip.mp4", "video gradcam clip.mp4"),
        ("predict a.gif --table a.csv", "video predict a.gif --table a.csv"),
        ("predict a.gif --out=a.mp4", "video predict a.gif --out=a.mp4"),
        ("explain fer2013.csv --split Training", "dataset explain fer2013.csv --split Training"),
        ("explain folder --reader folder", "dataset explain folder --reader folder"),
        ("explain --reader=csv --resume faces.dat", "dataset explain --reader=csv --resume faces.dat"),
    ],
)
def test_the_short_form_gives_the_long_one(short, long):
    name, context = chosen(short.split())
    other, same = chosen(long.split())
    assert name == other
    assert name == " ".join(long.split()[:2])
    assert context.params == same.params


@pytest.mark.parametrize(
    "arguments",
    [
        "predict face.png --out table.csv",
        "predict a.gif --out a.png",
        "explain face.png --out maps.npz",
        "explain clip.mp4.png",
        "predict shots --crops clip.mp4",  # an option's value is no input
        "explain face.png --option a=b.csv",
    ],
)
def test_pictures_stay_with_their_command(arguments):
    name, _ = chosen(arguments.split())
    assert name == arguments.split()[0]


def test_live_is_a_command_over_videos():
    assert chosen(["live"])[1].command is chosen(["video", "live"])[1].command


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("predict face.png --timeline a.png", ("--timeline", "video")),
        ("explain face.png --half-life 1", ("--half-life", "video")),
        ("explain face.png --resume", ("--resume", "data set")),
        ("predict clip.mp4 --tilt all", ("--tilt", "video")),
        ("predict clip.mp4 --crops faces", ("--crops", "video")),
        ("explain clip.mp4 --vmax 1", ("--vmax", "video")),
        ("explain faces.csv --largest", ("--largest", "data set")),
        ("explain faces.csv --every 2", ("--every", "video")),
        ("gradcam clip.mp4 --method rise", ("--method", "No such option")),
        ("predict clip.mp4 clip.mp4", ("video", "once for each")),
        ("explain faces.csv face.png", ("data set", "once for each")),
        ("predict clip.mp4 --out", ("--out", "requires")),
    ],
)
def test_an_option_of_another_input_is_an_error_that_names_it(arguments, names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments.split()) == 2
    captured = capsys.readouterr()
    assert all(name in captured.err for name in names), captured.err
    assert captured.out == ""
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("words", "offered", "not_offered"),
    [
        ("predict a.png --t", "--threshold", "--table"),
        ("predict a.mp4 --t", "--table", "--tilt"),
        ("predict a.mp4 b.mp4 --t", "--table", "--tilt"),
        ("explain a.csv --re", "--resume", "--vmax"),
        ("video p", "predict", "explain"),
    ],
)
def test_a_shell_completes_the_options_of_the_input(words, offered, not_offered):
    arguments = words.split()
    completion = ShellComplete(group, {}, "ferviz", "_FERVIZ_COMPLETE")
    items = {item.value for item in completion.get_completions(arguments[:-1], arguments[-1])}
    assert offered in items
    assert not_offered not in items


def test_help_is_of_the_input(capsys):
    assert run(["predict", "--help"]) == 0
    pictures = capsys.readouterr().out
    assert run(["predict", "clip.mp4", "--help"]) == 0
    video = capsys.readouterr().out
    assert "--tilt" in pictures
    assert "--every" not in pictures
    assert "--every" in video
    assert "--tilt" not in video
