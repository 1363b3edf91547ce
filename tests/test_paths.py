"""Paths of any kind: looking never raises, names that are made from others fit, outputs are checked before the work."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import pytest

from ferviz import files, paths
from ferviz.errors import OutputError, OutputExistsError

LONG = "x" * 300


@pytest.mark.parametrize("look", [paths.is_file, paths.is_folder, paths.exists])
def test_looking_at_a_path_raises_nothing(look, tmp_path, monkeypatch):
    assert not look(tmp_path / LONG)
    assert not look(tmp_path / "a\0b")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert not look(tmp_path)


def test_nothing_looks_at_paths_in_another_way():
    """Before Python 3.14, Path.is_file and its like raise where a folder may not be searched or a name is too long."""
    root = Path(paths.__file__).parent
    wrong = [
        f"{module.relative_to(root)}:{number}"
        for module in root.rglob("*.py")
        for number, line in enumerate(module.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"\.(is_file|is_dir|exists)\(\)", line)
    ]
    assert not wrong, f"use is_file, is_folder and exists of ferviz.paths: {', '.join(wrong)}"


@pytest.mark.parametrize("letter", ["x", "é", "😀", "\udcff"])
def test_a_long_name_is_cut_to_what_a_folder_takes(letter, tmp_path):
    longest = letter * (254 // len(os.fsencode(letter)))
    names = {paths.fit_name(stem, "_gradcam.png") for stem in (longest, longest[:-1] + "a", longest[:-1] + "b")}
    assert len(names) == 3
    for name in names:
        assert len(os.fsencode(name)) <= 255
        assert name.startswith(letter * 20)
        assert name.endswith("_gradcam.png")
    assert paths.fit_name("face", "_gradcam.png") == "face_gradcam.png"
    if letter != "\udcff" or sys.platform == "linux":
        files.write_text(tmp_path / names.pop(), "x")


@pytest.mark.parametrize(
    ("name", "message"),
    [(LONG, "File name too long"), ("file/a.png", "file is not a folder"), ("a\0b.png", "null"), ("no/a.png", "is not there"),
     ("pipe", "not a regular file")],
)  # fmt: skip
def test_what_cannot_be_an_output_is_said_before_the_work(name, message, tmp_path):
    (tmp_path / "file").write_text("x")
    if name == "pipe":
        os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=message) as caught:
        files.check_output(tmp_path / name, force=True)
    assert not isinstance(caught.value, OutputExistsError)


def test_a_folder_that_may_not_be_written_to_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, whom the system refuses nothing
    with pytest.raises(OutputError, match="may not be written to"):
        files.check_output(tmp_path / "a.png")


def test_new_files_have_the_permissions_that_the_mask_leaves(tmp_path, monkeypatch):
    """The mask is never set to be read: another thread's files would get the wrong permissions meanwhile."""
    before = os.umask(0o077)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the mask of the whole process was changed"))
        files.write_text(tmp_path / "a.txt", "x")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


def test_a_file_that_is_replaced_passes_its_permissions_on(tmp_path):
    path = tmp_path / "private.txt"
    path.write_text("old")
    path.chmod(0o600)
    files.write_text(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_a_power_cut_finds_the_bytes_before_the_name(tmp_path, monkeypatch):
    """The order of the system's calls: the file is synced, then renamed, then its folder is synced where that was asked for."""
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        calls.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    for durable in (False, True):
        with files.atomic(tmp_path / "a.txt", durable=durable) as temporary:
            temporary.write_text("x")
    assert calls == ["file", "name", "file", "name", "folder"]
