"""A CSV file beside pictures: labels, splits and people come along, and rows that cannot be read are told with line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferviz.data.read import read_data
from ferviz.errors import DataError
from ferviz.images import write_image

HEADER = "Image;Emotion;Set;Subject\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in range(4):
        pixels = np.repeat(rng.integers(0, 255, (8, 8, 1)), 3, 2).astype(np.uint8)
        write_image(tmp_path / "set" / "a" / f"{number}.png", pixels)
    write_image(tmp_path / "outside.png", np.zeros((8, 8, 3), np.uint8))
    return tmp_path / "set"


def test_labels_splits_and_people_are_read(folder: Path) -> None:
    rows = "a/0.png;Happiness;train;S1\na/1.png;sad;test;S2\n\na/2.png;JOY;train;S1\n"
    (folder / "faces.csv").write_text("\ufeff" + HEADER + rows, encoding="utf-8")
    for _ in range(2):  # the second time from the cache
        data = read_data(folder / "faces.csv")
        assert [data.names[k] for k in data.labels] == ["happy", "sad", "happy"]
        assert data.split.tolist() == ["train", "test", "train"]
        assert data.rows.tolist() == [0, 1, 2]
        assert data.images.shape == (3, 8, 8)
        assert data.subject is not None
        assert data.subject.tolist() == ["S1", "S2", "S1"]
        assert data.part("train").subject.tolist() == ["S1", "S1"]  # type: ignore[union-attr]
    write_image(folder / "a" / "0.png", np.full((8, 8, 3), 7, np.uint8), force=True)
    assert (read_data(folder / "faces.csv").images[0] == 7).all()


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("a/9.png;sad;train;S", "line 2, column 'image': 'a/9.png' cannot be read"),
        ("../outside.png;sad;train;S", "outside the table's folder"),
        ("/etc/passwd;sad;train;S", "outside the table's folder"),
        ("a/0.png;3;train;S", "number them differently"),
        ("a/0.png;;train;S", "which|write the class"),
        ("a/0.png;sad;train", "3 fields instead of 4"),
        ("faces.csv;sad;train;S", "faces.csv"),
        ("a\x00b;sad;train;S", "cannot be read|no table"),
    ],
)
def test_a_bad_row_is_told_with_its_line(folder: Path, row: str, match: str) -> None:
    (folder / "faces.csv").write_text(HEADER + row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=match) as error:
        read_data(folder / "faces.csv", cache=False)
    assert "\n" not in str(error.value)
    (folder / "faces.csv").write_text(HEADER + row + "\na/1.png;sad;;\n", encoding="utf-8")
    kept = read_data(folder / "faces.csv", skip_bad=True, cache=False)
    assert (len(kept), len(kept.bad)) == (1, 1)


def test_a_table_without_pictures_is_one_sentence(folder: Path) -> None:
    (folder / "faces.csv").write_text(HEADER, encoding="utf-8")
    with pytest.raises(DataError, match="names no picture"):
        read_data(folder / "faces.csv", cache=False)
