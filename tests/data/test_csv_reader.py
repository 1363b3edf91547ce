"""Tables: every layout gives the same faces, and every kind of damage is named with its line and column."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferviz.data import csv_lines, csv_reader
from ferviz.data.csv_reader import parse_face, parse_pixels
from ferviz.data.read import read_data
from ferviz.errors import DataError, UnknownNameError

Faces = tuple[np.ndarray, np.ndarray, list[str]]


def check_same(path: Path, faces: Faces) -> None:
    data = read_data(path)
    assert np.array_equal(data.images, faces[0])
    assert data.images.dtype == np.uint8
    assert np.array_equal(data.labels, faces[1])
    assert data.split.tolist() == faces[2]
    assert data.rows.tolist() == list(range(30))


def test_kaggle_layout(table: Path, faces: Faces) -> None:
    check_same(table, faces)


def test_icml_layout_leading_spaces_other_order(tmp_path: Path, faces: Faces) -> None:
    path = tmp_path / "icml_face_data.csv"
    rows = [f"{e},{u},{' '.join(map(str, p.ravel()))}" for p, e, u in zip(*faces, strict=True)]
    path.write_text("emotion, Usage, pixels\n" + "\n".join(rows))
    check_same(path, faces)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: t.rstrip("\n").replace("\n", "\r"),
        lambda t: "\ufeff" + t,
        lambda t: t.rstrip("\n"),
        lambda t: t.replace("\n", "\n\n"),
        lambda t: t.replace("Training", " training ").replace("PublicTest", "Validation"),
        lambda t: t.replace(" ", "  "),
        lambda t: "\n".join([t.split("\n")[0], *(_quoted(x) for x in t.split("\n")[1:] if x)]),
    ],
    ids=[
        "crlf",
        "cr",
        "cr, none at the end",
        "byte order mark",
        "no last newline",
        "blank lines",
        "other words",
        "two spaces",
        "quotes",
    ],
)
def test_spellings_of_the_same_table(table: Path, faces: Faces, change) -> None:
    table.write_bytes(change(table.read_text()).encode())
    check_same(table, faces)


def _quoted(line: str) -> str:
    emotion, pixels, usage = line.split(",")
    return f'"{emotion}","{pixels}","{usage}"'


def test_without_a_usage_column_there_are_no_splits(tmp_path: Path, faces: Faces) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        "emotion,pixels\n" + "\n".join(f"{e},{' '.join(map(str, p.ravel()))}" for p, e in zip(*faces[:2], strict=True))
    )
    data = read_data(path)
    assert data.splits == ("",)
    with pytest.raises(UnknownNameError, match=r"split 'PublicTest' is not in .*\(none\)"):
        data.part("PublicTest")


BAD = {
    "value too large": (5, "pixels", lambda e, p, u: (e, p.replace(p.split()[3], "256", 1), u), "256"),
    "negative value": (5, "pixels", lambda e, p, u: (e, "-1 " + p.split(" ", 1)[1], u), "'-1'"),
    "underscore that int() takes": (5, "pixels", lambda e, p, u: (e, "1_0 " + p.split(" ", 1)[1], u), "1_0"),
    "a letter": (5, "pixels", lambda e, p, u: (e, p[:-1] + "x", u), "not a whole number"),
    "a NUL byte": (5, "pixels", lambda e, p, u: (e, "\0" + p[1:], u), "not a whole number"),
    "other digits": (5, "pixels", lambda e, p, u: (e, "\u0663 " + p.split(" ", 1)[1], u), "not a whole number"),
    "one value short": (6, "pixels", lambda e, p, u: (e, p.rsplit(" ", 1)[0], u), "35 values instead of 36"),
    "one value over": (6, "pixels", lambda e, p, u: (e, p + " 3", u), "37 values instead of 36"),
    "no values": (6, "pixels", lambda e, p, u: (e, "", u), "0 values"),
    "label out of range": (31, "emotion", lambda e, p, u: ("7", p, u), "'7'"),
    "label negative": (31, "emotion", lambda e, p, u: ("-1", p, u), "'-1'"),
    "label missing": (31, "emotion", lambda e, p, u: ("", p, u), "''"),
    "unknown usage": (20, "usage", lambda e, p, u: (e, p, "Tset"), "'Tset'"),
    "a field too many": (20, "usage", lambda e, p, u: (e, p, u + ",1"), "4 fields instead of 3"),
    "a field too few": (20, "pixels", lambda e, p, u: (e, p), "2 fields instead of 3"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_is_named_or_skipped(table: Path, faces: Faces, kind: str) -> None:
    line, column, damage, reason = BAD[kind]
    lines = table.read_text().splitlines()
    lines[line - 1] = ",".join(damage(*lines[line - 1].split(",")))
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_data(table)
    assert f"line {line}, column '{column}'" in str(caught.value)
    assert reason in str(caught.value)
    assert str(table) in str(caught.value)
    data = read_data(table, skip_bad=True)
    assert [(b.line, b.column) for b in data.bad] == [(line, column)]
    kept = np.arange(30) != line - 2
    assert np.array_equal(data.images, faces[0][kept])
    assert data.rows.tolist() == np.flatnonzero(kept).tolist(), (
        "a skipped row keeps its number: FERPlus is joined by it"
    )


def test_the_first_bad_row_is_the_one_reported(table: Path) -> None:
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace(",", ",x ", 1)  # pixels, found when a block is parsed
    lines[4] = "9" + lines[4][1:]  # label, found at once
    table.write_text("\n".join(lines))
    with pytest.raises(DataError, match="line 4, column 'pixels'"):
        read_data(table)


def test_numbers_that_slide_from_one_row_to_the_next_are_noticed() -> None:
    assert parse_pixels([b"1 2 3", b"4 5"], 3) is None
    assert parse_pixels([b"1 2 3 4", b"5 6"], 3) is None, "six values in all, but not three each"
    assert parse_pixels([b"1 2 3", b"4 5 6"], 3).tolist() == [[1, 2, 3], [4, 5, 6]]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.integers(0, 300), min_size=4, max_size=4), min_size=1, max_size=5))
def test_block_parser_against_python(rows: list[list[int]]) -> None:
    block = parse_pixels([" ".join(map(str, r)).encode() for r in rows], 4)
    if all(v < 256 for r in rows for v in r):
        assert block.tolist() == rows
    else:
        assert block is None


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(alphabet="0129 x\t-", max_size=12).map(str.encode), min_size=1, max_size=3), st.integers(1, 4))
def test_block_parser_takes_nothing_that_the_careful_one_refuses(fields: list[bytes], count: int) -> None:
    block = parse_pixels(fields, count)
    if block is not None:
        assert [parse_face(f, count).tolist() for f in fields] == block.tolist()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_data_error_or_a_data_set(data: bytes) -> None:
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(suffix=".csv") as file:
        file.write(b"emotion,pixels,Usage\n0,1 2 3 4,Training\n" + data)
        file.flush()
        most = 1 + data.count(b"\n") + 1
        try:
            found = read_data(file.name, cache=False)
        except DataError as error:
            found, message = None, str(error)
        assert "line" in message if found is None else 1 <= len(found) <= most
        assert read_data(file.name, cache=False, skip_bad=True).rows[0] == 0


def test_not_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"no column 'emotion' in its first line \(a, b\)"):
        read_data(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no column 'emotion'"):
        read_data(path)
    path.write_text("emotion,pixels,Usage\n")
    with pytest.raises(DataError, match="no face"):
        read_data(path)
    path.write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    with pytest.raises(DataError, match="no square picture"):
        read_data(path)
    with pytest.raises(DataError, match="not there"):
        read_data(tmp_path / "none.csv")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match=r"neither a \.csv file nor a folder"):
        read_data(tmp_path / "x.txt")


def test_a_line_without_end_is_one_bad_row_and_never_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lines, "LINE_LIMIT", 64)
    path = tmp_path / "t.csv"
    path.write_text("emotion,pixels,Usage\n0,1 2 3 4,Training\n" + "7" * 1000 + "\n1,5 6 7 8,PublicTest\n")
    with pytest.raises(DataError, match=r"line 3.*too long"):
        read_data(path, cache=False)
    data = read_data(path, cache=False, skip_bad=True)
    assert data.images.reshape(-1, 4).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert [b.line for b in data.bad] == [3]


def test_cache_follows_the_content(table: Path, faces: Faces, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_data(table)

    def never(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(csv_reader, "_read", never)
        copy = table.with_name("copy.csv")
        copy.write_bytes(table.read_bytes())
        again = read_data(copy)
        assert np.array_equal(first.images, again.images)
        assert (first.sha256, again.source) == (again.sha256, str(copy))
        about = table.stat()
        table.write_text(table.read_text().replace("\n0,", "\n6,", 1))  # same size, and the same time below
        os.utime(table, ns=(about.st_atime_ns, about.st_mtime_ns))
        with pytest.raises(AssertionError):
            read_data(table)
    assert read_data(table).labels[0] == 6


def test_a_damaged_or_forbidden_cache_costs_nothing(
    table: Path, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("FERVIZ_CACHE", str(folder))
    check_same(table, faces)
    (stored,) = (folder / "data").iterdir()
    whole = stored.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole[:200] + b"\xff" * 50 + whole[250:]):
        stored.write_bytes(damage)
        check_same(table, faces)
    monkeypatch.setenv("FERVIZ_CACHE", str(table / "cannot" / "be"))  # below a file: nothing can be made there
    check_same(table, faces)


def test_skipping_and_not_skipping_have_caches_of_their_own(table: Path) -> None:
    table.write_text(table.read_text() + "8,1,Training\n")
    assert len(read_data(table, skip_bad=True)) == 30
    with pytest.raises(DataError, match="line 32"):
        read_data(table)
    assert len(read_data(table, skip_bad=True).bad) == 1
