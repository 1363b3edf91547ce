"""A study that was killed goes on: what the network answered is not asked again, and a damaged end costs one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.errors import OutputError
from ferviz.models.model import Model
from ferviz.studies.kept_answers import MAGIC, KeptAnswers, answers_of, check_kept
from ferviz.studies.registry import study

from .conftest import RegionVotes, region_network

OPTIONS: dict[str, Any] = {"faces": 6, "fill": "mean", "method": "occlusion", "variants": 0}


class Mortal(RegionVotes):
    """Dies after so many passes."""

    def __init__(self, lives: int) -> None:
        super().__init__({"happy": {"mouth": 0.06}, "sad": {"eyes": 0.06}})
        self.lives = lives

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt
        return super().logits(batch)


def mortal(lives: int) -> tuple[Model, Any]:
    from dataclasses import replace

    engine: Any = Mortal(lives)
    return replace(region_network(), engine=engine), engine


def test_a_killed_study_goes_on(data: Dataset, tmp_path: Path) -> None:
    whole, engine = mortal(10**9)
    expected = study("regions", whole, data, **OPTIONS)
    passes = 10**9 - engine.lives
    assert passes > 20
    keep = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        study("regions", mortal(passes // 2)[0], data, keep=keep, **OPTIONS)
    content = keep.read_bytes()
    keep.write_bytes(content[:-5])  # the kill came in the midst of a write
    rest, engine = mortal(10**9)
    answer = study("regions", rest, data, keep=keep, **OPTIONS)
    assert 10 < 10**9 - engine.lives <= passes - passes // 2 + 1  # the answer that was cut off is asked for again
    assert answer.to_dict() == expected.to_dict()
    assert not keep.exists()


def test_another_network_is_asked_itself(data: Dataset, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        study("regions", mortal(5)[0], data, keep=keep, **OPTIONS)
    other = region_network({"happy": {"eyes": 0.06}, "sad": {"mouth": 0.06}}, name="other")
    answer = study("labels", other, data, keep=keep)
    assert answer.to_dict() == study("labels", other, data).to_dict()


def test_answers_outlive_a_file_and_damage(tmp_path: Path) -> None:
    kept, calls = KeptAnswers(tmp_path / "a"), []

    def ask(value: float) -> np.ndarray:
        calls.append(value)
        return np.full((2, 3), value, np.float32)

    for value in (1.0, 2.0):
        kept.answer([str(value).encode()], lambda value=value: ask(value))
    kept.close()
    content = (tmp_path / "a").read_bytes()
    for cut in (len(content) - 1, len(content) - 30, len(MAGIC) + 60):
        (tmp_path / "a").write_bytes(content[:cut])
        again = KeptAnswers(tmp_path / "a")
        assert len(again) == (1 if cut > len(MAGIC) + 68 else 0)
        again.close()
    changed = bytearray(content)
    changed[-1] ^= 1
    (tmp_path / "a").write_bytes(changed)
    again = KeptAnswers(tmp_path / "a")
    assert (again.answer([b"1.0"], lambda: ask(7)) == 1).all()
    assert (again.answer([b"2.0"], lambda: ask(8)) == 8).all()
    again.close()
    assert calls == [1.0, 2.0, 8]


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        KeptAnswers(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(OutputError, match="cannot be written"):
        KeptAnswers(tmp_path / "none" / "a")


def test_the_command_asks_what_to_do_with_what_was_left(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out.csv"
    answers_of(out).write_bytes(MAGIC)
    (tmp_path / "data.csv").write_text("emotion,pixels\n")
    assert run(["study", "labels", str(tmp_path / "data.csv"), "--out", str(out)]) == 1
    assert "--resume" in capsys.readouterr().err
    check_kept(out, resume=True)
    assert answers_of(out).exists()
    check_kept(out, force=True)
    assert not answers_of(out).exists()
