"""A listing of receipts is all that a status needs; names of other files are not mistaken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferviz.errors import DataError
from ferviz.scale.receipt_names import parse_receipt_names, receipt_name
from ferviz.scale.receipts import Counts, Receipt
from ferviz.scale.run_directory import RunDirectory

HOSTILE = (
    "00000009-3-3-0-0.json.tmp",
    "00000009-3-3-0.json",
    "00000009-3-3-0-0-0.json",
    "00000009-3-3-0-0.json\n00000008-1-1-0-0.json",
    "00000009-3-2-0-0.json",  # does not add up
    "00000009-99999999999999999999-99999999999999999999-0-0.json",
    "0000000\u0669-3-3-0-0.json",
    ".00000009-3-3-0-0.json",
    "00000009 3 3 0 0.json",
    "notes.txt",
    "",
)


def test_a_name_tells_its_shard_and_counts() -> None:
    assert receipt_name(12345, Counts(2000, 1998, 2, 0)) == "00012345-2000-1998-2-0.json"
    names = [receipt_name(123_456_789, Counts(3, 1, 1, 1)), receipt_name(0, Counts())]
    assert parse_receipt_names(names).tolist() == [[123_456_789, 3, 1, 1, 1], [0, 0, 0, 0, 0]]
    assert parse_receipt_names([]).shape == (0, 5)


@pytest.mark.parametrize("name", HOSTILE)
def test_other_names_are_left_out(name: str) -> None:
    good = [receipt_name(1, Counts(2, 2)), receipt_name(2, Counts(5, 4, 1))]
    assert parse_receipt_names([good[0], name, good[1]]).tolist() == [[1, 2, 2, 0, 0], [2, 5, 4, 1, 0]]


def test_a_shard_with_two_receipts_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "receipts" / "00001"
    folder.mkdir(parents=True)
    (tmp_path / "receipts" / "note.txt").write_text("no folder")
    for name in ("00001001-3-3-0-0.json", "00001001-3-2-1-0.json", "00001000-1-1-0-0.json"):
        (folder / name).touch()
    run = RunDirectory(tmp_path)
    assert run.receipts()[:, 0].tolist() == [1000, 1001]
    run.write_receipt(Receipt(1001, "done", 3, 3))
    np.testing.assert_array_equal(run.receipts(), [[1000, 1, 1, 0, 0], [1001, 3, 3, 0, 0]])
    run.forget(1001)
    assert run.done() == {1000}


def test_tries_of_a_shard_end_without_those_of_others(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for shard in (3, 30, 3):
        assert run.begin_try(shard, 2)
    assert run.begin_try(3, 2) is None
    run.position(3).write_text("7", encoding="ascii")
    run.end_tries(3)
    assert run.tries() == {30: [""]}
    assert not run.position(3).exists()


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ferviz.scale.run_directory.os.listdir", refuse)
    with pytest.raises(DataError, match="receipts"):
        RunDirectory(tmp_path).receipts()
