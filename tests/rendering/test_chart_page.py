"""Figures of charts in a journal's column: their width, the size of their letters, and what stands where in PDF, SVG and PNG."""

from __future__ import annotations

import itertools
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ferviz.errors import UsageError
from ferviz.evaluation.comparison import compare_models
from ferviz.evaluation.evaluation import Evaluation
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.video.result import TrackSummary, VideoSummary
from ferviz.writers import write_figure

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LONG = ("happiness", "sadness", "surprised-a-lot", "contempt", "anger", "fearfulness", "disgusted", "no-emotion-at-all")
NOTE = "the network's file does not name its 7 outputs: " + ", ".join(LABELS) + " is assumed"


def evaluation(name: str = "net", labels: tuple[str, ...] = LABELS, seed: int = 0) -> Evaluation:
    rng = np.random.default_rng(seed)
    shares, images = rng.dirichlet(np.ones(len(labels)), 60), rng.integers(0, 255, (60, 8, 8), dtype=np.uint8)
    true = np.arange(60) % len(labels)
    hidden = {"mouth": shares[::-1], "eyes": shares}
    return Evaluation(
        name, "", "PublicTest", labels, true, shares, images, np.arange(60), notes=(NOTE,), occlusion=hidden
    )


def timeline() -> VideoSummary:
    rng = np.random.default_rng(0)
    times = np.arange(0, 10, 0.25)
    face = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    tracks = tuple(TrackSummary(k, 40, times, rng.dirichlet(np.ones(7), 40), face) for k in (1, 2, 3))
    return VideoSummary("a.mp4", "net", "", LABELS, 4.0, 40, 40, 120, 10.0, tracks, "yunet", (NOTE,))


def panel() -> TrustReport:
    rng, yes = np.random.default_rng(0), np.ones(20, bool)
    rows = [
        MethodRow(name, layer, rng.normal(0.1, 0.1, (20, 3)), yes, np.arange(20))
        for name, layer in (("centre blob", ""), ("gradcam++", "block_14/relu8"), ("integrated-gradients", "input"))
    ]
    fills = ("mean", "blur", "harmonic")
    return TrustReport("net", "ab", "data", 20, 12, fills, 0.05, True, 0, tuple(rows), warnings=(NOTE,))


RESULTS = {
    "panel": (panel, {}),
    "timeline": (timeline, {}),
    "evaluation": (evaluation, {}),
    "mistakes": (evaluation, {"view": "mistakes"}),
    "long names": (lambda: evaluation(labels=LONG), {}),
    "comparison": (lambda: compare_models(evaluation(), evaluation("other", seed=1)), {}),
    "long comparison": (lambda: compare_models(evaluation(labels=LONG), evaluation("another", LONG, 1)), {}),
    "disagreements": (lambda: compare_models(evaluation(), evaluation("other", seed=1)), {"view": "disagreements"}),
}


def sizes_in(pdf: bytes) -> set[float]:
    """-> points of all words of a PDF file."""
    sizes: set[float] = set()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            content = zlib.decompressobj().decompress(stream)
        except zlib.error:
            continue
        sizes |= {float(size) for size in re.findall(rb"/F\d+ ([0-9.]+) Tf", content)}
    return sizes


def words_of(figure: Figure) -> list[Text]:
    """-> the words that are drawn."""
    figure.draw_without_rendering()  # legends have their places only then
    hidden = set()
    for axes in figure.findobj(lambda artist: hasattr(artist, "axison") and not artist.axison):
        hidden |= {id(text) for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)}
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and id(t) not in hidden]


@pytest.mark.parametrize("kind", RESULTS)
def test_in_a_column_every_word_is_as_large_as_asked_for(kind: str, tmp_path: Path) -> None:
    """The PDF file is 85 mm wide, no page is taller than 230 mm, its words have 7 points (headings more), its letters are in it;
    and no word leaves the page or touches another."""
    make, view = RESULTS[kind]
    figures = make().pages(width_mm=85, font_size=7, **view)
    for figure in figures:
        check_words(figure)
    write_figure(tmp_path / "a.pdf", figures)
    data = (tmp_path / "a.pdf").read_bytes()
    pages = re.findall(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]", data)
    assert len(pages) == len(figures)
    for width, height in pages:
        assert float(width) == pytest.approx(85 / 25.4 * 72, abs=0.1)
        assert float(height) <= 230 / 25.4 * 72 + 1
    assert sizes_in(data) == {7.0, 8.75}
    assert b"/FontFile2" in data
    assert b"/Type3" not in data


