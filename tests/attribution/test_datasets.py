"""Faces of a data set keep their rows, labels and splits through explaining, selecting, tables and files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.explain import explain
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.stream import explain_dataset
from ferviz.data.dataset import Dataset
from ferviz.emotions import label_scheme
from ferviz.errors import DataError, NoFaceError, UnknownNameError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad", "fear")


@pytest.fixture
def model(engine: Any) -> Model:
    return Model("net", "f00d", LABELS, InputSpec(18, 18, 1), engine("functional"))


@pytest.fixture
def data() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (12, 18, 18)).astype(np.uint8)
    split = np.array(["Training"] * 8 + ["PublicTest"] * 4)
    return Dataset(images, np.arange(12) % 3, split, np.arange(12) + 100, label_scheme(["sad", "happy", "contempt"]))


def test_rows_labels_and_splits_are_kept(model: Model, data: Dataset) -> None:
    e = explain(model, data.part("PublicTest"), test=False)
    assert e.provenance is not None
    assert e.provenance.rows.tolist() == [108, 109, 110, 111]
    assert e.provenance.true == ("contempt", "sad", "happy", "contempt")
    assert set(e.provenance.split) == {"PublicTest"}
    np.testing.assert_array_equal(e.heatmaps, explain(model, data.images[8:], test=False).heatmaps)
    assert [face["row"] for p in e.to_dict()["pictures"] for face in p["faces"]] == [108, 109, 110, 111]
    frame = e.to_frame()
    assert frame["row"].tolist() == [108, 109, 110, 111]
    assert frame["true"].tolist() == list(e.provenance.true)
    assert frame["max"].dtype == float
    assert frame["label"].tolist() == [p.label for p in e.predictions]


def test_where_asks_the_data_and_the_network(model: Model, data: Dataset) -> None:
    answers = model.predict(data.images)
    assert answers.to_frame()["label"].tolist() == [p.label for p in answers]
    label = answers[0].label
    wanted = [i for i, p in enumerate(answers) if p.label == label and i % 3 != 1]
    e = explain(model, data, where=f"predicted={label} true!=happy", test=False)
    assert e.provenance is not None
    assert (e.provenance.rows - 100).tolist() == wanted
    assert explain(model, data, where=[5, 2], test=False).provenance.rows.tolist() == [105, 102]  # type: ignore[union-attr]
    everything = explain(model, data, test=False)
    again = everything.where(f"predicted={label} true!=happy")
    np.testing.assert_array_equal(again.heatmaps, everything.heatmaps[wanted])
    assert len(everything.where("true=contempt split=PublicTest")) == 2
    with pytest.raises(NoFaceError, match="row>999"):
        explain(model, data, where="row>999")
    with pytest.raises(UnknownNameError, match="surprise"):
        explain(model, data, where="true=surprise")
    with pytest.raises(UsageError, match="Dataset"):
        explain(model, data.images, where="row>3")


def test_masks_and_indices_select_everything_of_a_face(model: Model, data: Dataset) -> None:
    e = explain(model, data, "gradcam", "all", test=True)
    mask = np.arange(12) % 5 == 0
    part = e[mask]
    assert len(part) == 3
    np.testing.assert_array_equal(part.raw, e.raw[mask])
    assert part.trust is not None
    assert e.trust is not None
    assert part.trust.verdicts == tuple(e.trust.verdicts[i] for i in (0, 5, 10))
    assert [p.label for p in part.predictions] == [e.predictions[i].label for i in (0, 5, 10)]
    assert [p.label for p in model.predict(data.images)[mask]] == [p.label for p in part.predictions]
    assert e[[3, 3]].provenance.rows.tolist() == [103, 103]  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="12 faces"):
        e[np.array([True])]


@pytest.mark.parametrize("method", ["gradcam", "shapley", "regions"])
def test_what_a_run_over_a_data_set_wrote_is_an_explanation(
    model: Model, data: Dataset, tmp_path: Path, method: str
) -> None:
    few = data.take([0, 4, 9])
    settings = {"samples": 108} if method == "shapley" else {}
    job = AttributionJob.prepare(model, method, settings=settings)
    loaded = Explanation.load(explain_dataset(tmp_path / "maps.npz", job, few))
    whole = explain(model, few, method, test=False, **settings)
    np.testing.assert_allclose(loaded.heatmaps, whole.heatmaps, atol=1e-6)
    np.testing.assert_array_equal(loaded.faces[1].pixels[..., 0], few.images[1])
    assert loaded.provenance is not None
    assert whole.provenance is not None
    assert loaded.provenance.true == whole.provenance.true
    assert [p.label for p in loaded.predictions] == [p.label for p in whole.predictions]
    assert loaded.settings["model"] == "net"
    assert set(loaded.grids) == set(whole.grids)
    assert [f.landmark_source for f in loaded.faces] == [f.landmark_source for f in whole.faces]
    loaded.save(tmp_path / "again.npz")
    twice = Explanation.load(tmp_path / "again.npz")
    assert twice.provenance is not None
    assert twice.provenance.rows.tolist() == few.rows.tolist()
    loaded.save(tmp_path / "again.png")


def test_another_selection_is_another_run(model: Model, data: Dataset, tmp_path: Path) -> None:
    job = AttributionJob.prepare(model)
    out = explain_dataset(tmp_path / "maps.npz", job, data.take([0, 2, 5]))
    before = out.read_bytes()
    assert explain_dataset(out, job, data.take([0, 2, 5]), resume=True) == out
    assert out.read_bytes() == before
    from ferviz.errors import OutputExistsError

    with pytest.raises(OutputExistsError):  # the same number of faces, the same first and last row
        explain_dataset(out, job, data.take([0, 3, 5]), resume=True)


@pytest.mark.parametrize(
    "damage",
    [
        {"probabilities": np.full((2, 4), np.nan, np.float32)}, {"rows": np.zeros(3, np.int64)}, {"true": np.array(["a\x07", "b"])},
        {"images": np.zeros((2, 18), np.uint8)}, {"probabilities": np.ones((2, 3), np.float32)}, {"split": np.zeros(2)},
    ],
)  # fmt: skip
def test_a_file_that_was_changed_is_refused(
    model: Model, data: Dataset, tmp_path: Path, damage: dict[str, Any]
) -> None:
    out = explain_dataset(tmp_path / "maps.npz", AttributionJob.prepare(model), data.take([0, 1]))
    with np.load(out) as file:
        arrays = dict(file)
    np.savez(out, **(arrays | damage))
    with pytest.raises(DataError, match="not an explanation"):
        Explanation.load(out)


def test_a_parquet_file_has_types_and_the_manifest(model: Model, data: Dataset, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    explain(model, data.take([0, 1]), test=False).save(tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table["row"].to_pylist() == [100, 101]
    assert str(table.schema.field("max").type) == "double"
    assert json.loads(table.schema.metadata[b"ferviz"])["method"] == "gradcam"


def test_what_is_not_installed_is_one_sentence(
    model: Model, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = explain(model, data.take([0]), test=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        e.to_frame()
    with pytest.raises(UsageError, match="pip install pyarrow"):
        Explanation.check_path(tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())
