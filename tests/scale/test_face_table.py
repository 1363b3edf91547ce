"""The table of a shard holds what `explain` answers, and every usual reader reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ferviz
from ferviz import scale
from ferviz.attribution.attribution_job import AttributionJob
from ferviz.errors import DataError, OutputExistsError, UsageError
from ferviz.images import encode
from ferviz.scale.face_table import pack_maps, unpack_maps

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrays(np.float32, (3, 2, 2), elements=FINITE))
def test_a_stored_map_is_the_map(maps: np.ndarray) -> None:
    """Huge, tiny and empty maps: what is lost is a rounding of half precision, relative to the map's own greatest value."""
    values, scale_ = pack_maps(maps)
    assert values.dtype == np.float16
    assert scale_.dtype == np.float32
    again = unpack_maps(values, scale_, (2, 2)).astype(np.float64)
    greatest = np.abs(maps.astype(np.float64)).max((1, 2), keepdims=True)
    # Half a unit in the last place of half precision; the least numbers of single precision have fewer places themselves.
    assert (np.abs(again - maps) <= greatest * 2.0**-11 + 2.0**-149).all()


@pytest.fixture(scope="module")
def run(array: Path, tmp_path_factory: pytest.TempPathFactory) -> scale.Plan:
    plan = scale.plan(array, tmp_path_factory.mktemp("run"), shard_size=5, target=["predicted", "happy-sad"])
    assert scale.run(plan, "inline").complete
    return plan


def test_the_rows_are_what_explain_answers(run: scale.Plan, faces: np.ndarray, table: Callable[[Path], Any]) -> None:
    frame = table(run.path)
    expected = ferviz.explain(ferviz.load_model(), faces, "gradcam", ["predicted", "happy-sad"], test=False)
    assert len(frame) == 2 * len(faces)
    assert frame["id"].tolist() == [str(i) for i in range(len(faces)) for _ in range(2)]
    maps = unpack_maps(frame["map"], frame["map_scale"], run.settings.facts["map_size"])
    raw = expected.raw.reshape(maps.shape)
    assert (np.abs(maps - raw) <= 2.0**-10 * np.abs(raw).max((1, 2), keepdims=True) + 1e-6).all()
    for i, prediction in enumerate(expected.predictions):
        for j, name in enumerate(expected.target_names(i)):
            row = frame.iloc[2 * i + j]
            assert (row["label"], row["target"], row["status"]) == (prediction.label, name, "explained")
            evidence = expected.evidence(i)[name]
            assert row["max"] == pytest.approx(evidence["max"], rel=1e-3, abs=1e-6)
            for label, value in prediction.probabilities.items():
                assert row[f"p_{label}"] == pytest.approx(value, abs=1e-5)


@pytest.mark.slow
def test_regions_and_verdicts_are_columns(tmp_path: Path, table: Callable[[Path], Any], faces: np.ndarray) -> None:
    source = tmp_path / "one.npy"
    np.save(source, faces[:1])
    plan = scale.plan(source, tmp_path / "run", method="region-occlusion", test=True)
    scale.run(plan, "inline")
    (row,) = table(plan.path).to_dict("records")
    job = AttributionJob.prepare(ferviz.load_model(), "region-occlusion", test=True).with_templates()
    expected = job([ferviz.Face(np.repeat(faces[0][:, :, None], 3, 2))])
    (values,) = expected.record(0)["regions"].values()
    assert {name: row[f"region_{name}"] for name in values} == pytest.approx(values, abs=1e-4)
    assert row["landmark_source"] == expected.faces[0].landmark_source
    verdict = expected.trust.verdicts[0][0]
    assert (row["verdict"], row["calibrated"]) == (verdict.outcome, verdict.calibrated)
    assert row["margin_mean"] == pytest.approx(verdict.margin.get("mean", np.nan), abs=1e-3, nan_ok=True)


