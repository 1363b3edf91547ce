"""Tables and folders as other people's programs write them, and as nobody should: the same faces, or one sentence that names the place."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.data import folder_reader
from ferviz.data.csv_reader import emotion_of
from ferviz.data.read import read_data
from ferviz.emotions import FER2013
from ferviz.errors import DataError

Faces = tuple[np.ndarray, np.ndarray, list[str]]
SPELLINGS = ("Anger", "DISGUST", "Fearful", "Happiness", "sadness", " Surprised ", "Neutral")


def rows_of(faces: Faces, emotions: list[str]) -> list[tuple[str, str, str]]:
    return [(e, " ".join(map(str, p.ravel())), u) for p, e, u in zip(faces[0], emotions, faces[2], strict=True)]


@pytest.mark.parametrize("separator", [";", "\t"], ids=["semicolons", "tabs"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_what_spreadsheets_write(tmp_path: Path, faces: Faces, separator: str, ending: str, mark: bytes) -> None:
    rows = [("Emotion", "Pixels", "Usage"), *rows_of(faces, [f"{k}.0" for k in faces[1]])]
    path = tmp_path / "t.csv"
    path.write_bytes(mark + ending.join(separator.join(f'"{f}"' for f in row) for row in rows).encode())
    data = read_data(path, cache=False)
    assert np.array_equal(data.images, faces[0])
    assert np.array_equal(data.labels, faces[1])
    assert data.split.tolist() == faces[2]


def test_emotions_by_name_in_any_spelling(tmp_path: Path, faces: Faces) -> None:
    path = tmp_path / "t.csv"
    rows = rows_of(faces, [SPELLINGS[k] for k in faces[1]])
    path.write_text("emotion,pixels,usage\n" + "\n".join(map(",".join, rows)))
    data = read_data(path)
    assert np.array_equal(data.labels, faces[1])
    rows[3] = ("Contempt", *rows[3][1:])
    path.write_text("emotion,pixels,usage\n" + "\n".join(map(",".join, rows)))
    assert read_data(path).left_out == {"contempt": 1}
    eight = read_data(path, labels="8-ferplus")
    assert eight.names[eight.labels[3]] == "contempt"
    assert [eight.names[k] for k in eight.labels[4:7]] == [FER2013[k] for k in faces[1][4:7]]


@pytest.mark.parametrize("given", ["7", "-1", "1.5", "\u0663", "3.", "happy sad", "", "0x3", "1e0", "\u00b2"])
def test_what_is_no_emotion(given: str) -> None:
    assert emotion_of(given.encode()) == -1


def test_western_letters_of_windows_are_shown_as_letters(table: Path) -> None:
    lines = table.read_bytes().splitlines()
    lines[4] = "d\u00e9go\u00fbt".encode("cp1252") + lines[4][1:]
    table.write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match="line 5, column 'emotion': it is 'd\u00e9go\u00fbt', neither a number"):
        read_data(table)


def test_a_first_row_that_is_cut_short_does_not_set_the_size(table: Path, faces: Faces) -> None:
    """One value is a square too; taken for the size of all it would make thirty good rows bad ones."""
    lines = table.read_text().splitlines()
    emotion, pixels, usage = lines[1].split(",")
    for cut in (pixels.split()[0], " ".join(pixels.split()[:4]), " ".join(pixels.split()[:5])):
        lines[1] = ",".join((emotion, cut, usage))
        table.write_text("\n".join(lines))
        with pytest.raises(DataError, match=r"line 2, column 'pixels': it has [145] values instead of 36"):
            read_data(table)
        data = read_data(table, skip_bad=True)
        assert np.array_equal(data.images, faces[0][1:])
        assert [b.line for b in data.bad] == [2]


def test_faces_of_96_pixels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96), dtype=np.uint8)
    path = tmp_path / "t.csv"
    path.write_text("emotion,pixels\n" + "\n".join(f"3,{' '.join(map(str, i.ravel()))}" for i in images))
    assert np.array_equal(read_data(path).images, images)


@pytest.mark.parametrize("value", ["256", "-1", "1.5", "1e2", "nan", "+7", "0x10"])
def test_values_that_are_no_bytes_are_named_with_their_place(table: Path, value: str, capsys, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()
    emotion, pixels, usage = lines[11].split(",")
    words = pixels.split()
    words[20] = value
    lines[11] = ",".join((emotion, " ".join(words), usage))
    table.write_text("\n".join(lines))
    assert run(["data", str(table), "--out", str(tmp_path / "out.png")]) == 6
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert f"{table}, line 12, column 'pixels': value 21 is {value!r}, not a whole number from 0 to 255" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"emotion,pixels\n3,1 2 3 4\n".decode().encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04" + bytes(80), "packed archive or a spreadsheet"),
        (b"\x1f\x8b\x08" + bytes(80), "unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"label,pixels\n3,1 2 3 4\n", "no column 'emotion' in its first line (label, pixels)"),
        (b"emotion,usage\n3,Training\n", "no column 'pixels'"),
        (b"3,1 2 3 4,Training\n", "no column 'emotion' in its first line (3, 1 2 3 4, training)"),
        (b"\x00\x01\x1b[2J\x07" * 40, "no column 'emotion'"),
        (
            b"emotion,pixels\n3,1 2 3\n3,1 2 3 4 5\n",
            "line 2, column 'pixels': it has 3 values, which is no square picture",
        ),
    ],
    ids=["empty", "utf-16", "zip", "gzip", "lfs", "label", "no pixels", "no header", "binary", "no square"],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_data(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert str(caught.value).isprintable(), "nothing that a terminal would obey"


def test_a_message_does_not_repeat_a_name_without_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"emotion,pixels," + b"1" * 70_000 + b"\n3,1 2 3 4\n")
    with pytest.raises(DataError, match=r"line 2.*2 fields instead of 3") as caught:
        read_data(path)
    assert len(str(caught.value)) < 500


def test_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "fer2013.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match="unpack it first"):
        read_data(tmp_path / "fer2013.tar.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three readable faces among everything else that lies about in people's folders."""
    path = tmp_path / "faces"
    for i, name in enumerate(["ANGRY/1.png", "Happiness/2.JPG", "6/3.bmp"]):
        file = path / name
        file.parent.mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 60 * i, np.uint8)).save(file)
    (path / "ANGRY" / ".hidden.png").write_bytes(b"x")
    (path / "ANGRY" / "._1.png").write_bytes(b"x")
    (path / "ANGRY" / "Thumbs.db").write_bytes(b"x")
    (path / "ANGRY" / "notes.txt").write_text("x")
    (path / "ANGRY" / "a folder.png").mkdir()
    (path / "6" / "link.png").symlink_to("nowhere.png")
    (path / ".git").mkdir()
    (path / "README.md").write_text("x")
    return path


