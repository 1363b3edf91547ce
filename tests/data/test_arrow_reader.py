"""Parquet and Arrow files, as Hugging Face's hub has them and as pandas writes them; no row is read wrongly or silently left out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.data.read import read_data
from ferviz.emotions import FER2013
from ferviz.errors import DataError
from ferviz.images import write_image

arrow = pytest.importorskip("pyarrow", reason="the extra data is not installed")

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def table(names: list[str] | None = None, **columns: Any) -> Any:
    """A table; `names` are those of a ClassLabel, kept where `datasets` keeps them."""
    made = arrow.table(columns)
    if names is None:
        return made
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    return made.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})


def write(path: Path, content: Any) -> Path:
    from pyarrow import ipc, parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(content, path)
    else:
        with path.open("wb") as file, ipc.new_stream(file, content.schema) as writer:
            writer.write_table(content)
    return path


@pytest.mark.parametrize("layout", ["data/{}-00000-of-00001.parquet", "{}/data-00000-of-00001.arrow", "{}.parquet"])
def test_a_hub_data_set_is_read_with_its_splits_and_names(tmp_path: Path, layout: str) -> None:
    images = [{"bytes": png(p), "path": None} for p in PIXELS]
    names = ["Happiness", "sadness", "neutral"]
    write(tmp_path / layout.format("train"), table(names, image=images[:3], label=[0, 1, 2]))
    write(tmp_path / layout.format("test"), table(names, image=images[3:], label=[1]))
    data = read_data(tmp_path, cache=False)
    order = [0, 1, 2, 3] if data.split[0] == "train" else [3, 0, 1, 2]
    assert {*data.split} == {"train", "test"}
    assert (data.images == PIXELS[order]).all()
    assert [data.names[k] for k in data.part("train").labels] == ["happy", "sad", "neutral"]
    assert data.label_mapping == {"Happiness": "happy", "sadness": "sad", "neutral": "neutral"}
    assert data.rows.tolist() == [0, 1, 2, 3]


def test_one_file_with_columns_for_everything(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.repeat(PIXELS[0][..., None], 3, 2))
    write_image(tmp_path / "out.png", np.repeat(PIXELS[0][..., None], 3, 2))
    columns = {"split": ["train", "test"], "subject": ["S1", "S2"], "Emotion": ["JOY", "sad"]}
    data = read_data(write(tmp_path / "faces.parquet", table(image=["a.png"] * 2, **columns)))
    assert data.subject is not None
    assert (data.split.tolist(), data.subject.tolist()) == (["train", "test"], ["S1", "S2"])
    assert (data.images[1] == PIXELS[0]).all()
    write_image(tmp_path / "a.png", np.full((8, 8, 3), 9, np.uint8), force=True)
    assert (read_data(tmp_path / "faces.parquet").images == 9).all()  # not from the cache


@pytest.mark.parametrize("form", ["text", "list", "rows"])
def test_fer2013_as_parquet_keeps_its_numbers(tmp_path: Path, form: str) -> None:
    value = {
        "text": [" ".join(map(str, p.ravel())) for p in PIXELS],
        "list": [p.ravel().tolist() for p in PIXELS],
        "rows": [p.tolist() for p in PIXELS],
    }[form]
    path = write(tmp_path / "fer.parquet", table(emotion=[3, 0, 6, 1], pixels=value, Usage=["Training"] * 4))
    data = read_data(path, cache=False)
    assert [data.names[k] for k in data.labels] == [FER2013[k] for k in (3, 0, 6, 1)]
    assert (data.images == PIXELS).all()
    assert data.splits == ("Training",)


@pytest.mark.parametrize(
    ("image", "label", "match"),
    [
        (png(PIXELS[0]), 3, "line 2, column 'label': it is '3'; write the class's name"),
        (b"no picture", "sad", "line 2, column 'image'"),
        (b"", "sad", "line 2, column 'image'"),
        (png(PIXELS[0, :4]), "sad", "4 x 8 pixels and the first 8 x 8"),
        (png(PIXELS[0]), "</script>\x1b[1m" * 50, "write the class's name"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, image: bytes, label: Any, match: str) -> None:
    content = table(image=[png(PIXELS[1]), image], label=["happy", str(label)])
    path = write(tmp_path / "faces.parquet", content)
    with pytest.raises(DataError, match=match) as error:
        read_data(path, cache=False)
    assert "\x1b" not in str(error.value)
    kept = read_data(path, skip_bad=True, cache=False)
    assert (len(kept), len(kept.bad)) == (1, 1)


@pytest.mark.parametrize("value", [[1.5] * 4, [256] * 4, [-1] * 4, [1] * 5, [], None])
def test_numbers_that_are_no_picture(tmp_path: Path, value: Any) -> None:
    path = write(tmp_path / "faces.parquet", table(pixels=[[0.0] * 4, value], label=["sad", "sad"]))
    with pytest.raises(DataError, match="line 2, column 'pixels'"):
        read_data(path, cache=False)


def test_damaged_files_and_missing_columns_are_one_sentence(tmp_path: Path) -> None:
    content = write(tmp_path / "faces.parquet", table(image=[png(PIXELS[0])], label=["sad"])).read_bytes()
    stream = write(tmp_path / "faces.arrow", table(image=[png(PIXELS[0])], label=["sad"])).read_bytes()
    for name, damaged in (("cut.parquet", content[:-9]), ("cut.arrow", stream[:60]), ("empty.parquet", b"")):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError, match=name):
            read_data(tmp_path / name, cache=False)
    with pytest.raises(DataError, match="no column of labels; name one of image, kind"):
        read_data(write(tmp_path / "other.parquet", table(image=[b""], kind=["sad"])), cache=False)
    with pytest.raises(DataError, match="names no picture"):
        read_data(write(tmp_path / "none.parquet", table(image=[], label=[])), cache=False)


def test_the_mapping_of_labels_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    content = table(image=[png(p) for p in PIXELS], label=["Happiness", "sad", "contempt", "sad"])
    path = write(tmp_path / "faces.parquet", content)
    assert run(["data", str(path), "--out", str(tmp_path / "a.png")]) == 0
    assert "labels: Happiness -> happy, contempt -> left out, sad -> sad" in capsys.readouterr().err