def test_names_of_classes_do_not_touch_on_a_wide_page() -> None:
    for result in (evaluation(labels=LONG), compare_models(evaluation(labels=LONG), evaluation("another", LONG, 1))):
        check_words(result.plot())


def check_words(figure: Figure) -> None:
    boxes = [(text.get_text(), text.get_window_extent()) for text in words_of(figure)]
    assert boxes
    for words, box in boxes:
        assert box.x0 >= -1, words
        assert box.x1 <= figure.bbox.width + 1, words
        assert box.y0 >= -2, words
        assert box.y1 <= figure.bbox.height + 2, words
    for number, (words, box) in enumerate(boxes):
        for others, other in boxes[:number]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            small = min(box.width, other.width, box.height, other.height)
            assert min(across, down) < 0.45 * small, (words, others)


def test_files_of_all_kinds_have_one_layout(tmp_path: Path) -> None:
    """An SVG file has the PDF's size and words; a PNG has the width's pixels, says its dots an inch, and looks the same."""
    made = timeline()
    svg = made.save(tmp_path / "a.svg", width_mm=85, font_size=7).read_text()
    width, height = (float(part) for part in re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups())
    assert width == pytest.approx(85 / 25.4 * 72, abs=0.1)
    assert "@font-face{font-family:Aileron" in svg
    assert re.search(r"<text[^>]*>seconds</text>", svg)
    assert set(re.findall(r"font-size: ([\d.]+)px", svg)) == {"7", "8.75"}
    made.save(tmp_path / "a.png", width_mm=85, font_size=7, dpi=200)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == pytest.approx(85 / 25.4 * 200, abs=1)
        assert picture.height / picture.width == pytest.approx(height / width, abs=0.01)
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_a_page_for_print_is_another_than_that_for_screens() -> None:
    made = timeline()
    assert made.picture().width == pytest.approx(244 / 25.4 * 144, abs=1)
    assert made.plot().get_figwidth() == pytest.approx(174 / 25.4)
    assert made.plot(figsize=(3, 9)).get_figwidth() == pytest.approx(3)
    with pytest.raises(UsageError, match="5 mm"):
        made.plot(width_mm=5)
    with pytest.raises(UsageError, match="dots"):
        evaluation().picture(width_mm=1000, dpi=2400)


def test_a_long_page_is_cut_between_rows() -> None:
    """All faces of the sheet are there, on pages that are none taller than a journal's, and in one picture where there are no pages."""
    sheet = evaluation()[:24]
    pages = sheet.pages("mistakes", width_mm=60, font_size=8)
    assert len(pages) > 1
    assert max(page.get_figheight() for page in pages) <= 230 / 25.4
    faces = [len(axes.images) for page in pages for axes in page.axes]
    assert sum(faces) == len(sheet.mistakes(48))
    whole = sheet.long_page("mistakes", width_mm=60, font_size=8)
    assert sum(len(axes.images) for axes in whole.axes) == sum(faces)


def test_many_classes_keep_their_places() -> None:
    """Where forty classes leave no room for numbers and names, colours stay, and only some columns are named."""
    names = tuple(f"class-{k}" for k in range(40))
    figure = evaluation(labels=names).plot(width_mm=85, font_size=7)
    matrix = next(axes for axes in figure.axes if axes.images and axes.images[0].get_array().shape == (40, 40))
    assert not matrix.texts
    named = [tick.get_text() for tick in matrix.get_xticklabels() if tick.get_text()]
    assert 1 < len(named) < 40
    boxes = [tick.get_window_extent() for tick in matrix.get_xticklabels() if tick.get_text()]
    assert all(left.x1 <= right.x0 + 1 for left, right in itertools.pairwise(boxes))


def test_names_with_dollar_signs_are_no_mathematics(tmp_path: Path) -> None:
    evaluation(labels=("$\\nosuch{$", "$a$", *LABELS[2:])).save(tmp_path / "a.png")
