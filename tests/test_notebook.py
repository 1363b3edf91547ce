"""What a notebook does with results: print them, pickle them, write them as JSON."""

from __future__ import annotations

import copy
import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.data.dataset import Dataset
from ferviz.dreaming.result import Dream
from ferviz.evaluation.evaluation import Evaluation
from ferviz.faces.face import Face

FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return ferviz.load_model()


def test_results_say_in_one_line_what_they_hold(model):
    data = Dataset(FACES, np.array([0, 3]), np.array(["Training", "PublicTest"]), np.arange(2), source="two.csv")
    picture = np.zeros((1, 48, 48), np.uint8)
    dream = Dream(
        picture, ("happy",), ("happy",), np.ones((1, 3), np.float32), np.array([0.5]), ("sad",), picture[None, :0]
    )
    shares = np.eye(7)[[0, 1]]
    measured = Evaluation("mine", "", "PublicTest", tuple(model.labels), np.array([0, 3]), shares, FACES, np.arange(2))
    expected = (
        (model, ["'bundled'", "48 x 48 x 1, values 0..255", "'angry', 'disgust'", "engine='litert'"]),
        (ferviz.explain(model, FACES, target="all"), ["2 faces", "'gradcam'", "'relu8'", "'bundled'", "12 x 12"]),
        (ferviz.activations(model, FACES, "relu2"), ["2 faces", "relu2 (24, 24, 64)"]),
        (data, ["'two.csv'", "2 faces of 48 x 48", "Training 1, PublicTest 1", "'happy'"]),
        (measured, ["'mine' on 2 faces of 'PublicTest'", "accuracy 0.500"]),
        (dream, ["1 pictures of 48 x 48", "happy"]),
        (model.predict(FACES)[0], ["angry 0.", "neutral 0.", "Face(48 x 48 pixels)"]),
        (Face(FACES[0], "a/b.png", (1, 2, 49, 50), np.zeros((5, 2)), 0.987), ["'b.png'", "box=(1, 2, 49, 50)", "score=0.99"]),
    )  # fmt: skip
    for result, parts in expected:
        text = repr(result)
        assert all(part in text for part in parts), text
        assert len(text) < 300
        assert "\n" not in text


def test_faces_predictions_and_data_show_themselves(model):
    data = Dataset(FACES, np.array([0, 3]), np.array(["", ""]), np.arange(2))
    face = Face(np.repeat(FACES[0][..., None], 3, axis=2))
    pictures = [Image.open(io.BytesIO(result._repr_png_())) for result in (face, model.predict([face])[0], data)]
    assert pictures[0].size == (192, 192)
    assert np.array_equal(np.asarray(pictures[0])[::4, ::4], face.pixels)  # each pixel is a square
    assert pictures[1].width > 250
    assert pictures[2].height > 2 * 48


def test_summaries_and_checks_show_their_tables():
    labels = np.arange(21) % 7
    faces = np.random.default_rng(0).integers(0, 255, (21, 48, 48)).astype(np.uint8)
    data = Dataset(faces, labels, np.array([""] * 21), np.arange(21), source="<b>two</b>.csv")
    checked = _check_result(data)
    for result in (ferviz.describe_data(data), checked):
        assert len(repr(result)) < 400
        assert "\n" not in repr(result)
        page = result._repr_html_()
        assert page.startswith("<pre>")
        assert "<" not in page[5:-6], "names are escaped"
        assert page.count("\n") > 5
    assert "21 faces" in repr(ferviz.describe_data(data))
    assert "'<net>' on 21 faces" in repr(checked)
    assert "&lt;net&gt;" in checked._repr_html_()


def _check_result(data):
    from dataclasses import replace

    return ferviz.check(replace(ferviz.load_model(), name="<net>"), data, faces=21)


def test_a_plot_shows_itself_once():
    """IPython's own display machinery, as a fresh notebook has it, and with the painter that pyplot's backend registers."""
    pytest.importorskip("IPython")
    from IPython.core.formatters import DisplayFormatter
    from matplotlib import _pylab_helpers
    from matplotlib.figure import Figure

    others = list(_pylab_helpers.Gcf.figs)
    figure = ferviz.explain(ferviz.load_model(), FACES, test=False).plot(width_mm=60)
    formatter = DisplayFormatter()
    shown, _ = formatter.format(figure)
    assert [kind for kind in shown if kind.startswith("image/")] == ["image/png"]
    assert Image.open(io.BytesIO(shown["image/png"])).width > 100
    assert list(_pylab_helpers.Gcf.figs) == others, "pyplot would show it a second time"
    formatter.formatters["image/png"].for_type(Figure, lambda figure: b"painted")
    assert formatter.format(figure)[0]["image/png"] == b"painted"
    assert pickle.loads(pickle.dumps(figure)).get_figwidth() == figure.get_figwidth()


def test_results_are_pickled_and_models_say_why_not(model):
    explanation = ferviz.explain(model, FACES)
    back = pickle.loads(pickle.dumps(explanation))
    np.testing.assert_array_equal(back.raw, explanation.raw)
    assert back.to_dict() == explanation.to_dict()
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"call ferviz.load_model in each process"):
            take(model)


def test_answers_are_plain_data(model):
    picture = np.zeros((1, 48, 48), np.uint8)
    dream = Dream(
        picture, ("happy",), ("happy",), np.ones((1, 3), np.float32), np.array([0.5]), ("sad",), picture[None, :0]
    )
    assert json.loads(json.dumps(dream.to_dict()))["dreams"][0]["score"] == 1.0
    for result in (ferviz.explain(model, FACES, target="all"), ferviz.activations(model, FACES, "relu2")):
        json.dumps(result.to_dict(), allow_nan=False)
