"""A result saves itself in every format that it has something for, with its manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ferviz.errors import DataError, OutputError, OutputExistsError, UnknownNameError, UsageError
from ferviz.images import FORMATS, read_manifest
from ferviz.results import Result, read_npz
from ferviz.writers import FIGURES, WRITERS, Writer, write_figure


class Drawn(Result):
    """A result with everything."""

    command: ClassVar[str] = "test"

    def picture(self, *, zoom: float = 1.0) -> Image.Image:
        return Image.new("RGB", (round(8 * zoom), 8), "red")

    def plot(self, *, vmax: float = 1.0) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2, 2))
        figure.text(0.1, 0.5, f"up to {vmax:g}")
        return figure

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": np.arange(6.0).reshape(2, 3)}

    def to_dict(self) -> dict[str, Any]:
        return {"answer": 42}

    def table(self) -> list[list[Any]]:
        return [["name", "value"], ["=1+1", 2]]


class Figured(Result):
    """A result with a figure alone."""

    plot, to_dict = Drawn.plot, Drawn.to_dict


@pytest.mark.parametrize("suffix", sorted(WRITERS))
def test_every_format_is_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    assert Drawn().save(path) == path
    assert path.stat().st_size > 0
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_a_result_has_decides_its_formats() -> None:
    assert set(Drawn.suffixes()) == set(WRITERS)
    assert set(Figured.suffixes()) == {*FORMATS, *FIGURES, ".json", ".html"}
    assert Result.suffixes() == ()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_carry_the_manifest_and_how_they_were_drawn(suffix: str, tmp_path: Path) -> None:
    manifest = read_manifest(Drawn().save(tmp_path / f"out{suffix}", zoom=2.0))
    assert manifest is not None
    assert (manifest["command"], manifest["answer"], manifest["drawing"]) == ("test", 42, {"zoom": 2.0})


@pytest.mark.parametrize("suffix", FIGURES)
def test_figures_carry_the_manifest_and_are_repeatable(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    first, second = (Drawn().save(tmp_path / f"{name}{suffix}", vmax=3).read_bytes() for name in "ab")
    assert first == second
    assert b"answer" in first


def test_archives_carry_arrays_and_manifest(tmp_path: Path) -> None:
    arrays, manifest = read_npz(Drawn().save(tmp_path / "out.npz"), ("values",), "a test")
    np.testing.assert_array_equal(arrays["values"], Drawn().to_arrays()["values"])
    assert (manifest["command"], manifest["answer"]) == ("test", 42)


def test_data_and_tables_are_plain(tmp_path: Path) -> None:
    assert json.loads(Drawn().save(tmp_path / "out.json").read_text())["answer"] == 42
    assert Drawn().save(tmp_path / "out.csv").read_text() == "name,value\n'=1+1,2\n"  # no spreadsheet runs it


def test_a_figure_is_its_own_picture(tmp_path: Path) -> None:
    with Image.open(Figured().save(tmp_path / "out.png", vmax=2)) as picture:
        assert picture.size == (288, 288)
    assert Figured()._repr_png_().startswith(b"\x89PNG")


def test_an_option_goes_to_whatever_takes_it_and_others_are_refused(tmp_path: Path) -> None:
    Drawn().save(tmp_path / "out.pdf", zoom=2.0)  # a figure has no size in pixels
    with pytest.raises(UnknownNameError, match=r"zom.*zoom"):
        Drawn().save(tmp_path / "out.png", zom=2.0)
    assert not (tmp_path / "out.png").exists()


def test_a_path_is_checked_before_the_work(tmp_path: Path) -> None:
    for name, error in (("a.txt", UsageError), ("a", UsageError), ("no/a.png", OutputError)):
        with pytest.raises(error):
            Drawn.check_path(tmp_path / name)
    with pytest.raises(UsageError, match="csv"):
        Figured.check_path(tmp_path / "a.csv")
    Drawn().save(tmp_path / "a.PNG")
    with pytest.raises(OutputExistsError):
        Drawn.check_path(tmp_path / "a.PNG")
    assert Drawn.check_path(tmp_path / "a.PNG", force=True) == tmp_path / "a.PNG"


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Drawn):
        def picture(self, *, zoom: float = 1.0) -> Image.Image:
            raise ValueError("no picture today")

    with pytest.raises(ValueError, match="today"):
        Broken().save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_format_is_registered_once_for_every_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WRITERS, "_entries", dict(WRITERS._entries))
    WRITERS.add(
        ".md", "for notes", Writer(lambda result, path, _: path.write_text(str(result.to_dict())), ("to_dict",))
    )
    assert Figured().save(tmp_path / "a.md").read_text() == "{'answer': 42}"
    with pytest.raises(ValueError, match="registered already"):
        WRITERS.add(".md", "again", Writer(lambda *_: None, ("to_dict",)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY"])
def test_what_is_no_archive_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a\\.npz"):
        read_npz(tmp_path / "a.npz", ("values",), "a test")
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="a test"):
        read_npz(tmp_path / "a.npz", ("values",), "a test")
    np.savez(tmp_path / "a.npz", values=np.zeros(2), manifest=np.array("[]"))
    with pytest.raises(DataError, match="a test"):
        read_npz(tmp_path / "a.npz", ("values",), "a test")


def test_a_figure_without_a_manifest_can_be_written(tmp_path: Path) -> None:
    write_figure(tmp_path / "a.svg", Drawn().plot())
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
