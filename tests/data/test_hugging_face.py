"""Hugging Face data sets as Python objects: the same faces as from their files, whatever form the pictures have; bad rows are told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.data.hugging_face import is_hugging_face
from ferviz.data.read import read_data
from ferviz.errors import DataError, UsageError
from ferviz.evaluation.evaluate import evaluate

datasets: Any = None

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
NAMES = ["Happiness", "sadness", "neutral"]
LABELS = [0, 1, 2, 0, 1, 2]


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    """Imported by the process that runs these tests and not by all that collect them: it takes a second."""
    global datasets
    datasets = pytest.importorskip("datasets", reason="Hugging Face's package datasets is not installed")


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def dataset(images: list[Any], labels: list[int] = LABELS, feature: Any = None, **columns: Any) -> Any:
    """A data set with named labels; `feature` is that of its pictures."""
    features = {"image": feature or datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    features |= {name: datasets.Value("string") for name in columns}
    return datasets.Dataset.from_dict(
        {"image": images, "label": labels, **columns}, features=datasets.Features(features)
    )


@pytest.fixture(scope="module")
def faces() -> Any:
    return dataset([{"bytes": png(p), "path": None} for p in PIXELS])


def forms(faces: Any, folder: Path) -> dict[str, Any]:
    """The same faces in every form that a picture may have."""
    paths = [folder / f"{number}.png" for number in range(len(PIXELS))]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    texts = [str(path) for path in paths]
    return {
        "bytes": faces,
        "decoded": dataset([Image.fromarray(p) for p in PIXELS]),
        "paths": dataset(texts),
        "texts": dataset(texts, feature=datasets.Value("string")),
        "numbers": dataset(PIXELS.tolist(), feature=datasets.Array2D((48, 48), "uint8")),
        "formatted": faces.with_format("numpy"),
        "stream": faces.to_iterable_dataset(),
        "selected": dataset([png(PIXELS[0])] * 2 + [png(p) for p in PIXELS], [1, 1, *LABELS]).select(range(2, 8)),
    }


def test_every_form_of_a_picture_is_the_picture(faces: Any, tmp_path: Path) -> None:
    for form, data in forms(faces, tmp_path).items():
        read = read_data(data)
        np.testing.assert_array_equal(read.images, PIXELS, form)
        assert [read.names[k] for k in read.labels] == ["happy", "sad", "neutral"] * 2, form
        assert read.label_mapping == {"Happiness": "happy", "sadness": "sad", "neutral": "neutral"}


def test_the_object_and_its_files_are_one_data_set(faces: Any, tmp_path: Path) -> None:
    faces.save_to_disk(tmp_path / "saved")
    faces.to_parquet(tmp_path / "saved.parquet")
    read = read_data(faces)
    for path in ("saved", "saved.parquet"):
        filed = read_data(tmp_path / path, cache=False)
        np.testing.assert_array_equal(filed.images, read.images)
        np.testing.assert_array_equal(filed.labels, read.labels)
    assert len(read.sha256) == 64
    assert read_data(faces.select(range(5))).sha256 != read.sha256 == read_data(faces).sha256


def test_splits_are_those_of_the_dictionary_or_of_a_column(faces: Any) -> None:
    parts = datasets.DatasetDict(train=faces.select(range(4)), test=faces.select([4, 5]))
    read = read_data(parts)
    assert read.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert read.rows.tolist() == list(range(6))
    assert len(read_data(parts, split="test")) == 2
    people = ["a", "a", "b", "b", "c", "c"]
    own = read_data(dataset([png(p) for p in PIXELS], split=["x", "y"] * 3, subject=people))
    assert (own.splits, own.subject.tolist()) == (("x", "y"), people)  # type: ignore[union-attr]


def test_it_is_a_data_set_for_whatever_takes_one(faces: Any) -> None:
    model, read = ferviz.load_model(), read_data(faces)
    answer = ferviz.explain(model, faces, "gradcam", where="true=sad", test=False)
    expected = ferviz.explain(model, read, "gradcam", where="true=sad", test=False)
    np.testing.assert_array_equal(answer.heatmaps, expected.heatmaps)
    assert answer.provenance is not None
    assert answer.provenance.true == ("sad", "sad")
    np.testing.assert_array_equal(evaluate(model, faces).confusion, evaluate(model, read).confusion)
    assert ferviz.study("labels", model, faces).table() == ferviz.study("labels", model, read).table()
    assert ferviz.describe_data(faces).to_dict() == ferviz.describe_data(read).to_dict()


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (b"no picture", "line 2, column 'image'"),
        (b"", "line 2, column 'image': it holds no picture"),
        (png(PIXELS[0])[:200], "line 2, column 'image'"),
        (png(PIXELS[0, :40]), "40 x 48 pixels and the first 48 x 48"),
        ("nowhere/at-all.png", "at-all.png"),
    ],
)
def test_a_bad_picture_is_one_bad_row(image: Any, match: str) -> None:
    value = {"bytes": None, "path": image} if isinstance(image, str) else {"bytes": image, "path": None}
    data = dataset([{"bytes": png(PIXELS[0]), "path": None}, value], [0, 1])
    with pytest.raises(DataError, match=match):
        read_data(data)
    kept = read_data(data, skip_bad=True)
    assert (len(kept), len(kept.bad)) == (1, 1)


def test_what_is_no_data_set_of_faces_is_one_sentence(faces: Any) -> None:
    with pytest.raises(DataError, match="no column of labels; name one of image"):
        read_data(faces.remove_columns("label"))
    with pytest.raises(DataError, match="no column of images"):
        read_data(faces.rename_column("image", "photograph"))
    with pytest.raises(UsageError, match="leave reader out"):
        read_data(faces, reader="folder")
    with pytest.raises(DataError):
        read_data(datasets.DatasetDict())
    with pytest.raises(DataError, match="write the class's name"):
        read_data(faces.cast_column("label", datasets.Value("int64")))
    for stranger in ([], 7, PIXELS):
        with pytest.raises(UsageError, match="labelled faces are a path"):
            read_data(stranger)


def test_other_classes_of_that_name_are_not_taken_for_it(faces: Any) -> None:
    kind = type("Dataset", (), {"__module__": "datasets_of_mine"})
    assert [is_hugging_face(value) for value in (faces, datasets.DatasetDict(), kind(), {}, None, "path")] == [
        True, True, False, False, False, False
    ]  # fmt: skip
