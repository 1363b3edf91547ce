"""The canvas for notebooks: what it hides and answers, what goes between its page and Python, and the page in a real browser."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.data.synthetic.cartoons import make
from ferviz.faces.face import Face
from ferviz.faces.regions import REGIONS
from ferviz.web.notebook.one_module import one_module

pytest.importorskip("anywidget")
POINTS = np.array([[15.2, 19.1], [33.0, 17.4], [24.6, 28.0], [17.9, 36.2], [31.5, 35.1]], np.float32)
CANVAS = Path(ferviz.__file__).parent / "web" / "notebook" / "canvas.js"


@pytest.fixture(scope="module")
def model() -> Any:
    return ferviz.load_model()


@pytest.fixture(scope="module")
def face() -> Face:
    """A face with landmarks, so that none have to be looked for."""
    pixels = np.repeat(make(1, seed=5, task="emotions").images[0][..., None], 3, axis=2)
    return Face(pixels, landmarks=POINTS, landmark_source="detector")


@pytest.fixture
def canvas(model: Any, face: Face) -> Any:
    return ferviz.canvas(model, face, method="gradcam")


def composed(picture: np.ndarray, hidden: np.ndarray, grey: float) -> Face:
    """A face put together by hand: (h, w, 1) with a grey level where it is hidden."""
    pixels = np.rint(picture * (1 - hidden[..., None]) + grey * hidden[..., None]).astype(np.uint8)
    return Face(np.repeat(pixels, 3, axis=2))


def test_a_whole_face_is_answered_and_explained_as_ever(canvas: Any, model: Any, face: Face) -> None:
    (prediction,) = model.predict(face)
    assert canvas.prediction.probabilities == prediction.probabilities
    assert canvas.target == prediction.label
    raw = ferviz.explain(model, face, method="gradcam", target=prediction.label, test=False).raw
    np.testing.assert_array_equal(canvas.explanation.raw, raw)
    assert canvas.vmax == np.abs(raw).max()


def test_what_is_painted_is_filled_before_the_network_sees_it(model: Any, face: Face) -> None:
    canvas = ferviz.canvas(model, face, method="gradcam", target="happy-sad", fill=128)
    left = np.zeros((48, 48), np.float32)
    left[:, :24] = 1
    left[:, 24] = 0.5
    canvas.painted = left
    by_hand = composed(canvas.picture, left, 128)
    assert canvas.prediction.probabilities == model.predict(by_hand)[0].probabilities
    raw = ferviz.explain(model, by_hand, method="gradcam", target="happy-sad", test=False).raw
    np.testing.assert_array_equal(canvas.explanation.raw, raw)
    canvas.painted = np.ones((48, 48))
    assert canvas.prediction.probabilities == model.predict(np.full((48, 48), 128, np.uint8))[0].probabilities


def test_regions_that_touch_leave_no_seam(canvas: Any) -> None:
    canvas.hide("mouth").hide("chin")
    assert canvas.regions == ("mouth", "chin")
    both = canvas.masks[REGIONS.index("mouth")] + canvas.masks[REGIONS.index("chin")]
    np.testing.assert_allclose(canvas.hidden, both, atol=1e-6)
    canvas.regions = REGIONS
    np.testing.assert_allclose(canvas.hidden, 1, atol=1e-6)
    canvas.show_all()
    assert not canvas.hidden.any()


def test_the_target_stays_while_the_answer_changes(canvas: Any, model: Any) -> None:
    before = canvas.target
    canvas.painted = np.ones((48, 48))
    assert canvas.target == before
    canvas.target = "happy-sad"
    assert canvas.explanation.targets == ("happy-sad",)
    assert canvas.caption.startswith("Grad-CAM for happy-sad at ")
    canvas.target = "predicted"
    assert canvas.target == before


def test_a_network_that_cuts_and_equalises_gets_the_picture_once(model: Any, face: Face) -> None:
    other = replace(model, input=replace(model.input, crop_pct=0.75, equalize=True))
    canvas = ferviz.canvas(other, face, method="gradcam", target="happy")
    assert canvas.prediction.probabilities == other.predict(face)[0].probabilities
    np.testing.assert_array_equal(
        canvas.explanation.raw, ferviz.explain(other, face, method="gradcam", target="happy", test=False).raw
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"regions": ["moth"]}, "did you mean 'mouth'"),
        ({"painted": np.zeros((47, 48))}, "48 x 48"),
        ({"painted": np.full((48, 48), 2.0)}, "from 0 to 1"),
        ({"painted": np.full((48, 48), np.nan)}, "from 0 to 1"),
        ({"target": "hapy"}, "did you mean 'happy'"),
        ({"target": "happy,sad"}, "one target"),
    ],
)
def test_a_wrong_change_changes_nothing(canvas: Any, change: dict[str, Any], says: str) -> None:
    canvas.hide("nose")
    before = (canvas.hidden, canvas.target, canvas.explanation)
    with pytest.raises(ferviz.UsageError, match=says):
        canvas.change(**{"regions": ["mouth"], **change})
    np.testing.assert_array_equal(canvas.hidden, before[0])
    assert (canvas.target, canvas.explanation) == before[1:]


def test_wrong_beginnings_are_one_sentence(model: Any, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, says in (
        (([face, face],), "one face, not 2"),
        ((face, "gradcm"), "gradcam"),
        ((face, "gradcam", "all"), "one target"),
    ):
        with pytest.raises(ferviz.UsageError, match=says):
            ferviz.canvas(model, *arguments)
    with pytest.raises(ferviz.UsageError, match="fill 'nothing'"):
        ferviz.canvas(model, face, fill="nothing")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ferviz.UsageError, match=r"ferviz\[notebook\]"):
        ferviz.canvas(model, face)


def as_bytes(shares: np.ndarray) -> bytes:
    return np.rint(255 * shares).astype(np.uint8).tobytes()


def test_the_page_asks_and_python_answers(canvas: Any) -> None:
    """What a browser sends arrives as one change of several traits, as the protocol of widgets has it."""
    widget = canvas.widget
    assert widget.answer["number"] == 0
    painted = np.zeros((48, 48))
    painted[30:, :] = 1
    widget.set_state({"painted": as_bytes(painted), "regions": ["eyes"], "target": "sad", "asked": 1})
    assert (canvas.regions, canvas.target) == (("eyes",), "sad")
    np.testing.assert_array_equal(canvas.painted, painted.astype(np.float32))
    answer = widget.answer
    assert answer["number"] == 1
    assert answer["probabilities"] == list(canvas.prediction.probabilities.values())
    assert answer["original"] == list(canvas.original_prediction.probabilities.values())
    assert answer["picture"] == canvas.filled.tobytes()
    raw = np.frombuffer(answer["map"], "<f4").reshape(answer["height"], answer["width"])
    np.testing.assert_array_equal(raw, canvas.explanation.raw[0, 0])
    json.dumps({key: value for key, value in answer.items() if not isinstance(value, bytes)}, allow_nan=False)


def test_a_question_that_cannot_be_answered_gets_a_sentence(canvas: Any) -> None:
    widget = canvas.widget
    for number, wrong in enumerate(({"painted": b"\1"}, {"regions": ["hat"]}, {"target": "hapy"}), 1):
        state = {"painted": bytes(48 * 48), "regions": [], "target": "happy", "asked": number}
        widget.set_state({**state, **wrong})
        assert widget.answer["number"] == number
        assert widget.answer["error"]
    widget.set_state({"painted": bytes(48 * 48), "regions": [], "target": "happy", "asked": 4})
    assert "error" not in widget.answer


def test_what_python_changes_is_shown(canvas: Any) -> None:
    widget = canvas.widget
    canvas.hide("mouth")
    assert widget.regions == ["mouth"]
    assert widget.answer["probabilities"] == list(canvas.prediction.probabilities.values())
    assert widget.answer["number"] == widget.asked == 0


def test_modules_become_one(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { b, $ } from "./b.js";\nexport default { value: b() + $ };\n')
    lines = (
        'import { c } from "./c.js";',
        "const SIDE = 2;",
        "export const $ = 3;",
        "export function b() { return SIDE * c; }",
        "",
    )
    (tmp_path / "b.js").write_text("\n".join(lines))
    (tmp_path / "c.js").write_text("const SIDE = 20, c = 1 + SIDE;\nexport { c };\n")
    text = one_module(tmp_path / "a.js")
    assert "import" not in text
    assert text.index("const $c") < text.index("const $b") < text.index("export default")
    (tmp_path / "c.js").write_text('import { b } from "./b.js";\nexport const c = b;\n')
    with pytest.raises(ValueError, match="import each other"):
        one_module(tmp_path / "a.js")
    (tmp_path / "c.js").write_text('import * as all from "./d.js";\nexport const c = 1;\n')
    with pytest.raises(ValueError, match=r"c\.js"):
        one_module(tmp_path / "a.js")


PAGE = """
async ([module, state]) => {
  const bytes = (text) => { const all = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)); return new DataView(all.buffer); };
  const read = (value) => value && value.base64 !== undefined ? bytes(value.base64) : Array.isArray(value) ? value.map(read)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, read(part)])) : value;
  const write = (value) => value instanceof DataView ? { base64: btoa(String.fromCharCode(...new Uint8Array(value.buffer))) } : value;
  const values = read(state), listeners = [], changed = new Set();
  window.model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; changed.add(name); },
    on: (name, listener) => listeners.push(listener), off() {},
    async save_changes() {
      const sent = Object.fromEntries([...changed].map((name) => [name, write(values[name])]));
      changed.clear();
      Object.assign(values, read(await window.ask(sent)));
      listeners.forEach((listener) => listener());
    },
  };
  const { default: widget } = await import(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  widget.render({ model: window.model, el });
}
"""


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


@pytest.mark.slow
def test_the_page_in_a_browser(browser: Any, canvas: Any) -> None:
    """A region is hidden, a class is chosen, and the face is painted over; what the page shows is what Python says."""
    names = ("facts", "photo", "masks", "painted", "regions", "target", "asked", "answer")
    widget = canvas.widget

    def ask(sent: dict[str, Any]) -> dict[str, Any]:
        state = {name: base64.b64decode(v["base64"]) if name == "painted" else v for name, v in sent.items()}
        widget.set_state(state)
        return {name: plain(getattr(widget, name)) for name in names[3:]}

    page = browser.new_page(viewport={"width": 900, "height": 600})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.expose_function("ask", ask)
    page.goto("about:blank")
    page.add_style_tag(path=str(CANVAS.with_name("canvas.css")))
    page.evaluate(PAGE, [widget._esm, {name: plain(getattr(widget, name)) for name in names}])
    answered = "model.get('answer').number === model.get('asked')"

    page.get_by_role("button", name="mouth", exact=True).click()
    page.wait_for_function(f"() => model.get('asked') >= 1 && {answered}")
    assert canvas.regions == ("mouth",)
    shown = page.locator(".bar span:last-child").all_text_contents()
    assert shown == [f"{np.floor(100 * p + 0.5):.0f} %" for p in canvas.prediction.probabilities.values()]

    page.locator(".bar").nth(list(canvas.model.labels).index("sad")).click()
    page.wait_for_function(f"() => model.get('asked') >= 2 && {answered}")
    assert canvas.target == "sad"
    assert page.locator(".bar[aria-pressed=true] span").first.text_content() == "sad"
    assert canvas.caption in page.locator(".caption").text_content()

    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4, steps=4)
    page.mouse.up()
    painted = "new Uint8Array(model.get('painted').buffer)"
    page.wait_for_function(f"() => {painted}[11 * 48 + 23] === 255 && {answered}")
    assert canvas.painted[11, 12:24].min() == 1, "where the mouse went"
    assert canvas.painted[30:].max() == 0, "and nowhere else"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"() => !{painted}.some(Boolean) && {answered}")
    assert not canvas.hidden.any()
    assert not problems
    page.close()
