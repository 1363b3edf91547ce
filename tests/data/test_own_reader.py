"""The page on writing a reader says what works: its code is run here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ferviz.data.read import READERS, read_data
from ferviz.errors import DataError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending" / "write-a-reader.md"


def test_the_page_s_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(READERS, "_entries", dict(READERS._entries))  # it is gone again afterwards
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    exec(compile(code[1], str(PAGE), "exec"), {})
    faces = np.random.default_rng(0).integers(0, 256, (5, 9, 9), dtype=np.uint8)
    names = np.array(["Joy", "sad", "", "anger", "happy"])
    path = tmp_path / "faces.npz"
    np.savez(path, faces=faces, names=names)
    with pytest.raises(DataError, match=r"faces\.npz, line 3, column 'names': it is empty"):
        read_data(path)
    data = read_data(path, skip_bad=True)
    assert [data.names[k] for k in data.labels] == ["happy", "sad", "angry", "happy"]
    assert data.rows.tolist() == [0, 1, 3, 4]
    assert np.array_equal(data.images, faces[[0, 1, 3, 4]])
    again = read_data(path, skip_bad=True, labels="happy,sad")
    assert (len(again), again.left_out) == (3, {"angry": 1})
    np.savez(path, other=faces)
    with pytest.raises(DataError, match="no archive of faces"):
        read_data(path)
