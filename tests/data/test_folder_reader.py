"""Class folders: names, splits, grey and colour, and what is no class."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz.data.read import read_data
from ferviz.emotions import FER2013
from ferviz.errors import DataError

SIDE = 8


def picture(path: Path, value: int, colour: bool = False) -> np.ndarray:
    rng = np.random.default_rng(value)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3) if colour else (SIDE, SIDE), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_split_class_layout_with_synonyms_and_digits(tmp_path: Path) -> None:
    expected = {}
    for i, (split, name) in enumerate(
        [("train", "Happiness"), ("train", "0"), ("test", "sad"), ("test", "6"), ("train", "SURPRISED")]
    ):
        expected[
            split, {"Happiness": "happy", "0": "angry", "6": "neutral", "SURPRISED": "surprise"}.get(name, name)
        ] = picture(tmp_path / split / name / f"im{i}.png", i)
    (tmp_path / "train" / "notes.txt").write_text("not a folder")
    (tmp_path / "__MACOSX" / "x").mkdir(parents=True)
    data = read_data(tmp_path)
    assert data.images.shape == (5, SIDE, SIDE), "grey pictures stay grey"
    for pixels, label, split in zip(data.images, data.labels, data.split, strict=True):
        assert np.array_equal(pixels, expected.pop((str(split), data.names[label])))
    assert not expected
    assert data.part("Training").split.tolist() == ["train"] * 3, "Kaggle's word finds the folder's"
    assert len(data.part("privatetest")) == 2


def test_class_layout_without_splits_and_colour(tmp_path: Path) -> None:
    grey = picture(tmp_path / "happy" / "1.png", 1)
    colour = picture(tmp_path / "sad" / "2.png", 2, colour=True)
    data = read_data(tmp_path)
    assert data.splits == ("",)
    assert data.images.shape == (2, SIDE, SIDE, 3)
    by_name = {data.names[k]: p for k, p in zip(data.labels, data.images, strict=True)}
    assert np.array_equal(by_name["sad"], colour)
    assert np.array_equal(by_name["happy"], np.repeat(grey[:, :, None], 3, axis=2))


def test_rows_come_from_the_names_where_each_has_its_number(tmp_path: Path) -> None:
    for name, number in (("happy", 30), ("sad", 7), ("angry", 12)):
        picture(tmp_path / name / f"fer{number:07d}.png", number)
    data = read_data(tmp_path)
    assert {data.names[k]: int(r) for k, r in zip(data.labels, data.rows, strict=True)} == {
        "happy": 30,
        "sad": 7,
        "angry": 12,
    }
    picture(tmp_path / "fear" / "other_7.png", 99)  # the number 7 twice: now the order counts
    assert sorted(read_data(tmp_path).rows.tolist()) == [0, 1, 2, 3]


def test_other_classes(tmp_path: Path) -> None:
    picture(tmp_path / "happy" / "1.png", 1)
    picture(tmp_path / "contempt" / "2.png", 2)
    data = read_data(tmp_path)
    assert (len(data), data.left_out) == (1, {"contempt": 1})
    assert [
        read_data(tmp_path, labels="8-ferplus").names[k] for k in read_data(tmp_path, labels="8-ferplus").labels
    ] == ["contempt", "happy"]
    picture(tmp_path / "hapy" / "3.png", 3)
    with pytest.raises(DataError, match="'hapy' that is no known emotion"):
        read_data(tmp_path)
    assert len(read_data(tmp_path, labels="happy,hapy", cache=False)) == 2


def test_damaged_and_odd_sized_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "happy" / "1.png", 1)
    broken = tmp_path / "happy" / "2.png"
    picture(broken, 2)
    broken.write_bytes(broken.read_bytes()[:60])
    Image.new("L", (4, 9)).save(tmp_path / "happy" / "3.png")
    with pytest.raises(DataError, match=r"happy/2\.png"):
        read_data(tmp_path)
    data = read_data(tmp_path, skip_bad=True)
    assert [b.column for b in data.bad] == ["happy/2.png", "happy/3.png"]
    assert "9 x 4 pixels and the first picture 8 x 8" in data.bad[1].reason
    assert len(data) == 1


def test_cache_notices_a_changed_picture(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    picture(folder / "happy" / "1.png", 1)
    first = read_data(folder)
    changed = picture(folder / "happy" / "1.png", 5)
    again = read_data(folder)
    assert np.array_equal(again.images[0], changed)
    assert first.sha256 != again.sha256
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert read_data(moved).sha256 == again.sha256, "the hash is of the content, wherever it lies"


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        read_data(tmp_path)
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataError, match="no picture that can be read"):
        read_data(tmp_path)


def test_folder_and_table_of_the_same_faces_agree(tmp_path: Path, table: Path, faces) -> None:
    for i, (pixels, label, usage) in enumerate(zip(*faces, strict=True)):
        path = tmp_path / "folder" / usage / FER2013[label] / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    a, b = read_data(table), read_data(tmp_path / "folder")
    order = np.argsort(b.rows)
    assert np.array_equal(a.images, b.images[order])
    assert np.array_equal(a.labels, b.labels[order])
    assert a.split.tolist() == b.split[order].tolist()
