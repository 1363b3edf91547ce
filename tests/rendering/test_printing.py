"""Printed figures: their sizes, their letters, the resolution of their maps, and what their files tell."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ferviz.attribution.explanation import Explanation
from ferviz.errors import UsageError
from ferviz.faces.face import Face
from ferviz.images import read_manifest
from ferviz.models.prediction import Prediction
from ferviz.rendering.marks import Box, Raster, Word, marks_of
from ferviz.rendering.printing import PrintSize
from ferviz.rendering.sheets.overlays import explanation_pages, explanation_picture
from ferviz.writers import names_only


@pytest.fixture
def explain(draw):
    def make(faces=1, targets=("happy",), source="/home/somebody/secret/face.png"):
        heat = np.stack([[draw.blob() for _ in targets]] * faces)
        shown = tuple(Face(draw.face(), source=source) for _ in range(faces))
        prediction = Prediction("happy", dict.fromkeys(draw.labels, 0.05) | {"happy": 0.7}, shown[0])
        settings = {"model": "net", "model_file": "/home/somebody/secret/net.h5", "labels": draw.labels}
        return Explanation(heat, heat, shown, targets, "gradcam", "conv", (prediction,) * faces, settings)

    return make


def page_sizes(pdf: bytes) -> list[tuple[float, float]]:
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]", pdf)
    return [(float(width), float(height)) for width, height in boxes]


@pytest.mark.slow
def test_sixteen_faces_are_pages_of_a_journals_width(explain, tmp_path):
    sizes = page_sizes(explain(16).save(tmp_path / "a.pdf").read_bytes())
    assert len(sizes) > 1
    assert [width for width, _ in sizes] == pytest.approx([174 / 25.4 * 72] * len(sizes), abs=0.1)
    assert max(height for _, height in sizes) <= 230 / 25.4 * 72 + 1


@pytest.mark.parametrize("width", [84, 174])
def test_every_class_keeps_readable_text_in_a_column(explain, draw, width):
    """Each word is as large as asked for, and nothing leaves the page."""
    sheet = explain(1, draw.labels).sheet()
    page = explanation_pages(sheet, PrintSize(width, 300, 7))[0]
    points = {mark.size * 72 / 300 for mark in marks_of(page) if isinstance(mark, Word)}
    assert min(points) == pytest.approx(7, abs=0.15)
    assert page.width == round(width / 25.4 * 300)
    for mark in marks_of(page):
        if isinstance(mark, Raster):
            assert mark.left + mark.pixels.width <= page.width + 1
            assert mark.pixels.width >= 40  # none is squeezed
        elif isinstance(mark, Box):
            assert mark.left + mark.width <= page.width + 1


def test_the_figure_is_the_picture(explain, draw):
    """The same words at the same places: a figure drawn as pixels hardly differs from the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    page = explanation_picture(explain(1).sheet(), printing=PrintSize(84, 300, 8))
    figure = explain(1).plot(width_mm=84)
    assert figure.get_figwidth() == pytest.approx(84 / 25.4)
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(300)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).resize(page.size)
    small = (page.width // 8, page.height // 8)
    one, other = (np.asarray(each.resize(small, Image.Resampling.BOX)).astype(float) for each in (page, drawn))
    assert np.abs(one - other).mean() < 6


def test_maps_of_a_figure_have_300_dots_an_inch(explain):
    figure = explain(1, ("happy", "sad")).plot(width_mm=84)
    axes = figure.axes[0]
    for shown in axes.images:
        left, right, _, _ = shown.get_extent()
        inches = (right - left) / (axes.get_xlim()[1] - axes.get_xlim()[0]) * figure.get_figwidth()
        assert shown.get_array().shape[1] / inches >= 299


def test_a_pdf_embeds_its_letters_as_truetype(explain, tmp_path):
    data = explain().save(tmp_path / "a.pdf").read_bytes()
    assert re.search(rb"/BaseFont /[A-Z]{6}\+Aileron", data)
    assert b"/FontFile2" in data
    assert b"/Type3" not in data


def test_an_svg_carries_its_font(explain, tmp_path):
    text = explain().save(tmp_path / "a.svg").read_text()
    assert "@font-face{font-family:Aileron;src:url(data:font/ttf;base64,AAEAAA" in text
    assert re.search(r"<text[^>]*>Grad-CAM</text>", text)


def test_a_png_says_how_large_it_is_printed(explain, tmp_path):
    data = explain().save(tmp_path / "a.png", width_mm=84, dpi=600).read_bytes()
    place = data.index(b"pHYs")
    across, down, unit = struct.unpack(">IIB", data[place + 4 : place + 13])
    assert (across, down, unit) == (round(600 / 0.0254), round(600 / 0.0254), 1)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == round(84 / 25.4 * 600)
    assert b"pHYs" not in explain().save(tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".pdf", ".svg", ".json", ".npz"])
def test_no_file_tells_a_folder(explain, tmp_path, suffix):
    path = explain().save(tmp_path / f"a{suffix}")
    data = path.read_bytes()
    if suffix == ".npz":
        data = str(np.load(path)["manifest"]).encode()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL) if suffix == ".pdf" else []
    for text in [data, *map(unpacked, streams)]:
        assert b"secret" not in text
    if suffix == ".png":
        assert read_manifest(path)["pictures"][0]["source"] == "face.png"


def unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def test_names_of_absolute_paths():
    record = {"a": "/x/y/z.h5", "b": ["C:\\u\\v.png", "shots/1.png"], "c": 3, "d": "a / b"}
    assert names_only(record) == {"a": "z.h5", "b": ["v.png", "shots/1.png"], "c": 3, "d": "a / b"}


@pytest.mark.parametrize(
    "wrong", [{"width_mm": 5}, {"width_mm": 84, "dpi": 9}, {"width_mm": 1000, "dpi": 2400}, {"font_size": 90}]
)
def test_pages_that_cannot_be(explain, wrong):
    with pytest.raises(UsageError):
        explain().picture(**wrong)


def test_names_on_a_map_stay_words(draw):
    """The regions' values on a map, and what stands on one without evidence, are letters of the page's size in PDF and SVG."""
    from dataclasses import replace

    sheet = draw.sheet([draw.cell([draw.blob(), draw.blob() * 0], ["happy", "sad"])])
    regions = (((0.5, 0.8, "mouth +2.7"),), ())
    sheet = replace(sheet, cells=(replace(sheet.cells[0], labels=regions),))
    for page in explanation_pages(sheet, PrintSize(174, 300, 7)):
        marks = [mark for mark in marks_of(page) if isinstance(mark, Word)]
        assert {"mouth", "+2.7", "no", "evidence"} <= {mark.text for mark in marks}
        assert min(mark.size for mark in marks) * 72 / 300 == pytest.approx(7, abs=0.15)
        # What the vector figure is made of, painted again, is the picture itself: no word is there twice, and none is lost.
        for mark in marks:
            if mark.text == "+2.7":
                place = np.asarray(page)[round(mark.top - mark.size) : round(mark.top), round(mark.left) :][:, :10]
                assert place.min() < 90
                (raster,) = (
                    m for m in marks_of(page) if isinstance(m, Raster) and m.left <= mark.left < m.left + m.pixels.width
                    and m.top <= mark.top < m.top + m.pixels.height
                )  # fmt: skip
                top, left = round(mark.top - raster.top), round(mark.left - raster.left)
                under = np.asarray(raster.pixels)[round(top - mark.size) : top, left : left + 10]
                assert under.min() == 255, "the paper under a word has no letters of its own"
