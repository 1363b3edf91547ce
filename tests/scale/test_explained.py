"""What was explained in shards is a data set: the network is not asked again, and a picture is read when it is looked at, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz import scale
from ferviz.attribution.maps import receptive_fields
from ferviz.cli import run as main
from ferviz.emotions import FER2013
from ferviz.errors import DataError, UsageError
from ferviz.evaluation.evaluate import evaluate
from ferviz.evaluation.label_matching import match_labels
from ferviz.reports.question import SIZES
from ferviz.reports.write_report import SECTIONS
from ferviz.scale.explained import source_pictures
from ferviz.scale.explained.run_records import is_explained
from ferviz.scale.sources.csv_rows import CsvRows
from ferviz.studies import region_study

FACES, SHARD = 24, 5


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FER2013 table: random faces, of which the third cannot be read, of two splits."""
    path = tmp_path_factory.mktemp("table") / "fer.csv"
    rng = np.random.default_rng(1)
    lines = ["emotion,pixels,Usage"]
    for row in range(FACES):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48))) if row != 2 else "1 2 x"
        lines.append(f"{row % 7},{pixels},{'PublicTest' if row % 3 else 'Training'}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> scale.Plan:
    """The table, explained for two targets."""
    folder = tmp_path_factory.mktemp("run") / "run"
    plan = scale.plan(table, folder, split="all", shard_size=SHARD, target=["predicted", "happy"])
    assert scale.run(plan, "inline").counts.values == (FACES, FACES - 1, 1, 0)
    return plan


@pytest.fixture(scope="module")
def read(table: Path) -> ferviz.Dataset:
    """The same faces, as any data set is read."""
    return ferviz.read_data(table, skip_bad=True, cache=False)


def test_the_faces_are_those_that_were_explained(run: scale.Plan, read: ferviz.Dataset) -> None:
    data = scale.read_explained(run.folder)
    assert data.labels.tolist() == read.labels.tolist()
    assert data.split.tolist() == read.split.tolist()
    np.testing.assert_array_equal(np.asarray(data.images)[..., 0], read.images)
    assert data.answers is not None
    direct = ferviz.load_model().probabilities(read.images)
    np.testing.assert_allclose(data.answers.probabilities, direct, atol=1e-6)
    assert data.take(np.array([3, 20])).images[1].tolist() == np.asarray(data.images)[20].tolist()


def test_the_merged_table_finds_its_pictures_beside_it(run: scale.Plan, tmp_path: Path) -> None:
    merged = run.path.parent / "faces.parquet"
    scale.merge(run, merged, force=True)
    assert is_explained(merged)
    data, whole = scale.read_explained(merged), scale.read_explained(run.folder)
    assert data.images[7].tolist() == whole.images[7].tolist()
    assert data.answers is not None
    assert whole.answers is not None
    assert data.answers.probabilities.tolist() == whole.answers.probabilities.tolist()
    moved = merged.rename(tmp_path / "moved.parquet")
    alone = scale.read_explained(moved)
    assert alone.labels.tolist() == whole.labels.tolist()
    with pytest.raises(DataError, match="folder of the run"):
        alone.images.load()  # type: ignore[attr-defined]


def test_evaluate_asks_nothing_and_reads_no_picture(
    run: scale.Plan, read: ferviz.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evaluate(None, read, without_duplicates=False)
    model = ferviz.load_model()
    monkeypatch.setattr("ferviz.evaluation.evaluate.batched_logits", None)
    monkeypatch.setattr(CsvRows, "read", None)
    result = evaluate(model, scale.read_explained(run.folder))
    np.testing.assert_allclose(result.probabilities, expected.probabilities, atol=1e-6)
    assert (result.split, result.true.tolist()) == ("PublicTest", expected.true.tolist())
    assert result.confusion.tolist() == expected.confusion.tolist()
    assert any("sharded run" in note for note in result.notes)


def test_a_picture_is_read_once(run: scale.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study draws some faces, and looks at each of them several times."""
    model, data = ferviz.load_model(), scale.read_explained(run.folder)
    counts: dict[str, int] = {}
    rows_of = source_pictures.rows_of

    def count(sample: Any, *arguments: Any) -> Any:
        counts[sample.id] = counts.get(sample.id, 0) + 1
        return rows_of(sample, *arguments)

    monkeypatch.setattr(source_pictures, "rows_of", count)
    study = ferviz.study("mean-maps", model, data, faces=6, method="gradcam")
    assert len(counts) == 6
    assert set(counts.values()) == {1}
    rows = [int(record["row"]) for record in study.records("faces")]
    assert sorted(map(int, counts)) == sorted(row + (row > 1) for row in rows)  # the third picture is none


def test_a_study_says_the_same_as_over_the_pictures(run: scale.Plan, read: ferviz.Dataset) -> None:
    model = ferviz.load_model()
    first, second = (ferviz.study("labels", model, data, faces=5) for data in (scale.read_explained(run.folder), read))
    names = ("label", "predicted", "doubt", "confidence")
    assert [[r[n] for n in names] for r in first.records()] == [[r[n] for n in names] for r in second.records()]
    np.testing.assert_array_equal(np.asarray(first.arrays["images"])[..., 0], second.arrays["images"])


def test_answers_of_another_network_are_refused(run: scale.Plan) -> None:
    data = scale.read_explained(run.folder)
    assert data.answers is not None
    with pytest.raises(DataError, match="another network"):
        data.answers.check(data.answers.labels, "0" * 64)
    assert match_labels(data, data.answers.labels).data.answers is not None


def test_shards_that_were_added_since_are_not_mixed_up(run: scale.Plan, table: Path, tmp_path: Path) -> None:
    plan = scale.plan(table, tmp_path / "run", split="all", shard_size=SHARD)
    shards = list(plan.descriptors())
    for shard in (shards[3], shards[0]):
        assert scale.explain_shard(shard, plan).status == "done"
    part, whole = scale.read_explained(plan.folder), scale.read_explained(run.folder)
    assert part.images[-1].tolist() == whole.images[18].tolist()  # the last row of the fourth shard; one cannot be read
    scale.explain_shard(shards[1], plan)
    with pytest.raises(DataError, match="read it again"):
        part.images[0]


def test_other_folders_and_tables_are_no_runs(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    assert not is_explained(tmp_path)
    assert not is_explained(tmp_path / "none.parquet")
    parquet.write_table(pa.table({"image": [b"x"]}), tmp_path / "pictures.parquet")
    assert not is_explained(tmp_path / "pictures.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    assert not is_explained(tmp_path / "text.parquet")


@pytest.mark.slow
def test_the_commands_take_the_folder_of_a_run(run: scale.Plan, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "report.json"
    assert main(["evaluate", run.folder, "--split", "all", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["n"] == FACES - 1
    assert main(["evaluate", run.folder, "--out", str(tmp_path / "page.png")]) == 0
    assert main(["study", "labels", run.folder, "--split", "all", "--out", str(tmp_path / "labels.json")]) == 0
    capsys.readouterr()
    for command in ("predict", "explain"):  # which are about pictures
        assert main([command, run.folder]) == 2
        assert "ferviz scale merge" in capsys.readouterr().err


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a few thousand multiplications: every section of a report asks hundreds of times."""
    from ferviz.engines.backend import keras

    layers = keras().layers
    picture = layers.Input((48, 48, 1))
    x = layers.Conv2D(4, 5, strides=3, activation="relu", name="conv1")(picture)
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras().Model(picture, layers.Dense(7, activation="softmax", name="head")(x), name="small")
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.5, weight.shape) for weight in network.get_weights()])
    path: Path = tmp_path_factory.mktemp("network") / "small.keras"
    network.save(path)
    sidecar = {"schema_version": 1, "labels": list(FER2013), "input": {"scaling": "0..1"}}
    Path(f"{path}.ferviz.json").write_text(json.dumps(sidecar))
    return path


