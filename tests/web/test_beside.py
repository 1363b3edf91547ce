"""The difference of two maps in the page: of two networks, or two methods, on the cells of the coarser one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .conftest import REST

pytestmark = pytest.mark.slow

DIFFERENCE = """async ([a, b]) => {
  const less = (await import('/maths/difference.js')).difference(a, b);
  return { ...less, map: [...less.map] };
}"""
PAINTED = """async (places) => {
  const canvas = new OffscreenCanvas(576, 576);
  (await import('/ui/stage.js')).paint(canvas, false);
  const context = canvas.getContext('2d');
  return places.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data]);
}"""


@pytest.fixture(scope="module")
def page(open_page: Any, served_data: Any) -> Any:
    """The page with a photograph, and the map of happy by a second network beside that of the first."""
    page = open_page("#/network/relu8/1", server=served_data)
    page.evaluate(REST)
    page.click("[data-room=face]")
    page.until("studio.map")
    page.evaluate("studio.target = { plus: 3, minus: null, follow: false }")
    page.select_option("#method", "gradcam")
    page.select_option("#beside", "network:1")
    page.until("studio.besideMap && studio.besideMap.says && studio.map.method === 'gradcam'")
    return page


def as_map(values: Any) -> dict[str, Any]:
    height, width = np.shape(values)
    return {"map": np.ravel(values).tolist(), "height": height, "width": width}


def test_the_finer_map_is_averaged_and_both_are_shares_of_their_largest_value(page: Any) -> None:
    coarse = np.array([[0, 2], [4, 8]])
    fine = np.array([[6, 2, 4, 4], [0, 8, 4, 4], [0, 0, 3, 1], [0, 0, 1, 3]])
    less = page.evaluate(DIFFERENCE, [as_map(coarse), as_map(fine)])
    expected = np.array([[0, 0.25], [0.5, 1]]) - np.array([[1, 1], [0, 0.5]])
    np.testing.assert_allclose(np.reshape(less["map"], (2, 2)), expected, atol=1e-6)
    assert (less["width"], less["height"]) == (2, 2)
    assert less["correlation"] == pytest.approx(np.corrcoef([0, 2, 4, 8], [4, 4, 0, 2])[0, 1], abs=1e-6)


@pytest.mark.parametrize("factor", [1, 20])
def test_a_map_does_not_differ_from_itself_nor_from_its_multiple(page: Any, factor: float) -> None:
    signed = np.random.default_rng(0).normal(size=(3, 5))
    less = page.evaluate(DIFFERENCE, [as_map(signed), as_map(factor * signed)])
    np.testing.assert_allclose(less["map"], 0, atol=1e-6)
    assert less["correlation"] == pytest.approx(1)


def test_an_empty_map_leaves_the_other_one(page: Any) -> None:
    less = page.evaluate(DIFFERENCE, [as_map(np.zeros((2, 2))), as_map([[1, 0], [-2, 1]])])
    np.testing.assert_allclose(less["map"], [-0.5, 0, 1, -0.5])
    assert np.isnan(less["correlation"])


def test_the_difference_of_two_networks_is_painted_and_named(page: Any) -> None:
    assert page.is_visible("#split-label")
    page.select_option("#shown-as", "difference")
    assert not page.is_visible("#split-label"), "there are no halves to divide"
    ours, theirs = (np.array(page.evaluate(f"[...studio.{name}.map]")) for name in ("map", "besideMap"))
    expected = ours / np.abs(ours).max() - theirs / np.abs(theirs).max()
    shown = page.evaluate("async () => [...(await import('/ui/beside.js')).differenceShown().map]")
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    note = page.inner_text("#map-note")
    assert "red where" in note
    assert f"correlate by {np.corrcoef(ours, theirs)[0, 1]:.2f}" in note
    side = page.evaluate("studio.map.width")
    cell = 576 / side
    places = [
        [int((at % side + 0.5) * cell), int((at // side + 0.5) * cell)] for at in (expected.argmax(), expected.argmin())
    ]
    page.evaluate("void (studio.opacity = 1)")
    more, fewer = np.array(page.evaluate(PAINTED, places), float)
    assert more[0] > more[2] + 40, "red where the first has more"
    assert fewer[2] > fewer[0] + 40, "blue where the second has"
    page.select_option("#shown-as", "halves")
    assert "Right of the line" in page.inner_text("#map-note")
