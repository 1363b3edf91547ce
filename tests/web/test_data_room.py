"""The data room, slow methods and networks beside each other, in a real browser with a server that works."""

from __future__ import annotations

import base64
import csv
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.web.work.worker import MAX_WAITING

from .conftest import REST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(faces_csv: Path) -> Any:
    return ferviz.read_data(faces_csv)


@pytest.fixture(scope="module")
def told(data: Any) -> np.ndarray:
    return ferviz.load_model().probabilities(data.images)


@pytest.fixture(scope="module")
def face(told: np.ndarray) -> int:
    """The number of the face that is looked at: the network is surest of it, so that small patches need not be tried."""
    return int(told.max(1).argmax())


@pytest.fixture(scope="module")
def page(open_page: Any, served_data: Any) -> Any:
    page = open_page("#/data", server=served_data)
    page.until("document.getElementById('data-answers').getAttribute('aria-busy') === 'false'")
    assert ";" in page.inner_text("#data-summary"), "both networks were asked"
    page.evaluate(REST)
    return page


def shown(page: Any) -> str:
    text: str = page.inner_text("#data-count")
    return text


def test_the_matrix_counts_and_chooses_faces(page: Any, data: Any, told: np.ndarray) -> None:
    answers, size = told.argmax(1), len(data.names)
    expected = np.zeros((size, size), int)
    np.add.at(expected, (data.labels, answers), 1)
    cells = page.locator("#matrix button").all_inner_texts()
    np.testing.assert_array_equal(np.reshape([int(text) for text in cells], (size, size)), expected)
    assert page.locator(".cell[data-drawn]").count() == len(data)
    row, column = np.argwhere(expected > 1)[0]
    page.click(f"#matrix button[data-cell='{row}/{column}']")
    assert shown(page).startswith(f"{expected[row, column]} faces")
    assert page.locator(".cell").count() == expected[row, column]
    assert page.url.endswith(f"#/data/{data.names[row]}/{data.names[column]}")
    page.click("#data-clear")
    assert shown(page) == f"{len(data)} faces"
    page.focus(".cell[tabindex='0']")
    page.keyboard.press("ArrowRight")
    assert page.locator(".cell[tabindex='0']").get_attribute("aria-label").startswith("Face 1,")


def test_two_networks_disagree_where_their_classes_are_exchanged(page: Any, told: np.ndarray) -> None:
    page.select_option("#data-order", "disagree")
    assert shown(page).startswith(f"{np.isin(told.argmax(1), (3, 4)).sum()} face")


def test_doubtful_labels_go_into_a_file(page: Any, data: Any, told: np.ndarray, tmp_path: Path) -> None:
    page.select_option("#data-order", "doubt")
    doubt = 1 - told[np.arange(len(data)), data.labels]
    first, second = np.argsort(-doubt, kind="stable")[:2]
    page.click("[data-decision=doubt]")
    page.focus(".cell[tabindex='0']")
    page.keyboard.press("k")
    with page.expect_download() as download:
        page.click("#data-save")
    download.value.save_as(tmp_path / "labels.csv")
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [(int(row["row"]), row["judgement"]) for row in rows] == [(first, "doubt"), (second, "keep")]
    assert float(rows[0]["doubt"]) == pytest.approx(doubt[first], abs=1e-3)
    assert rows[0]["label"] == data.names[data.labels[first]]


def test_a_face_of_the_data_is_explained_as_it_is(page: Any, data: Any, face: int) -> None:
    page.select_option("#data-order", "all")
    page.click(f".cell[aria-label^='Face {face},']")
    page.click("#data-open")
    page.until("studio.face && studio.map")
    np.testing.assert_array_equal(page.evaluate("[...studio.face.picture.data]"), data.images[face].ravel())
    assert page.evaluate("studio.room") == "face"


def choose(page: Any, select: str, value: str) -> None:
    page.evaluate("document.querySelector('[data-room=face]').click()")
    page.select_option(select, value)


