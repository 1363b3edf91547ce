from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from ferviz.rendering.charts import number, probability_bars
from ferviz.rendering.lettering import FAMILIES
from ferviz.rendering.marks import vector_figure
from ferviz.rendering.sheets import activation_grids as grids
from ferviz.rendering.sheets.overlays import PAGE, explanation_picture, page_size
from ferviz.rendering.sheets.sheet import is_signed, shared_vmax
from ferviz.rendering.text import line, phrase, shorten, width, wrap
from ferviz.training.plots import curves_figure


def colourful(picture) -> int:
    """How many pixels are clearly coloured."""
    pixels = np.asarray(picture).astype(int)
    return int((np.ptp(pixels, axis=2) > 60).sum())


def test_same_sheet_same_picture(draw):
    sheet = draw.sheet([draw.cell([draw.blob()])], notes=("12x12 map",))
    assert explanation_picture(sheet).tobytes() == explanation_picture(sheet).tobytes()


def test_all_classes_share_one_scale(draw):
    """A map of a fifth of the largest looks as weak next to it as it is, and stronger on a scale of its own."""
    strong, weak = draw.blob(peak=5.0), draw.blob(peak=1.0)
    both = draw.sheet([draw.cell([strong, weak], ("happy", "sad"))])
    assert both.vmax == 5.0
    alone = draw.sheet([draw.cell([weak], ("sad",))])
    assert alone.vmax == 1.0
    shared = explanation_picture(draw.sheet([draw.cell([strong]), draw.cell([weak])]))
    cells = tuple(replace(c, ends=(shared_vmax([c.maps]),)) for c in (draw.cell([strong]), draw.cell([weak])))
    own = explanation_picture(replace(draw.sheet(list(cells)), cells=cells))
    assert colourful(own) > colourful(shared) * 1.2


def test_signed_maps_are_found_and_centred(draw):
    assert not is_signed([draw.blob(), draw.blob() - 1e-9])
    assert is_signed([draw.blob(), -0.5 * draw.blob()])
    signed = draw.sheet([draw.cell([draw.blob(x=0.2) - 2 * draw.blob(x=0.8)])])
    assert signed.signed
    assert signed.vmax == pytest.approx(2.0, rel=0.05)


def test_a_map_without_evidence_has_no_key(draw):
    empty = draw.sheet([draw.cell([np.zeros((12, 12))])])
    shown = draw.sheet([draw.cell([draw.blob()])])
    assert empty.empty
    assert not shown.empty
    assert explanation_picture(empty).height < explanation_picture(shown).height


@pytest.mark.parametrize("count", [1, 2, 6, 30, PAGE])
def test_pages_stay_bounded(draw, count):
    picture = explanation_picture(draw.sheet([draw.cell([draw.blob()])] * count))
    assert picture.width < 1700
    assert picture.height < 2000


def test_strips_stay_bounded(draw):
    cells = [draw.cell([draw.blob()] * 7, draw.labels)] * page_size(7)
    picture = explanation_picture(draw.sheet(cells))
    assert picture.width < 1400
    assert picture.height < 2600


@pytest.mark.parametrize("targets", [2, 11, 100, 400])
def test_many_classes_stay_on_the_page(draw, targets):
    names = tuple(f"class {i}" for i in range(targets))
    cells = [replace(draw.cell([draw.blob(12)] * targets, names), probabilities=dict.fromkeys(names, 1 / targets))]
    picture = explanation_picture(draw.sheet(cells * page_size(targets)))
    assert picture.width < 1800
    assert picture.height < 8000


def test_bars_of_a_hundred_classes_show_the_likeliest():
    many = {f"c{i}": i / 4950 for i in range(100)}
    few = {f"c{i}": i / 4950 for i in range(94, 100)}
    assert probability_bars(many, "c99", 100, 66, 12).tobytes() == probability_bars(few, "c99", 100, 66, 12).tobytes()


def test_many_layers_go_into_bands(draw):
    columns = [(f"layer {i}", np.ones((1, 6, 6))) for i in range(40)]
    one = grids.layer_grid([draw.face()], columns[:16], ["a.png"], title="Activations")
    three = grids.layer_grid([draw.face()], columns, ["a.png"], title="Activations")
    assert three.width == one.width
    assert three.height == pytest.approx(3 * one.height, rel=0.3)
    assert [grids.page_size(n) for n in (1, 16, 17, 40, 400)] == [24, 24, 12, 8, 1]


