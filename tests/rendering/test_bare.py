"""Maps without a page: exactly the face, exactly the map, in files and in somebody's own axes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ferviz.cli.bare_files import check_bare, names
from ferviz.cli.options.drawing_options import PrintOptions
from ferviz.errors import UnknownNameError, UsageError
from ferviz.rendering.sheets.bare import fill_axes, heatmap_images, map_axes, overlays


@pytest.fixture
def sheet(draw):
    signed = draw.blob(x=0.2) - draw.blob(x=0.8)
    return draw.sheet([draw.cell([draw.blob(), signed], ("happy", "sad"))])


@pytest.mark.parametrize("side", [8, 48, 500])
def test_a_bare_overlay_is_the_face_at_exactly_the_size(sheet, side):
    for row in (overlays(sheet, side), heatmap_images(sheet, side)):
        assert [[picture.size for picture in cells] for cells in row] == [[(side, side)] * 2]


def test_a_map_of_zeros_leaves_the_grey_face_and_nothing_else(draw):
    zero = draw.sheet([draw.cell([np.zeros((12, 12))])])
    np.testing.assert_array_equal(overlays(zero, 48)[0][0], draw.face())
    assert np.asarray(heatmap_images(zero, 48)[0][0])[..., 3].max() == 0


def test_a_heatmap_laid_over_the_grey_face_is_the_overlay(sheet, draw):
    for heat, over in zip(heatmap_images(sheet, 48)[0], overlays(sheet, 48)[0], strict=True):
        assert heat.mode == "RGBA"
        ground = Image.fromarray(draw.face()).convert("RGBA")
        together = np.asarray(Image.alpha_composite(ground, heat).convert("RGB")).astype(int)
        assert np.abs(together - np.asarray(over).astype(int)).max() <= 2


def test_a_colour_map_of_matplotlibs(sheet, draw):
    other = overlays(replace(sheet, cmap="Greens"), 48)[0][0]
    assert other.tobytes() != overlays(sheet, 48)[0][0].tobytes()
    with pytest.raises(UnknownNameError, match="virdis"):
        overlays(replace(sheet, cmap="virdis"), 48)


def test_maps_are_drawn_into_the_axes_of_a_figure(sheet):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2))
    axes = figure.subplots(1, 2)
    assert map_axes(sheet, axes) is figure
    assert [a.get_title() for a in axes] == ["happy", "sad"]
    assert [len(a.images) for a in axes] == [1, 1]
    map_axes(sheet, axes, title="")
    with pytest.raises(UsageError, match="2 pictures cannot be drawn into 1 axes"):
        map_axes(sheet, axes[0])


def test_no_title_where_none_is_wanted(draw):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    fill_axes(axes, [draw.face()], ["happy"], "")
    assert axes.get_title() == ""


def test_files_are_named_by_what_tells_the_pictures_apart(tmp_path):
    out = tmp_path / "a.png"
    assert names(out, [("face1", "happy")]) == [out]
    assert [p.name for p in names(out, [("face1", "happy"), ("face1", "a/b")])] == ["a-happy.png", "a-a_b.png"]
    assert [p.name for p in names(out, [("face1", "x"), ("face2", "x")])] == ["a-face1.png", "a-face2.png"]
    assert [p.name for p in names(out, [("happy",), ("happy",)])] == ["a-1.png", "a-2.png"]


@pytest.mark.parametrize(("name", "transparent"), [("a.jpg", True), ("a.pdf", False), ("a.npz", False)])
def test_formats_that_cannot_hold_a_bare_picture(tmp_path, name, transparent):
    with pytest.raises(UsageError, match="bare picture"):
        check_bare(tmp_path / name, PrintOptions(), transparent=transparent)
