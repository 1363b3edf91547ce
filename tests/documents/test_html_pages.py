"""A result as an HTML file: what is in it is text, whatever it says; it asks nobody for anything; and its numbers come back."""

from __future__ import annotations

import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ferviz.documents.parts import MAX_ROWS, Page, PagePicture, PageSection, PageTable
from ferviz.documents.read_record import read_record
from ferviz.documents.render import escaped_json, render, shown_cells
from ferviz.errors import DataError, UsageError
from ferviz.results import Result

HOSTILE = (
    "</script><script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">", "\"' onload='x",
    "{{ 7 * 7 }}{% for x in y %}", "<!-- ", "]]>", "שלום <b>", "a\u202eb\x00\n", "=HYPERLINK(1)", "\udcff", "&lt;",
)  # fmt: skip


class Hostile(Result):
    """A result whose every text is hostile. It has a picture, a table and plain data."""

    command: ClassVar[str] = "test"

    def picture(self) -> Image.Image:
        return Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1)))

    def table(self) -> list[list[Any]]:
        return [["name", *HOSTILE], *([text, *range(len(HOSTILE))] for text in HOSTILE)]

    def to_dict(self) -> dict[str, Any]:
        model = HOSTILE[0]
        return {
            "model": model,
            "finding": HOSTILE[1],
            "notes": HOSTILE,
            "texts": HOSTILE,
            "share": 0.25,
            "none": float("nan"),
        }