def test_merged_tables_are_one_in_the_order_of_the_source(
    run: scale.Plan, tmp_path: Path, table: Callable[[Path], Any]
) -> None:
    import pandas as pd

    out = scale.merge(run, tmp_path / "faces.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(out), table(run.path))
    maps = scale.read_maps(out)
    assert maps.shape == (24, *run.settings.facts["map_size"])
    with pytest.raises(OutputExistsError):
        scale.merge(run, out)
    with pytest.raises(UsageError, match=r"\.parquet"):
        scale.merge(run, tmp_path / "faces.csv")


def test_a_run_that_is_not_through_is_not_merged(array: Path, tmp_path: Path) -> None:
    plan = scale.plan(array, tmp_path / "run")
    with pytest.raises(UsageError, match="finish the run"):
        scale.merge(plan, tmp_path / "a.parquet")


def test_a_damaged_table_is_not_merged(array: Path, tmp_path: Path) -> None:
    plan = scale.plan(array, tmp_path / "run")
    scale.run(plan, "inline")
    part = next(plan.path.glob("parts/*/*"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        scale.merge(plan, tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_other_readers_read_the_tables_in_one_line(run: scale.Plan) -> None:
    """The lines of docs/how-to/millions-of-faces.md."""
    import pandas as pd

    frame = pd.read_parquet(run.path / "parts")
    assert (frame["status"] == "explained").sum() == 24
    polars = pytest.importorskip("polars", reason="make test-scale installs it")
    assert len(polars.read_parquet(f"{run.folder}/parts/**/*.parquet")) == 24
    duckdb = pytest.importorskip("duckdb", reason="make test-scale installs it")
    rows = duckdb.sql(f"SELECT label, count(*), avg(map_scale) FROM '{run.folder}/parts/**/*.parquet' GROUP BY label")
    assert sum(row[1] for row in rows.fetchall()) == 24
    (first,) = duckdb.sql(
        f"SELECT map, map_scale FROM '{run.folder}/parts/00000/part-00000000.parquet' LIMIT 1"
    ).fetchall()
    size = run.settings.facts["map_size"]
    assert unpack_maps([first[0]], [first[1]], size) == pytest.approx(
        unpack_maps(frame["map"][:1], frame["map_scale"][:1], size), abs=1e-6
    )


def test_batches_of_another_pipeline(faces: np.ndarray) -> None:
    explain = scale.Explain(target=["predicted", "happy"], batch_size=4)
    pictures = np.empty(7, object)
    pictures[:] = [*(encode(face) for face in faces[:5]), b"no picture", faces[5]]
    batch = explain({"image": pictures, "key": np.arange(7)})
    assert batch["key"].tolist() == list(range(7))
    assert batch["status"].tolist() == ["explained"] * 5 + ["unreadable", "explained"]
    assert "it is not" in batch["reason"][5]
    expected = ferviz.explain(ferviz.load_model(), faces[:6], "gradcam", ["predicted", "happy"], test=False)
    readable = [0, 1, 2, 3, 4, 6]
    maps = unpack_maps(batch["map"][readable].reshape(12, -1), batch["map_scale"][readable].ravel(), explain.map_size)
    np.testing.assert_allclose(maps, expected.raw.reshape(maps.shape), atol=1e-3 * np.abs(expected.raw).max())
    assert batch["label"][readable].tolist() == [p.label for p in expected.predictions]
    assert np.isnan(batch["p_happy"][5])
    with pytest.raises(UsageError, match="no column 'image'"):
        explain({"picture": pictures})


def test_one_face_without_an_answer_does_not_spoil_its_batch(
    faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain = scale.Explain()
    marked = faces[2]
    job = AttributionJob.__call__

    def fragile(self: AttributionJob, chunk: Any) -> Any:
        if any(np.array_equal(face.pixels[..., 0], marked) for face in chunk):
            raise ferviz.ModelError("the network answers NaN")
        return job(self, chunk)

    monkeypatch.setattr(AttributionJob, "__call__", fragile)
    batch = explain({"image": faces[:4]})
    assert batch["status"].tolist() == ["explained", "explained", "failed", "explained"]
    assert batch["reason"][2] == "the network answers NaN"


def test_settings_say_what_they_are_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no setting 'metod'"):
        scale.ScaleSettings.prepare(metod="gradcam")
    with pytest.raises(UsageError, match="name a file"):
        scale.ScaleSettings.prepare(ferviz.load_model())
    settings = scale.ScaleSettings.prepare(method="gradcam", target="happy")
    assert scale.ScaleSettings.from_dict(settings.to_dict()).fingerprint == settings.fingerprint
    assert replace(settings, seed=1).fingerprint != settings.fingerprint
    assert settings.differences(replace(settings, seed=1)) == ["seed"]
