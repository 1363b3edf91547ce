"""Wrong input for every command: each option with a value that it cannot have, files that are not there, outputs that cannot be.

The commands and their options are read from the command line itself, so a new one is tested as soon as it exists. Every mistake gets
its exit code and one sentence, within moments, and nothing is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

import ferviz
from ferviz.cli import group, run
from ferviz.cli.sections import NamedValue
from ferviz.cli.short_forms import PictureCommand
from ferviz.data.synthetic import cartoons
from ferviz.images import write_image
from ferviz.models.bundled import bundled_path
from ferviz.tables.csv_table import csv_text

ARGUMENTS = {
    "gradcam": "face.png", "explain": "face.png", "compare": "face.png", "activations": "face.png", "predict": "face.png", "dream": "",
    "video predict": "clip.mp4", "video gradcam": "clip.mp4", "video explain": "clip.mp4", "video live": "clip.mp4", "live": "clip.mp4",
    "studio": "", "dataset explain": "d.csv", "dataset gradcam": "d.csv", "scale plan": "d.csv --out run", "scale run": "plan",
    "scale status": "plan", "scale retry": "plan", "scale merge": "plan", "detectors get": "ssd", "compile": "net.ferviz",
    "layers": "net.ferviz", "data": "d.csv", "train": "t.csv --out run", "teach": "d.csv", "evaluate": "d.csv",
    "study": "regions d.csv", "report": "d.csv", "trust": "d.csv", "audit": "d.csv", "check": "net.ferviz d.csv",
}  # fmt: skip
"""Command -> arguments with which it would work, but for the mistake that is added."""

MISSING = {
    "face.png": ("gone.png", 3), "clip.mp4": ("gone.mp4", 3), "d.csv": ("gone.csv", 6), "t.csv": ("gone.csv", 6),
    "net.ferviz": ("gone.ferviz", 4), "plan": ("gone", 6), "ssd": ("gone", 2), "regions": ("gone", 2),
}  # fmt: skip
"""Argument -> one that is not there, and its exit code."""

WRONG = {
    "labels": ("happy,happy", 2), "scaling": ("nonsense", 2), "input": ("48x", 2), "cmap": ("nonsense", 2),
    "method": ("nonsense", 2), "target": ("nonsense", 2), "layer": ("nonsense", 2), "detector": ("nonsense", 2),
    "reader": ("nonsense", 2), "out": ("run.nonsense", 2), "model": ("gone.h5", 4), "detector-model": ("gone.onnx", 4),
    "judge": ("gone.h5", 4), "against": ("gone.h5", 4), "votes": ("gone.csv", 6), "image": ("gone.png", 3),
    "scheme": ("nonsense", 2), "optimizer": ("nonsense", 2), "schedule": ("nonsense", 2), "class-weights": ("nonsense", 2),
    "precision": ("nonsense", 2), "teacher": ("gone.h5", 4), "init-from": ("gone.h5", 4), "where": ("nonsense", 2),
    "tta": ("nonsense", 2), "timeline": ("run.nonsense", 2), "table": ("run.nonsense", 2), "animate": ("run.nonsense", 2),
    "filters": ("nonsense", 2), "fill": ("nonsense", 2), "heatmap": ("nonsense", 2), "channel": ("nonsense", 2),
    "architecture": ("nonsense", 2),
}  # fmt: skip
"""Option -> a value that it cannot have, and the exit code of that."""

SPECIAL = {
    ("layers", "labels"): None, ("compile", "labels"): None, ("check", "labels"): None,  # names of one's own are not known to be wrong
    ("layers", "model"): ("gone.h5", 2), ("compile", "model"): ("gone.h5", 2),  # a second one
    ("study", "against"): ("gone.h5", 2), ("dream", "detector-model"): ("gone.onnx", 2), ("studio", "votes"): ("gone.csv", 2),
    ("evaluate", "compare"): ("gone.h5", 4), ("studio", "compare"): ("gone.h5", 4), ("studio", "data"): ("gone.csv", 6),
    ("scale run", "engine"): ("nonsense", 2), ("scale retry", "engine"): ("nonsense", 2),
    ("train", "out"): None, ("scale plan", "out"): None,  # folders, which are made
}  # fmt: skip
"""(command, option) -> what it is there, None where nothing is wrong."""

OUTPUTS = {
    "compile": "run.ferviz", "teach": "run.ferviz", "report": "run.html", "scale merge": "run.parquet", "dataset explain": "run.npz",
    "dataset gradcam": "run.npz", "video predict": "run.mp4", "video gradcam": "run.mp4", "video explain": "run.mp4",
}  # fmt: skip
"""Command -> an output that it can write, where that is not run.png."""

BESIDE = {
    "detector-model": ["--detector", "yunet"],
    "animate": ["--out", "run.png"],
    "heatmap": ["--out", "run.mp4"],
    "channel": ["--layer", "relu8"],
}
"""Option -> what has to be typed with it."""

SLOW = {"check", "compile", "layers"}
"""Commands that look at the network itself, with TensorFlow."""


def leaves() -> Iterator[tuple[str, click.Command]]:
    """(name, command) of every command that is no group."""

    def below(parent: click.Group, context: click.Context, prefix: str) -> Iterator[tuple[str, click.Command]]:
        for name in parent.list_commands(context):
            command = parent.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from below(command, click.Context(command, info_name=name, parent=context), f"{prefix}{name} ")
            else:
                yield prefix + name, command

    yield from below(group, group.make_context("ferviz", [], resilient_parsing=True), "")


LEAVES = dict(leaves())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a face, a clip, two data sets (one with a split for training), a network and the plan of a run."""
    here = tmp_path_factory.mktemp("wrong")
    drawn = cartoons.make(14, seed=0, task="emotions")
    write_image(here / "face.png", drawn.images[0])
    for name, usages in (("d.csv", ["PublicTest"]), ("t.csv", ["Training", "PublicTest"])):
        rows = [["emotion", "pixels", "Usage"]]
        for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
            rows.append([str(int(label)), " ".join(map(str, image.ravel())), usages[number % len(usages)]])
        (here / name).write_text(csv_text(rows), encoding="utf-8")
    clip = cv2.VideoWriter(str(here / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(3):
        clip.write(np.zeros((64, 64, 3), np.uint8))
    clip.release()
    shutil.copy(bundled_path(), here / "net.ferviz")
    ferviz.scale.plan(str(here / "d.csv"), here / "plan")
    return here


@pytest.fixture(autouse=True, scope="module")
def opened_once(read_once: None) -> None:
    """What is refused is refused before the network is read, or right after it."""


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder; a page that would be served is a mistake that was overlooked."""

    def serve(*_: object, **__: object) -> None:
        raise AssertionError("a page was served")

    monkeypatch.chdir(folder)
    monkeypatch.setattr("ferviz.web.serve.serve", serve)


def mistakes_of(command: click.Command, name: str) -> Iterator[tuple[list[str], int]]:
    """(what is typed wrongly, exit code) for every option that can be."""
    yield ["--nonsense"], 2
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.is_flag:
            continue
        flag = max(parameter.opts, key=len)
        word = flag.removeprefix("--")
        beside = BESIDE.get(word, []) + (["--filters", "conv1"] if (name, word) == ("layers", "out") else [])
        if (name, word) in SPECIAL:
            if special := SPECIAL[name, word]:
                yield [*beside, flag, special[0]], special[1]
        elif isinstance(parameter.type, click.Choice | NamedValue):
            yield [*beside, flag, "nonsense"], 2
        elif isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
            yield [*beside, flag, "nonsense"], 2
            least = getattr(parameter.type, "min", None)
            yield [*beside, flag, "-3" if least is None or least >= 0 else str(least - 1)], 2
            if isinstance(parameter.type, click.types.FloatParamType):
                yield [*beside, flag, "nan"], 2
        elif word in WRONG:
            yield [*beside, flag, WRONG[word][0]], WRONG[word][1]
        if word == "out" and (name, word) not in SPECIAL:
            yield [*beside, flag, f"gone/{OUTPUTS.get(name, 'run.png')}"], 1


def refused(words: list[str], code: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """-> what is wrong with how a command line is refused, or ""."""
    before = sorted(path.name for path in folder.rglob("*"))
    got = run(words)
    printed = capsys.readouterr()
    new = [path for path in folder.rglob("*") if path.name not in before]
    for path in new:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    lines = printed.err.splitlines()
    sentences = [line for line in lines if line.startswith("ferviz: ")]
    problems = [f"exit code {got}, not {code}"] if got != code else []
    problems += [f"wrote {', '.join(path.name for path in new)}"] if new else []
    problems += ["printed on standard output"] if printed.out else []
    if len(sentences) != 1 or lines[-1] != sentences[0]:  # notes about the network may stand before
        problems.append(f"says {printed.err!r:.300}")
    return f"{' '.join(words)}: {'; '.join(problems)} [{printed.err.strip():.200}]" if problems else ""


def test_every_command_is_here() -> None:
    assert set(ARGUMENTS) | {"detectors"} >= set(LEAVES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in sorted(ARGUMENTS)]
)
def test_a_wrong_value_is_one_sentence_and_nothing_is_written(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [*name.split(), *ARGUMENTS[name].split()]
    cases = [refused([*base, *words], code, folder, capsys) for words, code in mistakes_of(LEAVES[name], name)]
    assert not [case for case in cases if case]


@pytest.mark.parametrize("name", sorted(name for name, words in ARGUMENTS.items() if words))
def test_a_file_that_is_not_there_is_one_sentence(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ARGUMENTS[name].split()
    cases = []
    for place, word in enumerate(words):
        if word in MISSING:
            other, code = MISSING[word]
            cases.append(refused([*name.split(), *words[:place], other, *words[place + 1 :]], code, folder, capsys))
    assert not [case for case in cases if case]
    assert cases


@pytest.mark.parametrize("name", [name for name, command in LEAVES.items() if isinstance(command, PictureCommand)])
def test_an_option_for_another_kind_of_input_says_for_which(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture with the options of videos and data sets, and those with the options of pictures."""
    command = LEAVES[name]
    assert isinstance(command, PictureCommand)
    inputs = {"video": "clip.mp4", "dataset": "d.csv"}
    for kind in command.kinds:
        own, others = flags_of(command), flags_of(command.command_for(kind))
        cases = [
            ([name, "face.png", *words], "is for") for flag, words in others.items() if flag not in {*own, "--reader"}
        ]
        cases += [
            ([name, inputs[kind], *words], "is not used for") for flag, words in own.items() if flag not in others
        ]
        for words, phrase in cases:
            problem = refused(words, 2, folder, capsys)
            assert not problem
            assert run(words) == 2
            assert phrase in capsys.readouterr().err, words


def flags_of(command: click.Command) -> dict[str, list[str]]:
    """{option: how it is typed}"""
    options = [p for p in command.params if isinstance(p, click.Option)]
    return {max(p.opts, key=len): [max(p.opts, key=len), *([] if p.is_flag else ["1"])] for p in options}


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        ("layers --max-channels 3", "--filters"),
        ("layers --own-scale", "--filters"),
        ("layers --dpi 300", "--diagram"),
        ("layers --out run.png", "--diagram"),
        ("layers --bare", "--filters"),
        ("layers --filters conv1 --diagram", "one at a time"),
        ("layers net.ferviz --model net.ferviz", "name one"),
        ("gradcam face.png --side 64", "--bare"),
        ("explain face.png --bare --bare-heatmap", "one at a time"),
        ("explain face.png --bare --out run.pdf", "run.pdf"),
        ("explain face.png --bare --width-mm 85", "--side"),
        ("gradcam face.png --bare --zoom 2", "--side"),
        ("dream --bare --font-size 8", "--side"),
        ("explain face.png --bare-heatmap --out run.jpg", "run.jpg"),
        ("explain face.png --method gradcam,rise", "ferviz compare"),
        ("explain face.png -O steps=3 --method gradcam", "steps"),
        ("dream --channel 3", "--layer"),
        ("dream --layer relu8 --target happy", "one of them"),
        ("dream --octaves 3", "--image"),
        ("dream --skip-bad", "--faces"),
        ("dream --detector haar", "--image"),
        ("dream relu8", "--layer relu8"),
        ("dream --bare --out run.pdf", "run.pdf"),
        ("activations face.png --mode channels --layer relu4,relu8", "one layer"),
        ("predict face.png --json --csv", "--csv"),
        ("predict clip.mp4 --doubtful", "--timeline"),
        ("predict clip.mp4 --heatmap gradcam", "--out"),
        ("predict clip.mp4 --start 9 --stop 3", "--stop"),
        ("compile --engine litert", "litert"),
        ("compile net.ferviz --model net.ferviz", "once"),
        ("teach d.csv --engine litert", "litert"),
        ("trust d.csv --write", "--model"),
        ("trust d.csv --calibrate --out run.png", "--out"),
        ("study compare d.csv", "--against"),
        ("study labels d.csv --by true", "by"),
        ("audit d.csv --split all", "--split"),
        ("gradcam 'https://example.org/face.png'", "https://example.org/face.png"),
        ("predict d.csv", "d.csv"),
        ("gradcam face.png clip.mp4", "by itself"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_say_what_they_need(
    words: str, phrase: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = words.replace("'", "").split()
    code = run(arguments)
    printed = capsys.readouterr()
    assert code in (2, 3), printed.err
    (sentence,) = printed.err.splitlines()
    assert sentence.startswith("ferviz: ")
    assert phrase in sentence
    assert not list(folder.glob("run*"))
    assert not printed.out