def test_twice_the_scale_is_twice_the_picture(draw):
    sheet = draw.sheet([draw.cell([draw.blob()])])
    one, two = explanation_picture(sheet), explanation_picture(sheet, 2.0)
    assert two.width == pytest.approx(2 * one.width, rel=0.03)
    assert two.height == pytest.approx(2 * one.height, rel=0.03)


def test_faces_of_different_sizes_and_long_words(draw):
    cells = [draw.cell([draw.blob()], size=s, caption="x" * 300) for s in (17, 48, 301)]
    cells.append(replace(draw.cell([draw.blob()]), names=("a class with a very long name " * 8,), probabilities={}))
    picture = explanation_picture(draw.sheet(cells, warnings=("a long warning " * 60,)))
    assert picture.width < 2200


def test_bars_are_as_long_as_the_probabilities():
    def filled(p: float) -> int:
        row = np.asarray(probability_bars({"happy": p, "sad": 0.0}, "happy", 200, 60, 12)).astype(int)
        return int((np.ptp(row, axis=2) > 100).any(axis=0).sum())

    assert filled(0.0) == 0
    assert filled(0.25) == 50
    assert filled(1.0) == 200
    assert filled(7.0) == 200  # a network that is no softmax does not draw over the edge


def test_numbers():
    assert [number(v) for v in (0, 0.04213, 1.5, 229.9, 4.2e-5)] == ["0", "0.0421", "1.5", "230", "4.2e-05"]


def test_words_fit_their_room():
    for text in ("short", "IMG_20240131_from_my_holiday_in_Norway_0001.jpeg", "ü" * 90):
        short = shorten(text, 14, 120)
        assert width(short, 14) <= 120
        assert line(short, 14).width <= 122
    assert shorten("IMG_20240131_from_my_holiday_in_Norway_0001.jpeg", 14, 150).endswith("0001.jpeg")
    assert all(width(part, 14) <= 100 for part in wrap("some words and averyveryverylongwordwithoutspaces", 14, 100))


@pytest.mark.parametrize("name", ["a\nb.png", "caf\udce9.png", "\x00\x1b[31m", "\U0001f600 张三.png", "\u202eabc", ""])
def test_any_file_name_can_be_drawn(draw, name):
    explanation_picture(draw.sheet([draw.cell([draw.blob()], caption=name)], warnings=(name,)))
    assert shorten(name, 14, 1000).isprintable()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (500, 3, 3), (900, 700, 3)])
@pytest.mark.parametrize("heat", [
    np.ones((1, 1)), np.full((4, 4), np.nan), np.full((4, 4), np.inf), np.full((4, 4), 1e30), np.full((2, 2), -3.0), np.eye(3, 5),
])  # fmt: skip
def test_any_face_and_any_map_can_be_drawn(draw, shape, heat):
    odd = replace(
        draw.cell([heat.astype(np.float32)]),
        face=np.zeros(shape, np.uint8),
        probabilities={"happy": float("nan"), "sad": 1.0},
    )
    picture = explanation_picture(draw.sheet([odd]))
    assert max(picture.size) < 1200


@pytest.mark.parametrize(
    "values",
    [np.full((1, 4, 4), np.nan), np.zeros((1, 4, 4)), np.ones((1, 1)), np.ones((1, 2000)), np.ones((1, 1, 700))],
)
def test_any_activation_can_be_drawn(draw, values):
    assert max(grids.layer_grid([draw.face(5)], [("a", values.astype(np.float32))], ["c"], title="").size) < 700


def test_letters_beyond_ascii_are_drawn():
    boxes = {line(letter, 40).tobytes() for letter in "éøżЖΩ"}
    assert len(boxes) == 5, "missing letters all look the same"


def test_lines_of_different_size_share_their_baseline():
    made = np.asarray(phrase([line("HH", 30), line("HH", 12)], [30, 12], 10).convert("L"))
    small = made[:, width("HH", 30) + 6 :]
    big = made[:, : width("HH", 30)]
    foot = [int(np.flatnonzero((part < 128).any(axis=1)).max()) for part in (big, small)]
    assert abs(foot[0] - foot[1]) <= 1


def test_most_active_channels_first():
    strengths = np.array([[0, 3, -7, 3, 1], [0, 3, 21, 3, 1]], np.float32)
    assert grids.most_active(strengths) == [2, 1, 3, 4, 0]
    assert grids.most_active(strengths, 2) == [2, 1]