def test_another_network_lies_beside_the_map(page: Any) -> None:
    page.evaluate("studio.target = { plus: 3, minus: null, follow: false }")
    choose(page, "#method", "gradcam")
    choose(page, "#beside", "network:1")
    page.until("studio.besideMap && studio.besideMap.says")
    beside = page.evaluate("[...studio.besideMap.map]")
    weights = [0, 0, 0, 0, 1, 0, 0]  # the second network's happy is the first one's sad
    own = page.evaluate(
        f"async () => [...(await studio.engine.call('explain', studio.face.picture, 'gradcam', studio.layer, {weights}, false)).map]"
    )
    np.testing.assert_allclose(beside, own, atol=1e-5)
    assert "network" in page.inner_text("#map-note").lower() or "bundled" in page.inner_text("#map-note")
    choose(page, "#beside", "layer:relu4")
    page.until("studio.besideMap && studio.besideMap.width !== studio.map.width")
    choose(page, "#beside", "")
    page.until("!studio.besideMap")


def test_a_slow_method_is_computed_by_the_server_and_can_be_stopped(
    page: Any, data: Any, face: int, served_data: Any
) -> None:
    page.evaluate("Object.assign(studio, { slowAfter: 0, target: { plus: 3, minus: null, follow: false } })")
    process = halted(served_data)
    choose(page, "#method", "rise")
    page.until("!document.getElementById('slow').hidden")
    page.click("#slow button")
    assert page.locator("#slow").is_hidden()
    assert process.wait(900), "who stops it ends the work on the server"
    choose(page, "#method", "ablationcam")
    page.until("studio.map && studio.map.method === 'ablationcam'")
    assert page.evaluate("[studio.target.plus, studio.target.minus, studio.layer, studio.current]") == [
        3,
        None,
        "relu8",
        None,
    ]
    expected = ferviz.explain(
        ferviz.load_model(),
        data.images[face : face + 1],
        method="ablationcam",
        layer=page.evaluate("studio.layer"),
        target="happy",
        test=False,
    )
    np.testing.assert_allclose(page.evaluate("[...studio.map.map]"), expected.raw[0, 0].ravel(), atol=1e-4)
    choose(page, "#method", "gradcam")
    page.until("studio.map.method === 'gradcam'")


def test_two_tabs_ask_at_once_and_each_gets_its_own_answer(page: Any, data: Any, face: int, served_data: Any) -> None:
    other = page.context.new_page()
    other.goto(served_data.url + "#/network/relu8/1")
    other.until = page.until.func.__get__(other)
    other.until(
        "document.body.dataset.ready && document.getElementById('channel-title').textContent === 'Channel 1 of relu8'"
    )
    model, tabs = ferviz.load_model(), [(page, "happy"), (other, "sad")]
    for tab, name in tabs:
        tab.evaluate(REST)
        tab.evaluate("void (studio.slowAfter = 0)")
        plus = model.labels.index(name)
        tab.evaluate(f"void (studio.target = {{ plus: {plus}, minus: null, follow: false }})")
        choose(tab, "#method", "ablationcam")
    for tab, name in tabs:
        tab.until("studio.map && studio.map.method === 'ablationcam'")
        picture = np.reshape(tab.evaluate("[...studio.face.picture.data]"), (1, 48, 48)).astype(np.uint8)
        expected = ferviz.explain(model, picture, method="ablationcam", layer="relu8", target=name, test=False)
        np.testing.assert_allclose(tab.evaluate("[...studio.map.map]"), expected.raw[0, 0].ravel(), atol=1e-4)
    other.close()
    page.evaluate("() => { delete studio.engine.spread; }")
    choose(page, "#method", "gradcam")
    page.until("studio.map.method === 'gradcam'")