def test_what_else_lies_in_folders_is_passed_over(folder: Path) -> None:
    data = read_data(folder)
    assert [data.names[k] for k in data.labels] == ["neutral", "angry", "happy"]
    assert data.images[:, 0, 0].tolist() == [120, 0, 60]
    assert not data.bad


@pytest.mark.parametrize("content", [b"", b"x" * 300, b"\x89PNG\r\n\x1a\n" + bytes(50)], ids=["empty", "text", "cut"])
def test_a_picture_that_is_none_is_named_by_its_path(folder: Path, content: bytes) -> None:
    (folder / "6" / "9.png").write_bytes(content)
    with pytest.raises(DataError, match=r"faces, column '6/9\.png': .*--skip-bad"):
        read_data(folder)
    data = read_data(folder, skip_bad=True)
    assert (len(data), [b.column for b in data.bad]) == (3, ["6/9.png"])


def test_names_in_another_encoding(folder: Path, capsys, tmp_path: Path) -> None:
    try:
        (folder / "6" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system only takes names in UTF-8")
    assert run(["data", str(folder), "--skip-bad", "--json", "--out", str(tmp_path / "out.png")]) == 0
    printed = capsys.readouterr()
    assert "6/caf\ufffd.png" in printed.err
    (folder / os.fsdecode(b"d\xe9go\xfbt")).mkdir()
    with pytest.raises(DataError, match="class folder 'd\ufffdgo\ufffdt' that is no known emotion"):
        read_data(folder)


def test_more_pictures_than_fit_into_memory_are_told_at_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_reader, "MAX_BYTES", 3 * 8 * 8 * 3 - 1)
    with pytest.raises(DataError, match="has 3 pictures of 8 x 8 pixels"):
        read_data(folder, cache=False)


def test_what_a_table_of_a_run_says_of_itself_may_be_nested_deeply(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra scale is not installed")
    from pyarrow import parquet

    from ferviz.scale.explained.run_records import read_records
    from ferviz.scale.face_table import METADATA, read_maps

    path = tmp_path / "t.parquet"
    table = arrow.table({"id": ["a"]}).replace_schema_metadata({METADATA: b'{"map_size": ' + b"[" * 50_000})
    parquet.write_table(table, path)
    for read in (read_records, read_maps):
        with pytest.raises(DataError, match="name a table of ferviz scale"):
            read(path)