def test_one_hot_place_does_not_blacken_the_channels(draw):
    maps = np.random.default_rng(0).uniform(0.5, 1, (24, 24, 16)).astype(np.float32)
    calm = np.asarray(grids.channel_grid(draw.face(), maps, range(16), title="conv"))
    maps[3, 5, 7] = 1000.0
    hot = np.asarray(grids.channel_grid(draw.face(), maps, range(16), title="conv"))
    assert grids.scale_of(maps)[1] <= 1.0
    differing = (np.abs(calm[:400].astype(int) - hot[:400]) > 8).any(axis=2)
    assert differing.sum() <= 2 * (128 // 24 + 1) ** 2  # the hot place's own square
    assert grids.scale_of(np.array([0.0] * 999 + [7.0])) == (False, 7.0)  # nearly all zero: the largest


def test_tiles_stand_beside_the_face_and_below_it(draw):
    maps = np.ones((24, 24, 64), np.float32)
    picture = np.asarray(grids.channel_grid(np.zeros((48, 48, 3), np.uint8), maps, range(64), title=""))
    yellow = (picture == (253, 231, 37)).all(axis=2)
    face_rows = (picture == 0).all(axis=2).sum(axis=1) > 100
    below = np.flatnonzero(face_rows).max() + 40
    assert yellow[below:, : picture.shape[1] // 5].any()  # no empty column under the face
    assert yellow[: below - 40, picture.shape[1] // 2 :].any()


def test_layer_grid_has_a_row_a_face_and_a_column_a_layer(draw):
    faces = [draw.face(seed=i) for i in range(2)]
    columns = [("conv1", np.ones((2, 24, 24))), ("gap", np.ones((2, 30))), ("dense", -np.ones((2, 7)))]
    small = grids.layer_grid(faces[:1], [(n, v[:1]) for n, v in columns], ["a.png"], title="Activations")
    tall = grids.layer_grid(faces, columns, ["a.png", "b.png"], title="Activations")
    wide = grids.layer_grid(faces, [*columns, ("more", np.ones((2, 6, 6)))], ["a.png", "b.png"], title="Activations")
    assert tall.height - small.height > 140
    assert wide.width - tall.width == 144 + 8


def test_channel_tiles_on_one_scale_or_each_on_its_own(draw):
    maps = np.ones((12, 12, 16), np.float32) * np.array([10.0] + [0.1] * 15, np.float32)
    shared = np.asarray(grids.channel_grid(draw.face(), maps, range(16), title="conv"))
    own = np.asarray(grids.channel_grid(draw.face(), maps, range(16), title="conv", shared_scale=False))
    yellow = (253, 231, 37)
    assert (shared == yellow).all(axis=2).sum() < 2 * 132 * 132  # one tile, and the scale's end
    assert (own == yellow).all(axis=2).sum() > 15 * 120 * 120


def test_units_of_a_layer_without_a_map():
    strip = np.asarray(grids.unit_strip(np.arange(7, dtype=np.float32), 90, 6.0, False))
    cells = strip.reshape(3, 30, 3, 30, 3)[:, 15, :, 15].reshape(9, 3)
    assert len({tuple(c) for c in cells[:7].tolist()}) == 7
    assert (cells[7:] == 255).all()


def test_figures_are_made_without_pyplot(draw):
    import matplotlib.pyplot

    others = matplotlib.pyplot.get_fignums()
    sheet = draw.sheet([draw.cell([draw.blob()]), draw.cell([np.zeros((3, 3))])], notes=("n",), warnings=("w",))
    figure = vector_figure(explanation_picture(sheet), 6.0)
    words = {t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))}
    assert {"Grad-CAM", "happy", "0.70", "a.png", "Note:", "disgust"} <= words
    assert len(figure.axes[0].images) == 5  # two faces, two overlays, the scale
    assert matplotlib.pyplot.get_fignums() == others


def test_a_figure_has_one_font_and_whole_epochs():
    rows = [{"epoch": n, "loss": 1 / n, "val_loss": 1 / n, "val_accuracy": 0.1 * n} for n in (1, 2, 3)]
    figure = curves_figure(rows, "café")
    figure.draw_without_rendering()
    fonts = {tuple(text.get_fontfamily()) for text in figure.findobj(Text) if text.get_text()}
    assert fonts == {tuple(FAMILIES)}
    for axes in figure.axes:
        assert all(float(tick).is_integer() for tick in axes.get_xticks())