def test_the_smallest_patch_changes_the_answer(page: Any, data: Any) -> None:
    page.click("#patch")
    page.until("said.some(({ text }) => /smallest square|does not change/.test(text))")
    if page.evaluate("said.some(({ text }) => text.includes('smallest square'))"):
        hidden = np.reshape(page.evaluate("[...studio.hidden]"), (48, 48))
        rows, columns = np.nonzero(hidden)
        side = np.ptp(rows) + 1
        assert side == np.ptp(columns) + 1
        assert (hidden == 1).sum() == side**2, "it is a square"
        page.until("studio.current")
        logits = page.evaluate("studio.current.logits")
        assert int(np.argmax(logits)) != int(np.argmax(page.evaluate("studio.original")))
        page.click("#undo")
        page.until("!studio.hidden.some(Boolean)")


def test_a_dream_is_shown_as_it_grows_and_a_server_that_ends_is_one_sentence(page: Any) -> None:
    picture = base64.b64encode(bytes([200] * 48 * 48)).decode()
    step = {"step": 64, "of": 128, "picture": picture, "width": 48, "height": 48, "channels": 1}
    last = {**step, "step": 128, "first": -3.0, "last": 7.5, "probabilities": [0, 0, 0, 0.9, 0.1, 0, 0]}
    lines = "\n".join(json.dumps(event) for event in (step, last, {"end": True})) + "\n"
    page.route("**/api/run", lambda route: route.fulfill(body=lines, content_type="application/x-ndjson"))
    page.click("[data-room=network]")
    page.click("#dream-class")
    page.until("document.getElementById('dream-text').textContent.includes('7.5')")
    assert "90 %" in page.inner_text("#dream-text")
    assert page.evaluate("document.getElementById('dream').getContext('2d').getImageData(90, 90, 1, 1).data[0]") == 200
    assert "?dream=happy" in page.url
    page.unroute("**/api/run")
    judge = {"name": "another", "labels": ["sad", "happy"], "probabilities": [0.8, 0.2]}
    steps = [
        {**step, "step": number, "of": 64, "picture": base64.b64encode(bytes([100 + number] * 48 * 48)).decode()}
        | {"probabilities": [0, 0, 0, number / 64, 1 - number / 64, 0, 0], "judge": judge}
        for number in (0, 32, 64)
    ]
    lines = (
        "\n".join(json.dumps(event) for event in (*steps, {**steps[-1], "first": 0.0, "last": 3.0}, {"end": True}))
        + "\n"
    )
    asked: list[dict[str, Any]] = []

    def change(route: Any) -> None:
        asked.append(json.loads(route.request.post_data))
        route.fulfill(body=lines, content_type="application/x-ndjson")

    page.route("**/api/run", change)
    page.click("#morph")
    page.until("document.getElementById('dream-text').textContent.includes('Step 64 of 64')")
    assert (asked[0]["class"], asked[0]["network"], asked[0]["judge"]) == (3, 0, 1), "the second network judges"
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(asked[0]["picture"]), "<f4"), page.evaluate("[...studio.face.picture.data]")
    )
    assert page.get_attribute("#morph-step", "max") == "2"
    page.evaluate(
        "document.getElementById('morph-step').value = 1, document.getElementById('morph-step').dispatchEvent(new Event('input'))"
    )
    told = page.inner_text("#dream-text")
    assert "Step 32 of 64" in told
    assert "another, which took no part, says sad, 80 % (happy 20 %)" in told
    assert page.evaluate("document.getElementById('dream').getContext('2d').getImageData(90, 90, 1, 1).data[0]") == 132
    page.unroute("**/api/run")
    for answer, words in (
        (lambda route: route.abort(), "does not answer"),
        (lambda route: route.fulfill(body=json.dumps(step) + "\n"), "ended before"),
        (lambda route: route.fulfill(body='{"error": "no such thing"}\n'), "No such thing"),
    ):
        page.route("**/api/run", answer)
        page.click("#dream-class")
        assert words in page.next_error()
        assert page.locator("#dream-progress").is_hidden()
        page.unroute("**/api/run")


def test_nothing_complained(page: Any) -> None:
    assert [text for text in page.complaints if "ERR_FAILED" not in text] == []


# -- the server alone ------------------------------------------------------------------------------------------------------------------