@pytest.mark.slow
def test_a_report_of_a_run_has_every_section(
    table: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command to the file: the network's answers come from the tables, and each picture is read once at most."""
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    run = scale.plan(table, tmp_path / "run", split="all", shard_size=SHARD, model=small)
    assert scale.run(run, "inline").counts.values == (FACES, FACES - 1, 1, 0)
    for name, size in zip(SIZES, (20, 2, 2, 1, 4, 4, 1, 1), strict=True):
        monkeypatch.setitem(SIZES, name, (size, size))
    monkeypatch.setattr(
        region_study, "SPREAD", region_study.SPREAD[::4]
    )  # every fill and every border once, not all pairs
    monkeypatch.setattr(receptive_fields, "CELLS", 2)
    # Figures are painted in tests/reports.
    monkeypatch.setattr("ferviz.results.rasterised", lambda figure: Image.new("RGB", (60, 40)))
    counts: dict[str, int] = {}
    rows_of = source_pictures.rows_of

    def count(sample: Any, *arguments: Any) -> Any:
        counts[sample.id] = counts.get(sample.id, 0) + 1
        return rows_of(sample, *arguments)

    monkeypatch.setattr(source_pictures, "rows_of", count)
    out = tmp_path / "report.html"
    asked = ["report", run.folder, "--model", str(small), "--judge", str(small), "--quick", "--split", "all"]
    assert main([*asked, "--out", str(out)]) == 0
    record = ferviz.read_record(out)
    sections = record["sections"]
    assert list(sections) == list(SECTIONS)
    assert not [name for name, section in sections.items() if "not_measured" in section]
    assert record["settings"]["faces"] == FACES - 1
    answers = scale.read_explained(run.folder)
    assert answers.answers is not None
    predicted = answers.answers.probabilities.argmax(1)
    order = [answers.answers.labels.index(name) for name in answers.names]
    assert sections["accuracy"]["accuracy"] == pytest.approx(np.mean(np.array(order)[answers.labels] == predicted))
    assert set(counts.values()) == {1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "run"]


def test_a_run_can_predict_only(table: Path, read: ferviz.Dataset, tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    plan = scale.plan(table, tmp_path / "run", split="all", shard_size=9, method="none")
    assert scale.run(plan, "inline").counts.values == (FACES, FACES - 1, 1, 0)
    merged = scale.merge(plan, tmp_path / "answers.parquet")
    assert not {"map", "map_scale"} & set(parquet.read_schema(merged).names)
    assert len(parquet.read_table(merged)) == FACES
    data = scale.read_explained(merged)
    assert data.answers is not None
    direct = ferviz.load_model().probabilities(read.images)
    np.testing.assert_allclose(data.answers.probabilities, direct, atol=1e-6)
    with pytest.raises(DataError, match="size of its maps"):
        scale.read_maps(merged)
    for wrong in ({"layer": "conv2d_1"}, {"test": True}):
        with pytest.raises(UsageError, match="no heatmaps"):
            scale.plan(table, tmp_path / "other", split="all", method="none", **wrong)
    with pytest.raises(UsageError, match="heatmaps"):
        scale.Explain(method="none")
