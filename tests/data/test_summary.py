"""`ferviz data`: counts that were made by hand, and FER2013's own known ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.data.read import read_data
from ferviz.data.summary import Overlap, describe_data
from ferviz.emotions import FERPLUS
from ferviz.results import read_npz


@pytest.fixture
def small() -> Dataset:
    """Ten faces: 0, 3 and 7 are identical (7 in the test split, and labelled otherwise), so are 1 and 8; 5 is grey all over."""
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4), dtype=np.uint8)
    images[3] = images[7] = images[0]
    images[8] = images[1]
    images[5] = 90
    labels = np.array([3, 4, 3, 3, 4, 6, 3, 4, 4, 3])
    split = np.repeat(["Training", "PublicTest"], [6, 4])
    return Dataset(images, labels, split, np.arange(10) + 100)


def test_by_hand(small: Dataset) -> None:
    summary = describe_data(small)
    assert summary.groups.tolist() == [0, 1, 2, 0, 3, 4, 5, 0, 1, 6]
    assert (summary.duplicate_groups, summary.duplicate_faces) == (2, 5)
    assert (summary.conflicting_groups, summary.conflicting_rows) == (1, (100, 103, 107))
    assert summary.within == {"Training": 1, "PublicTest": 0}
    assert summary.overlaps == (Overlap("PublicTest", "Training", 2, 1),)
    assert summary.constant == (105,)
    assert summary.balance.tolist() == [[0, 0, 0, 3, 2, 0, 1], [0, 0, 0, 2, 2, 0, 0]]
    assert np.allclose(summary.means[4], small.images[small.labels == 4].mean(axis=0))
    assert summary.typical[0] == -1
    assert small.labels[summary.typical[3]] == 3
    document = json.loads(json.dumps(summary.to_dict()))
    assert document["splits"]["PublicTest"] == {
        "n": 4,
        "counts": dict(zip(small.names, [0, 0, 0, 2, 2, 0, 0], strict=True)),
    }
    assert document["ferplus"] == {}


def test_typical_is_the_face_nearest_the_mean_of_its_class() -> None:
    pattern = np.outer(np.arange(8), np.ones(8)) * 16 + 60
    rng = np.random.default_rng(2)
    images = (
        np.stack([pattern + rng.normal(0, sigma, (8, 8)) for sigma in (30, 30, 1, 30, 30)])
        .clip(0, 255)
        .astype(np.uint8)
    )
    data = Dataset(images, np.zeros(5, int), np.full(5, ""), np.arange(5))
    assert describe_data(data).typical[0] == 2


def test_agreement_with_votes(small: Dataset) -> None:
    votes = np.zeros((10, 10), int)
    votes[:, FERPLUS.index("happy")] = 7  # happy is label 3: rows 0, 2, 3, 6, 9
    votes[1] = [0, 0, 0, 9, 0, 0, 0, 0, 0, 0]  # sad, as its label says
    votes[4] = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]  # a tie counts for nothing
    data = Dataset(small.images, small.labels, small.split, small.rows, votes=votes)
    found = describe_data(data).agreement
    assert [(a.agree, a.faces) for a in found.values()] == [(4, 5), (2, 4)]
    assert found["Training"].table[4].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_also_in(small: Dataset) -> None:
    assert also_in(small.part("PublicTest"), small.part("Training")).tolist() == [False, True, True, False]
    colour = Dataset(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1, int), np.full(1, ""), np.zeros(1, int))
    assert also_in(colour, small).tolist() == [False]
    assert duplicate_groups(np.zeros((0, 4, 4), np.uint8)).tolist() == []


def test_fer2013_as_measured_another_way(fer2013: Dataset) -> None:
    # Counted once with np.unique over the raw rows, and (12 constant pictures, 436 disgust) published by others.
    summary = describe_data(fer2013)
    assert (summary.duplicate_groups, summary.duplicate_faces, summary.conflicting_groups) == (1274, 2807, 48)
    assert summary.overlaps == (Overlap("PublicTest", "Training", 280, 273),)
    assert len(summary.constant) == 12
    assert summary.balance.tolist() == [[3995, 436, 4097, 7215, 4830, 3171, 4965], [467, 56, 496, 895, 653, 415, 607]]
    assert [(a.agree, a.faces) for a in summary.agreement.values()] == [(17613, 26940), (2204, 3396)]


def test_command(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    lines = table.read_text().splitlines()
    lines[1] = "9" + lines[1]
    table.write_text("\n".join(lines))
    assert run(["data", str(table), "--out", str(out)]) == 6
    assert "line 2, column 'emotion'" in capsys.readouterr().err
    assert not out.exists()
    assert run(["data", str(table), "--out", str(out), "--skip-bad", "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["schema_version"], document["command"], document["n"]) == (1, "data", 29)
    assert document["bad_rows"][0]["line"] == 2
    assert "skipped" in printed.err
    with Image.open(out) as picture:
        assert json.loads(picture.text["ferviz"])["n"] == 29
    assert run(["data", str(table), "--out", str(out), "--skip-bad"]) == 7
    assert run(["data", str(table), "--out", str(out), "--skip-bad", "--force", "--labels", "6-merged", "-q"]) == 0
    text = capsys.readouterr().out
    assert "angry" in text
    assert "disgust" not in text


def test_figure_of_odd_data(table: Path) -> None:
    # Two classes, colour, an empty class: still one readable page.
    data = read_data(table, labels="happy,sad,contempt")
    colour = Dataset(np.repeat(data.images[..., None], 3, axis=3), data.labels, data.split, data.rows, data.scheme)
    figure = describe_data(colour).plot()
    shown = [a for a in figure.axes if a.images]
    assert len(shown) == 4, "two classes with a typical and a mean face; the empty one has none"
    assert not np.isnan(shown[0].images[0].get_array()).any()


def test_the_summary_as_table_and_arrays(small: Dataset, tmp_path: Path) -> None:
    summary = describe_data(small)
    lines = summary.save(tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "split,class,faces,share"
    assert "Training,happy,3,0.5000" in lines
    assert len(lines) == 1 + 2 * 7
    arrays, made = read_npz(summary.save(tmp_path / "s.npz"), ("groups", "rows", "balance"), "a summary")
    assert arrays["groups"].tolist() == summary.groups.tolist()
    assert arrays["rows"].tolist() == small.rows.tolist()
    assert made["duplicates"]["conflicting_rows"] == [100, 103, 107]
