"""A disk that is full: every kind of file is written whole or stays what it was, and the error is one of ferviz's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ferviz import files, npz
from ferviz.data import cache
from ferviz.data.dataset import Table
from ferviz.errors import OutputError
from ferviz.images import write_image
from ferviz.results import Result
from ferviz.writers import WRITERS

NOISE = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)


class Everything(Result):
    """A result that has every format."""

    command: ClassVar[str] = "test"

    def picture(self) -> Image.Image:
        return Image.fromarray(NOISE)

    def plot(self) -> Any:
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().imshow(NOISE)
        return figure

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"noise": NOISE, "more": NOISE}

    def to_dict(self) -> dict[str, Any]:
        return {"noise": NOISE[:16].ravel()}

    def table(self) -> list[list[Any]]:
        return [["a"], *NOISE[:32].reshape(-1, 3).tolist()]


def check(write: Callable[[Path], object], path: Path, space: int, full_after: Any) -> None:
    path.write_bytes(b"old")
    with full_after(space), pytest.raises(OutputError, match=path.name):
        write(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    write(path)
    assert path.stat().st_size > space


@pytest.mark.parametrize("space", [0, 700])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".pdf", ".svg", ".npz", ".json", ".csv"])
def test_every_format_is_whole_or_the_old_one(suffix: str, space: int, full_after: Any, tmp_path: Path) -> None:
    assert suffix in WRITERS
    check(lambda path: Everything().save(path, force=True), tmp_path / f"a{suffix}", space, full_after)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_text(path, "x" * 9999),
        lambda path: npz.write_npz(path, {"noise": NOISE}, {}),
        lambda path: write_image(path, NOISE, force=True),
    ],
    ids=["text", "arrays", "picture"],
)
def test_what_is_no_result_as_well(write: Callable[[Path], None], full_after: Any, tmp_path: Path) -> None:
    check(write, tmp_path / "a.png", 700, full_after)


def test_a_cache_that_does_not_fit_is_no_error(full_after: Any, tmp_path: Path) -> None:
    many = np.arange(40)
    table = Table(np.zeros((40, 48, 48), np.uint8), many, np.full(40, ""), many, ("happy",), (), "f00d")
    with full_after(700):
        assert not cache.store_table(tmp_path / "a.npz", table)
    assert not list(tmp_path.iterdir())


def test_every_writer_goes_through_atomic() -> None:
    """Other ways to write a file are allowed where a test says why."""
    allowed = {
        "chunk_store.py": "its checksums know which bytes are right",
        "cache.py": "a damaged entry is noticed and made again",
        "files.py": "atomic itself",
        "native_logs.py": "the null device",
        "network_store.py": "a network that was uploaded, in a temporary folder of its own",
        "shown_figure.py": "bytes in memory, for a notebook",
        "writers.py": "to the temporary path of Result.save",
    }
    writing = (
        ".write_text(",
        ".write_bytes(",
        'open("w',
        '.open("wb"',
        "np.save",
        "savefig(",
        ".to_csv(",
        "NamedTemporaryFile",
    )
    root = Path(files.__file__).parent
    suspects = []
    for module in root.rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        if any(word in text for word in writing) and "atomic" not in text and module.name not in allowed:
            suspects.append(str(module.relative_to(root)))
    assert sorted(suspects) == []


def test_a_damaged_cache_entry_is_not_believed(tmp_path: Path) -> None:
    """One bit at a time over the whole file: the entry is refused, or what it holds is what was stored."""
    rng = np.random.default_rng(0)
    images, path = rng.integers(0, 256, (5, 8, 8)).astype(np.uint8), tmp_path / "a.npz"
    table = Table(images, np.arange(5), np.full(5, "Training"), np.arange(5), ("happy",), (), "f00d")
    assert cache.store_table(path, table)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        read = cache.load_table(path)
        refused += read is None
        if read is not None:
            for name in ("images", "emotion", "split", "rows"):
                np.testing.assert_array_equal(
                    getattr(read, name), getattr(table, name), err_msg=f"{name}, byte {place}"
                )
            assert (read.classes, read.sha256) == (table.classes, table.sha256)
    assert refused > len(whole) // 14
    for text in (b"", b"[]", whole[: len(whole) // 2]):
        path.write_bytes(text)
        assert cache.load_table(path) is None
