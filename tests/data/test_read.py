"""Label schemes, FERPlus and splits: what becomes of each face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in
from ferviz.data.ferplus import distributions, majority
from ferviz.data.read import read_data, relabel
from ferviz.data.splits import random_split, sample
from ferviz.emotions import FER2013, FERPLUS, SCHEMES, label_scheme
from ferviz.errors import DataError, UnknownNameError, UsageError


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("7", {"angry": "angry", "disgust": "disgust", "neutral": "neutral", "happy": "happy"}),
        ("7-alphabetical", {"angry": "angry", "neutral": "neutral", "surprise": "surprise"}),
        ("6-merged", {"angry": "angry", "disgust": "angry", "neutral": "neutral"}),
        ("6-dropped", {"angry": "angry", "disgust": None, "surprise": "surprise"}),
        (
            "positive-negative",
            {"happy": "positive", "sad": "negative", "disgust": "negative", "neutral": None, "surprise": None},
        ),
        ("sad,joy", {"happy": "happy", "sad": "sad", "angry": None, "neutral": None}),
        ("8-ferplus", {"angry": "angry", "happy": "happy", "neutral": "neutral"}),
    ],
)
def test_scheme_by_name(table: Path, faces, labels: str, expected: dict[str, str | None]) -> None:
    data = read_data(table, labels=labels)
    got = dict(zip(data.rows.tolist(), data.labels.tolist(), strict=True))
    for row, emotion in enumerate(faces[1]):
        name = FER2013[emotion]
        if name in expected:
            assert (data.names[got[row]] if row in got else None) == expected[name]
    assert len(data) + sum(data.left_out.values()) == 30
    assert data.names == label_scheme(labels).labels


def test_scheme_without_a_face(table: Path) -> None:
    with pytest.raises(DataError, match="has no face for the labels cat, dog"):
        read_data(table, labels="cat,dog")
    with pytest.raises(UnknownNameError, match="6-merged"):
        read_data(table, labels="6-mergd")


def test_relabel_agrees_with_reading_anew(table: Path) -> None:
    seven = read_data(table)
    for name in ("6-merged", "6-dropped", "7-alphabetical", "positive-negative"):
        a, b = relabel(seven, SCHEMES[name]), read_data(table, labels=name)
        assert np.array_equal(a.labels, b.labels)
        assert np.array_equal(a.rows, b.rows)
        assert a.left_out == b.left_out


def write_votes(path: Path, votes: np.ndarray, usage: list[str], row: bool = False) -> Path:
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    if row:
        order = np.random.default_rng(0).permutation(len(votes))
        lines = [f"row,Usage,{names}", *(f"{i},{usage[i]}," + ",".join(map(str, votes[i])) for i in order)]
    else:
        lines = [f"Usage,Image name,{names}"]
        lines += [
            f"{u},fer{i:07d}.png," + ",".join(map(str, v)) for i, (u, v) in enumerate(zip(usage, votes, strict=True))
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("row", [False, True])
def test_ferplus_is_joined_by_row(table: Path, faces, tmp_path: Path, row: bool) -> None:
    votes = np.random.default_rng(1).multinomial(10, [0.1] * 10, size=30)
    path = write_votes(tmp_path / "fer2013new.csv", votes, faces[2], row)
    data = read_data(table, votes=path, split="PublicTest")
    assert np.array_equal(data.votes, votes[18:24])
    assert np.array_equal(data.labels, faces[1][18:24]), "the labels stay FER2013's"
    eight = read_data(table, votes=path, labels="8-ferplus")
    best = majority(votes)
    assert eight.rows.tolist() == np.flatnonzero(best >= 0).tolist()
    assert np.array_equal(eight.labels, best[best >= 0])
    assert eight.left_out == ({"no majority": int((best < 0).sum())} if (best < 0).any() else {})
    lines = table.read_text().splitlines()
    lines[4] = "x" + lines[4]
    table.write_text("\n".join(lines))
    shifted = read_data(table, votes=path, skip_bad=True)
    assert np.array_equal(shifted.votes, np.delete(votes, 3, axis=0)), "a bad row must not shift the votes after it"


def test_majority_and_distributions_by_hand() -> None:
    votes = np.array([
        [6, 0, 0, 4, 0, 0, 0, 0, 0, 0],  # neutral
        [5, 0, 0, 5, 0, 0, 0, 0, 0, 0],  # tied
        [1, 2, 0, 0, 0, 0, 0, 0, 7, 0],  # unknown
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # no face
        [1, 0, 0, 0, 0, 0, 0, 8, 0, 1],  # contempt
    ])  # fmt: skip
    assert majority(votes).tolist() == [0, -1, -1, -1, FERPLUS.index("contempt")]
    shares = distributions(votes)
    assert shares[0].tolist() == pytest.approx([0.6, 0, 0, 0.4, 0, 0, 0, 0])
    assert shares[2].tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0, 0, 0, 0, 0])
    assert shares[3].tolist() == pytest.approx([1 / 8] * 8)
    seven = distributions(votes, FER2013)
    assert seven[0].tolist() == pytest.approx([0, 0, 0, 0, 0.4, 0, 0.6])
    assert seven[4].tolist() == pytest.approx([0, 0, 0, 0, 0, 0, 1]), "contempt is not among the seven"


def test_votes_of_another_table_are_refused(table: Path, faces, tmp_path: Path) -> None:
    votes = np.ones((30, 10), int)
    wrong = write_votes(tmp_path / "v.csv", votes, [*faces[2][1:], "PublicTest"])
    with pytest.raises(DataError, match="do not belong together"):
        read_data(table, votes=wrong)
    short = write_votes(tmp_path / "v.csv", votes[:20], faces[2][:20])
    with pytest.raises(DataError, match="no votes for row 20"):
        read_data(table, votes=short)
    with pytest.raises(DataError, match="no column 'neutral'"):
        read_data(table, votes=table)


def test_random_split_warns_and_keeps_duplicates_together(table: Path) -> None:
    data = read_data(table)
    twice = Dataset(np.concatenate([data.images] * 4), np.tile(data.labels, 4), np.tile(data.split, 4), np.arange(120))
    with pytest.warns(UserWarning, match="random split"):
        split = random_split(twice, fraction=0.3, seed=3)
    test, train = split.part("PublicTest"), split.part("Training")
    assert not also_in(test, train).any()
    assert 16 <= len(test) <= 60
    with pytest.warns(UserWarning, match="random split"):
        assert random_split(twice, fraction=0.3, seed=3).split.tolist() == split.split.tolist()
    with pytest.warns(UserWarning, match="random split"):
        assert random_split(twice, fraction=0.3, seed=4).split.tolist() != split.split.tolist()
    with pytest.warns(UserWarning, match="random split"):
        assert set(read_data(table, split="random").split) == {"Training", "PublicTest"}


def test_a_random_split_holds_out_the_same_faces_in_every_label_scheme(table: Path) -> None:
    """Otherwise a network of six classes would be measured on faces that it was trained on."""
    with pytest.warns(UserWarning, match="random split"):
        seven, six = (random_split(read_data(table, labels=name), fraction=0.4, seed=1) for name in ("7", "6-dropped"))
    held = dict(zip(seven.rows.tolist(), seven.split.tolist(), strict=True))
    assert [held[row] for row in six.rows.tolist()] == six.split.tolist()
    assert 0 < sum(s == "PublicTest" for s in six.split) < len(six)


def test_a_sample_takes_from_every_class_of_every_split_alike() -> None:
    labels = np.repeat(np.arange(7), [10, 20, 30, 40, 50, 1, 200])
    split = np.where(np.arange(351) % 2, "Training", "PublicTest")
    faces = Dataset(np.zeros((351, 2, 2), np.uint8), labels, split, np.arange(351))
    some = sample(faces, 0.2, seed=1)
    for name in faces.splits:
        have, want = some.part(name).counts(), faces.part(name).counts()
        np.testing.assert_array_equal(have, np.where(want, np.maximum(np.round(want * 0.2), 1), 0))
    assert (np.diff(some.rows) > 0).all(), "the order stays"
    assert set(some.rows) < set(sample(faces, 0.5, seed=1).rows), "a smaller share is part of a larger one"
    assert set(some.rows) != set(sample(faces, 0.2, seed=2).rows)
    assert sample(faces, 1.0) is faces
    for wrong in (0, -0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="fraction"):
            sample(faces, wrong)


def test_parts(table: Path) -> None:
    data = read_data(table)
    assert data.splits == ("Training", "PublicTest", "PrivateTest")
    assert len(data.part("train", "val")) == 24
    assert len(read_data(table, split=["PublicTest", "PrivateTest"])) == 12
    with pytest.raises(UnknownNameError, match="did you mean 'PublicTest'"):
        data.part("PublicTset")


@pytest.mark.slow
def test_the_real_votes_join_the_real_faces(shared_data: Path, fer2013: Dataset, tmp_path: Path) -> None:
    some = fer2013.take(np.linspace(0, len(fer2013) - 1, 60).round().astype(int))
    path = tmp_path / "some.csv"
    rows = [
        f"{k},{' '.join(map(str, p.ravel()))},{s}" for p, k, s in zip(some.images, some.labels, some.split, strict=True)
    ]
    path.write_text("emotion,pixels,Usage\n" + "\n".join(rows))
    with pytest.raises(DataError, match="do not belong together"):  # sixty rows picked out are not the first sixty
        read_data(path, votes=shared_data / "fer2013" / "labels.csv")
