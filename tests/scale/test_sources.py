"""Every kind of source: each picture gets one row with the id that it should have, whatever is wrong with it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz import scale
from ferviz.data import folder_reader
from ferviz.errors import DataError, UnknownNameError, UsageError
from ferviz.images import encode, read_image
from ferviz.scale.descriptors import Descriptor, cut
from ferviz.scale.sources.registry import SOURCES, find_source

Read = Callable[[Path], Any]


def samples(path: Path, split: str | None = None, size: int = 5) -> list[Any]:
    """Every sample of a source, read shard by shard, each descriptor once through JSON."""
    source = SOURCES[find_source(path)]
    shards = [Descriptor.from_json(shard.to_json()) for shard in source.plan(path, split, size)]
    assert [shard.number for shard in shards] == list(range(len(shards)))
    every = []
    for shard in shards:
        part = list(source.read(path, shard))
        assert shard.count in (None, len(part))
        every += part
    return every


def rows(faces: np.ndarray, usages: list[str]) -> str:
    lines = [f"{i % 7},{' '.join(map(str, face.ravel()))},{usages[i]}" for i, face in enumerate(faces)]
    return "\n".join(["emotion,pixels,Usage", *lines]) + "\n"


def test_shards_are_of_nearly_one_size_and_leave_nothing_out() -> None:
    for count in (0, 1, 4, 5, 6, 99, 2001):
        parts = cut(count, 5)
        assert sum(n for _, n in parts) == count
        assert all(1 <= n <= 5 for _, n in parts)
        assert [first for first, _ in parts] == np.cumsum([0, *(n for _, n in parts)])[:-1].tolist()


def test_an_array(array: Path, faces: np.ndarray) -> None:
    read = samples(array)
    assert [sample.id for sample in read] == [str(i) for i in range(len(faces))]
    np.testing.assert_array_equal([sample.picture for sample in read], faces)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 8, 8)), "float64"),
        (np.zeros((8, 8), np.uint8), "pictures are uint8"),
        (np.asfortranarray(np.zeros((3, 8, 9), np.uint8)), "C order"),
        (np.array([{"a": 1}], object), "pictures are uint8"),
    ],
)
def test_an_array_of_something_else_is_refused(array: np.ndarray, reason: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=reason):
        samples(tmp_path / "a.npy")


def test_an_array_that_is_cut_off_or_has_changed_is_refused(array: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(array.read_bytes()[:-1])
    with pytest.raises(DataError, match="fewer bytes"):
        samples(path)
    path.write_bytes(array.read_bytes())
    shards = list(SOURCES["npy"].plan(path, None, 5))
    path.write_bytes(array.read_bytes() + b"x")
    with pytest.raises(DataError, match="when the plan was made"):
        list(SOURCES["npy"].read(path, shards[0]))


def test_a_table_is_read_as_read_data_reads_it(faces: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    usages = ["Training", "PublicTest", "PrivateTest"] * 4
    path.write_text(rows(faces, usages))
    data = ferviz.read_data(path, split="PublicTest", cache=False)
    read = samples(path, "validation", size=3)
    assert [int(sample.id) for sample in read] == data.rows.tolist() == [1, 4, 7, 10]
    np.testing.assert_array_equal([sample.picture for sample in read], data.images)
    assert [sample.label for sample in read] == [data.names[label] for label in data.labels]
    assert {sample.split for sample in read} == {"PublicTest"}
    assert len(samples(path, "all")) == len(faces)
    with pytest.raises(UsageError, match="Training, PublicTest, PrivateTest"):
        samples(path)
    with pytest.raises(UnknownNameError, match="exam"):
        samples(path, "exam")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_with_one_split_needs_no_name(end: str, faces: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_bytes(rows(faces, ["Training"] * len(faces)).replace("\n", end).encode())
    read = samples(path)
    assert [int(sample.id) for sample in read] == list(range(len(faces)))
    np.testing.assert_array_equal([sample.picture for sample in read], faces)


def test_bad_rows_of_a_table_are_pictures_that_cannot_be_read(faces: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    lines = rows(faces, ["Training"] * len(faces)).split("\n")
    lines[3] = lines[3].replace(" ", " 999 ", 1)
    lines[5] = "3,1 2 3"
    lines.insert(7, "")
    path.write_text("\n".join(lines))
    read = samples(path)
    assert [int(sample.id) for sample in read] == list(range(len(faces)))
    problems = {int(sample.id): sample.problem for sample in read if sample.problem}
    assert sorted(problems) == [2, 4]
    assert "2,305 values" in problems[2]
    assert "2 fields" in problems[4]


@pytest.fixture
def folder(faces: np.ndarray, tmp_path: Path) -> Path:
    """Pictures with everything that happens to pictures, in folders with equal names."""
    root = tmp_path / "pictures"
    for name in ("a", "b/c"):
        (root / name).mkdir(parents=True)
        (root / name / "1.png").write_bytes(encode(faces[0]))
    jpeg = encode(faces[1], ".jpg")
    (root / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (root / "empty.png").write_bytes(b"")
    Image.fromarray(np.stack([faces[2]] * 3, -1)).convert("CMYK").save(root / "cmyk.jpg", quality=95)
    rotated = Image.fromarray(faces[3])
    exif = rotated.getexif()
    exif[0x0112] = 6
    rotated.save(root / "rotated.png", exif=exif)
    (root / "Zoë\nhappy ☺.png").write_bytes(encode(faces[4]))
    (root / ".hidden.png").write_bytes(b"x")
    (root / "notes.txt").write_text("no picture")
    with open(os.path.join(os.fsencode(root), b"\xff.png"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(encode(faces[5]))
    return root


def test_a_folder_of_everything(folder: Path, tmp_path: Path, table: Read) -> None:
    plan = scale.plan(folder, tmp_path / "run", shard_size=3)
    result = scale.run(plan, "inline")
    assert result.counts.values == (8, 6, 2, 0)
    frame = table(plan.path)
    assert set(frame["id"]) == {
        "a/1.png", "b/c/1.png", "cut.jpg", "empty.png", "cmyk.jpg", "rotated.png", "Zoë\nhappy ☺.png", "\\udcff.png"
    }  # fmt: skip
    assert len(frame) == 8
    rows = frame.set_index("id")
    assert set(rows.index[rows["status"] == "unreadable"]) == {"cut.jpg", "empty.png"}
    assert (
        rows.loc["empty.png", "reason"]
        == "it is empty; it should hold a PNG, JPEG, WebP, BMP, GIF, TIFF, AVIF, HEIC or PGM picture"
    )
    model = ferviz.load_model()
    for name in ("cmyk.jpg", "rotated.png", "Zoë\nhappy ☺.png"):
        pixels = read_image(folder / name)
        expected = model.predict([ferviz.Face(pixels)])[0]
        assert rows.loc[name, "label"] == expected.label
        assert rows.loc[name, f"p_{expected.label}"] == pytest.approx(expected.probabilities[expected.label], abs=1e-5)


def test_class_folders_tell_labels_and_splits(faces: np.ndarray, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("Happiness", "sad"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.png").write_bytes(encode(faces[0]))
    with pytest.raises(UsageError, match="test, train"):
        samples(tmp_path)
    read = samples(tmp_path, "PrivateTest")
    assert [(s.id, s.label, s.split) for s in read] == [
        ("test/Happiness/1.png", "happy", "test"), ("test/sad/1.png", "sad", "test")
    ]  # fmt: skip
    assert {s.label for s in samples(tmp_path, "all")} == {name for _, name, _ in folder_reader.list_pictures(tmp_path)}


def test_the_order_of_a_folder_is_not_that_of_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [sample.id for sample in samples(folder)]
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self) -> list[Any]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Backwards)
    assert [sample.id for sample in samples(folder)] == before


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture"):
        samples(tmp_path)
    with pytest.raises(DataError, match="is not there"):
        find_source(tmp_path / "no")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="not a source"):
        find_source(tmp_path / "a.txt")


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def members(faces: np.ndarray) -> dict[str, bytes]:
    pngs = [encode(face) for face in faces]
    return {
        "0/a.png": pngs[0], "0/a.cls": b"3\n", "0/b.json": b"{}", "0/b.cls": b"1", "1/a.png": pngs[1], "1/c.d.png": pngs[2],
        ("x" * 120) + "/e.jpg": encode(faces[3], ".jpg"),
    }  # fmt: skip


def test_a_tar_file_is_cut_into_shards(members: dict[str, bytes], tmp_path: Path) -> None:
    read = samples(pack(tmp_path / "a.tar", members), size=2)
    assert [s.id for s in read] == ["0/a", "0/b", "1/a", "1/c", "x" * 120 + "/e"]
    assert [s.label for s in read] == ["3", "1", "", "", ""]
    assert [s.problem for s in read] == ["", "it has no picture, only .cls, .json", "", "", ""]
    assert [s.picture for s in read if s.picture] == [v for k, v in members.items() if k.endswith(("png", "jpg"))]


def test_tar_files_in_a_folder_are_the_shards(members: dict[str, bytes], tmp_path: Path) -> None:
    for name in ("000.tar", "001.tar"):
        pack(tmp_path / name, members)
    pack(tmp_path / "002.tar", {})
    read = samples(tmp_path)
    assert len(read) == len({s.id for s in read}) == 10
    assert {s.id.partition("/")[0] for s in read} == {"000.tar", "001.tar"}


def test_empty_shards_and_those_of_one_picture_are_shards(
    members: dict[str, bytes], tmp_path: Path, table: Read
) -> None:
    folder = tmp_path / "tars"
    folder.mkdir()
    for number, part in enumerate(({}, {"a.png": members["0/a.png"]}, members, {})):
        pack(folder / f"{number:03}.tar", part)
    plan = scale.plan(folder, tmp_path / "run")
    result = scale.run(plan, "inline")
    assert (result.complete, result.done, result.counts.values) == (True, 4, (6, 5, 1, 0))
    assert table(plan.path)["id"].tolist() == ["001.tar/a", *(f"002.tar/{s.id}" for s in samples(folder / "002.tar"))]
    assert len(scale.read_maps(scale.merge(plan, tmp_path / "faces.parquet"))) == 5


def test_a_tar_file_that_is_cut_off_anywhere_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    data = pack(tmp_path / "a.tar", members).read_bytes()
    end = len(data.rstrip(b"\0"))
    for length in [*range(0, end, 512), end - 1, end + 511 - (end - 1) % 512]:
        path = tmp_path / "b.tar"
        path.write_bytes(data[:length])
        with pytest.raises(DataError):
            samples(path)


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_files(nested: bool, faces: np.ndarray, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pngs = [encode(face) for face in faces]
    pngs[4] = b""
    image = [{"bytes": png, "path": None} for png in pngs] if nested else pngs
    names = [f"face {i}" for i in range(len(faces))]
    pq.write_table(
        pa.table({"label": range(len(faces)), "image": image, "id": names}), tmp_path / "a.parquet", row_group_size=5
    )
    read = samples(tmp_path / "a.parquet", size=3)
    assert [s.id for s in read] == names
    assert [s.picture or b"" for s in read] == pngs
    assert [s.label for s in read] == [str(i) for i in range(len(faces))]
    assert read[4].problem
    pq.write_table(pa.table({"image": image}), tmp_path / "b.parquet")
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "c.parquet").write_bytes((tmp_path / "b.parquet").read_bytes())
    assert [s.id for s in samples(tmp_path)] == [f"{f}.parquet/{i}" for f in "bc" for i in range(len(faces))]


def test_a_damaged_parquet_file_is_refused(faces: np.ndarray, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [encode(face) for face in faces]}), path)
    data = path.read_bytes()
    for length in (0, 4, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"a\.parquet"):
            samples(path)
    pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(DataError, match="no column of pictures"):
        samples(path)
