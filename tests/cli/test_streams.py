"""Where results go: closed and full streams, readers that leave, names that are no UTF-8, numbers that are none."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ferviz.cli import COMMANDS, run

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"
FERVIZ = [sys.executable, "-m", "ferviz"]


@pytest.mark.parametrize("redirection", [">&-", "2>&-"])
def test_a_closed_stream_is_no_error(redirection, tmp_path):
    name = b"\xff.png" if sys.platform == "linux" else b"a.png"
    shutil.copy(PORTRAIT, os.fsencode(tmp_path) + b"/" + name)
    line = f"exec '{sys.executable}' -m ferviz predict *.png --detector none {redirection}"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, errors="replace", cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["layers", "--json"], ["--help"]])
def test_a_full_disk_behind_standard_output_is_one_sentence(arguments, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*FERVIZ, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ferviz: standard output cannot be written (No space left on device)")
    assert done.stderr.count("\n") == 1


def test_what_fails_elsewhere_is_not_blamed_on_standard_output(monkeypatch):
    def busy(*_):
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr("ferviz.cli.group.main", lambda **_: busy())
    with pytest.raises(OSError, match="Address already in use"):
        run(["live"])


def test_a_reader_that_has_left_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [*FERVIZ, "layers"], stdout=pipe, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no UTF-8")
@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_name_that_is_no_utf8_goes_through_every_output(encoding, tmp_path):
    name = os.fsencode(tmp_path) + "/ü ".encode() + b"\xff.png"
    shutil.copy(PORTRAIT, name)
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    every = (["predict"], ["predict", "--json"], ["gradcam"], ["gradcam", "--out", "g.json", "--json"])
    lines = [[*words, "--detector", "none", os.fsdecode(name)] for words in every]
    code = "import json, sys; from ferviz.cli import run; sys.exit(max(run(line) for line in json.loads(sys.argv[1])))"
    # One process for all commands: what is tried is where they write.
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)], capture_output=True, cwd=tmp_path, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    # click takes ASCII for a mistake of the environment's and writes UTF-8
    printed = done.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8")
    documents = [json.loads(text) for text in re.findall(r"^\{.*?^\}", printed, re.DOTALL | re.MULTILINE)]
    assert [document["command"] for document in documents] == ["predict", "gradcam"]
    for document in documents:
        (picture,) = document["pictures"]
        assert os.fsencode(picture["source"]) == name
    # A file tells no folders of the machine that it was made on.
    saved = json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))["pictures"][0]["source"]
    assert os.fsencode(saved) == os.path.basename(name)  # noqa: PTH119 - bytes


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300"])
@pytest.mark.parametrize("option", ["--vmax", "--zoom"])
def test_numbers_out_of_range_are_refused(option, value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["gradcam", str(PORTRAIT), option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c not in ("live", "studio", "detectors", "compile", "layers", "video", "dataset", "scale")],
)
def test_a_negative_seed_is_refused(command, capsys):
    assert run([command, "--seed", "-1"]) == 2
    assert "Invalid value for '--seed'" in capsys.readouterr().err