def job(method: str = "region-occlusion", level: int = 100) -> bytes:
    picture = base64.b64encode(np.full((48, 48), level, "<f4").tobytes()).decode()
    points = [[15.2, 19.1], [33.0, 17.4], [24.6, 28.0], [17.9, 36.2], [31.5, 35.1]]
    weights = [0, 0, 0, 1, 0, 0, 0]
    return json.dumps(
        {"task": "explain", "method": method, "picture": picture, "points": points, "weights": weights}
    ).encode()


def events(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.content.decode().splitlines()]


@pytest.mark.parametrize("network", ["0123456789abcdef", "../../etc/passwd", -1, 7, 1.5, True, None, [0]])
def test_only_networks_of_the_page_are_asked(served_data: Any, network: Any) -> None:
    judged = json.dumps({"task": "dream", "judge": network})
    assert served_data.ask("/api/run", "POST", judged).status in (400, 410)
    assert served_data.ask("/api/run", "POST", json.dumps({"task": "explain", "network": network})).status in (400, 410)


def test_tabs_wait_for_each_other_and_too_many_are_refused(served_data: Any) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: (n, served_data.ask("/api/run", "POST", job(level=n))), range(60, 72)))
    refused = [answer for _, answer in answers if answer.status == 503]
    assert len(answers) - len(refused) >= MAX_WAITING
    model = ferviz.load_model()
    for level, answer in answers:
        if answer.status == 200:
            *_, result, end = events(answer)
            assert end == {"end": True}
            np.testing.assert_allclose(
                result["logits"], model.logits(np.full((1, 48, 48), level, np.uint8))[0], atol=1e-4
            )


def halted(served: Any) -> Any:
    """-> the process that answers questions about a face, which does nothing from now on but wait for its end."""
    assert events(served.ask("/api/run", "POST", job()))[-1] == {"end": True}
    process = served.studio.workers["face"]._child.process
    process.send_signal(signal.SIGSTOP)
    return process


def stream(served: Any) -> socket.socket:
    """-> a connection on which the answer to a job has begun."""
    body = job("rise")
    own = f"Host: 127.0.0.1:{served.port}\r\nOrigin: http://127.0.0.1:{served.port}\r\nCookie: ferviz-{served.port}=a-token-for-tests\r\n"
    client = socket.create_connection(("127.0.0.1", served.port), timeout=900)
    client.sendall(f"POST /api/run HTTP/1.1\r\n{own}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    text = b""
    while b"\r\n\r\n" not in text:
        text += client.recv(4096)
    assert text.startswith(b"HTTP/1.1 200"), text
    return client


def test_a_page_that_goes_away_ends_the_work(served_data: Any) -> None:
    process = halted(served_data)
    stream(served_data).close()
    assert process.wait(900)


def test_a_process_that_is_killed_is_one_sentence_and_the_next_one_works(served_data: Any) -> None:
    process = halted(served_data)
    client = stream(served_data)
    process.kill()
    text = b""
    while part := client.recv(4096):
        text += part
        if b"\r\n0\r\n" in text:  # the end of an answer in parts
            break
    client.close()
    assert b'"error"' in text
    assert events(served_data.ask("/api/run", "POST", job()))[-1] == {"end": True}


def test_the_check_is_shown_beside_the_network(page: Any, data: Any) -> None:
    checked = ferviz.check(ferviz.load_model(), data)
    page.evaluate("document.getElementById('check').click()")
    page.until("!document.getElementById('badge').hidden")
    badge = page.inner_text("#badge")
    if checked.usable:
        assert f"{100 * checked.current.accuracy:.1f} % of {checked.current.n} faces right" in badge
        assert badge.startswith("fed as it was trained" if checked.current_is_best else "fed wrongly")
    else:
        assert badge.startswith("no way of feeding it beats a guess")
    assert page.get_attribute("#badge", "class") == ("good" if checked.usable and checked.current_is_best else "bad")
    assert not page.is_visible("#check"), "what is known is not asked again"