class Reader(HTMLParser):
    """Collects the elements and the text of a file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    return Hostile().save(tmp_path / "out.html")


def test_hostile_texts_are_shown_as_texts(file: Path) -> None:
    read = Reader(file.read_text(encoding="utf-8"))
    assert len(read.named("script")) == 1
    assert len(read.named("img")) == 1
    assert not [a for _, attributes in read.elements for a in attributes if a.startswith("on") or a == "style"]
    said = "\n".join(read.words)
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[3], "a\\u202eb\\x00\\n", "\\udcff", "שלום <b>"):
        assert text in said
    assert "\u202e" not in said


def test_everything_that_a_reader_needs_is_there(file: Path) -> None:
    read = Reader(file.read_text(encoding="utf-8"))
    assert read.named("html") == [{"lang": "en"}]
    assert [tag for tag, _ in read.elements if tag in ("h1", "h2")] == ["h1", "h2", "h2", "h2"]
    assert len(read.named("caption")) == len(read.named("table")) == 3
    assert {attributes["scope"] for attributes in read.named("th")} == {"row", "col"}
    (picture,) = read.named("img")
    assert picture["src"].startswith("data:image/webp;base64,")  # type: ignore[union-attr]
    assert "share 0.25" in picture["alt"]  # type: ignore[operator]


def test_the_numbers_come_back(file: Path) -> None:
    record = read_record(file)
    assert record["texts"] == [*HOSTILE]
    assert (record["share"], record["none"], record["command"]) == (0.25, None, "test")


def test_a_block_of_json_holds_no_markup() -> None:
    text = escaped_json({"texts": HOSTILE, "lines": "\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text)["lines"] == "\u2028\u2029"


def test_headings_of_numbers_stand_above_them() -> None:
    table = PageTable("t", [["a", "n", "share", "empty", "mixed"], ["x", 3, 0.5, "", "y"], ["z", 12, "", None, 0.5]])
    assert table.numeric == [False, True, True, False, False]
    text = render(Page("t", "", (PageSection("s", tables=(table,)),), {}))
    assert re.findall(r'<th scope="col"( class="number")?[^>]*>([^<]*)', text) == [
        ("", "a"), (' class="number"', "n"), (' class="number"', "share"), ("", "empty"), ("", "mixed")
    ]  # fmt: skip


def test_long_tables_say_what_is_left_out() -> None:
    table = PageTable("many", [["row", "value"], *([i, f"value{i}"] for i in range(MAX_ROWS + 7))])
    text = render(Page("t", "", (PageSection("s", tables=(table,)),), {}))
    assert f"value{MAX_ROWS - 1}<" in text
    assert f"value{MAX_ROWS}<" not in text
    assert f"The first {MAX_ROWS} rows; 7 more are left out here." in text


def test_sections_survive_a_file() -> None:
    picture = PagePicture.of(Image.new("RGB", (300, 100), "red"), "red", "a caption", max_width=150)
    assert picture.size == (150, 50)
    section = PageSection("s", ("t",), (PageTable("c", [["a"], [1]]),), (picture,), ("n",), "code")
    again = PageSection.from_dict(json.loads(json.dumps(section.to_dict())))
    assert render(Page("t", "", (again,), {})) == render(Page("t", "", (section,), {}))


@pytest.mark.parametrize(
    "content", ["", "<script id=ferviz-data>[]</script>", "<script id=ferviz-data>" + "[" * 100_000]
)
def test_other_files_are_no_reports(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.html"):
        read_record(path)
    with pytest.raises(DataError, match="check the path"):
        read_record(tmp_path / "none.html")


def test_without_jinja_a_path_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"ferviz\[report\]"):
        Hostile.check_path(tmp_path / "a.html")


def test_folders_stay_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    monkeypatch.setattr(Hostile, "table", lambda self: [["source", "faces"], ["/home/somebody/photos/face.png", 1]])
    monkeypatch.setattr(Hostile, "to_dict", lambda self: {"data": "/home/somebody/fer2013.csv"})
    text = Hostile().save(tmp_path / "out.html").read_text(encoding="utf-8")
    assert "somebody" not in text
    assert text.count("face.png") >= 1
    assert "fer2013.csv" in text


@pytest.mark.slow
def test_a_picture_is_there_when_the_page_is(tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    slope = np.linspace(0, 255, 900) + np.random.default_rng(0).normal(
        0, 20, (900, 900)
    )  # noise takes longest to decode
    large = Image.fromarray(slope.clip(0, 255).astype(np.uint8))
    monkeypatch.setattr(Hostile, "picture", lambda self: large)
    file = Hostile().save(tmp_path / "out.html")
    page = browser.new_page(viewport={"width": 400, "height": 600}, color_scheme="light")
    page.goto(file.as_uri())
    place = page.locator("img").first.bounding_box()
    shown = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=place))).convert("L"), float)
    page.close()
    columns = shown.mean(axis=0)  # the picture goes from black to white
    assert columns[-9:].mean() - columns[:9].mean() > 180


@pytest.mark.slow
def test_a_browser_shows_it_and_asks_nobody(file: Path, browser: Any, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe sandbox src="{file.name}" width="320" height="600"></iframe>')
    for name, scripts in ((file, True), (file, False), (frame, True)):
        context = browser.new_context(viewport={"width": 320, "height": 600}, java_script_enabled=scripts)
        page, asked, complaints = context.new_page(), [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        page.goto(name.as_uri())
        inside = page.frames[-1]
        own = {name.as_uri(), file.as_uri()}
        assert {url for url in asked if not url.startswith("data:")} <= own
        assert complaints == []
        assert inside.locator("h1").inner_text() == f"ferviz test {HOSTILE[0]}"
        assert inside.locator("tbody th", has_text="{{ 7 * 7 }}").count() >= 1
        if scripts and name == file:
            assert page.evaluate("document.images[0].naturalWidth") == 64
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            assert page.evaluate("getComputedStyle(document.querySelector('td.number')).textAlign") == "right"
            assert page.pdf()[:4] == b"%PDF"
        context.close()


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        ([0.69, 0.6267, None], ["0.690", "0.627", ""]), ([12.5, -0.25], ["12.50", "-0.25"]),
        ([1e-7, 0.2, 0.0], ["1e-07", "0.200", "0.000"]), ([float("nan"), 1.5], ["nan", "1.500"]), ([3, 0.125], ["3", "0.125"]),
        (["", 0.5], ["", "0.500"]),
        ([2.0, 19.0, None], ["2", "19", ""]), (["a", 0.12345], ["a", "0.1235"]), ([True, None], ["yes", ""]),
    ],
    ids=["shares", "tens", "small", "NaN", "counts and shares", "none", "counts", "facts", "truth values"],
)  # fmt: skip
def test_floats_of_a_column_have_as_many_decimals(column: list[Any], texts: list[str]) -> None:
    assert [row[0] for row in shown_cells([[value] for value in column])] == texts
    assert shown_cells([]) == []
