"""The studio's server in a thread of this process, and a page of a real browser on it."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import ferviz
from ferviz.data.synthetic.cartoons import make
from ferviz.web.guards import Guards
from ferviz.web.labelled import Labelled
from ferviz.web.page_data import studio_network
from ferviz.web.serve import bind
from ferviz.web.site import Site, build_site

TOKEN = "a-token-for-tests"
PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


class Served:
    """A studio that is served. site: its page."""

    def __init__(self, site: Site, labelled: Any = None, opening: Any = None) -> None:
        import uvicorn

        from ferviz.web.app import Studio
        from ferviz.web.deadline import DeadlineProtocol

        self.listener = bind(0)
        self.port = self.listener.getsockname()[1]
        self.studio = Studio(site, None, labelled, opening)
        guards = Guards(self.studio.app, self.port, TOKEN)
        config = uvicorn.Config(
            guards,
            log_level="critical",
            lifespan="off",
            ws="none",
            server_header=False,
            http=DeadlineProtocol,
            timeout_keep_alive=900,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def ask(self, path: str = "/", method: str = "GET", body: Any = None, **headers: str) -> Any:
        """-> the answer. headers: with _ for -; the cookie and the origin of the page itself unless they are given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=900)
        own = {"Host": f"127.0.0.1:{self.port}", "Cookie": f"ferviz-{self.port}={TOKEN}"}
        if method == "POST":
            own["Origin"] = f"http://127.0.0.1:{self.port}"
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(
            connection
        ):  # a server that hangs up leaves it open, and whoever collects it would be blamed
            connection.request(method, path, body, {name: value for name, value in own.items() if value})
            response = connection.getresponse()
            response.content = response.read()  # type: ignore[attr-defined]
        return response

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=900)
        self.studio.close()
        self.listener.close()


@pytest.fixture(scope="session")
def site() -> Site:
    return build_site(
        [studio_network(ferviz.load_model(), "network")], server=True, notice="", camera=None, video=False, data=False
    )


@pytest.fixture(scope="session")
def patient_server() -> Iterator[None]:
    """A page on a busy machine may take as long as it likes with its questions; tests of these limits set their own."""
    pytest.importorskip("uvicorn", reason="the extra studio is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("deadline.HEADER_SECONDS", "app.JOB_SECONDS", "network_store.UPLOAD_SECONDS"):
            patch.setattr(f"ferviz.web.{limit}", 900.0)
        yield


@pytest.fixture(scope="session")
def served(site: Site, patient_server: None) -> Iterator[Served]:
    server = Served(site)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def faces_csv(tmp_path_factory: Any) -> Any:
    """Forty-two drawn faces, six of each class, with a second network whose classes stand in another order."""
    path = tmp_path_factory.mktemp("data") / "drawn.csv"
    faces = make(42, seed=4, task="emotions")
    kaggle = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    rows = [
        f"{kaggle.index(faces.names[label])},{' '.join(map(str, image.ravel()))},PublicTest"
        for image, label in zip(faces.images, faces.labels, strict=True)
    ]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def served_data(faces_csv: Any, patient_server: None) -> Iterator[Served]:
    """A studio with data and two networks: the bundled one, and the same with two classes exchanged."""
    model = ferviz.load_model()
    labels = list(model.labels)
    labels[3], labels[4] = labels[4], labels[3]
    second = ferviz.load_model(labels=labels)
    networks = [studio_network(model, "network"), studio_network(second, "network1")]
    data = {"path": str(faces_csv), "split": "auto", "labels": "7"}
    server = Served(
        build_site(networks, server=True, notice="", camera=None, video=False, data=True),
        Labelled.read(**data).matched(model.labels),
        {
            "networks": [{"path": None}, {"path": None, "labels": labels}],
            "data": data,
            "cache": os.environ.get("FERVIZ_CACHE"),
        },
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def equipped_browser(start_browser: Callable[..., Any], tmp_path_factory: Any) -> Any:
    """A browser whose camera films a face, and whose graphics processor is a program, so that both are there on every machine."""
    frame, stream = Image.new("RGB", (640, 480), (90, 100, 110)), io.BytesIO()
    frame.paste(Image.open(PORTRAIT).convert("RGB").resize((480, 480)), (80, 0))
    frame.save(stream, "JPEG", quality=90)
    film = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    film.write_bytes(10 * stream.getvalue())
    return start_browser(
        f"--use-file-for-fake-video-capture={film}", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-gpu-watchdog"
    )  # fmt: skip


REST = "() => { studio.engine.spread = async () => { throw new Error('cancelled'); }; }"
"""Nothing of hundreds of passes begins by itself, until `delete studio.engine.spread`."""
RECORDER = """addEventListener('DOMContentLoaded', () => {
  const box = document.getElementById('message');
  window.said = [];
  if (box) new MutationObserver(() => said.push({ text: box.textContent, error: box.className === 'error' }))
    .observe(box, { attributes: true, childList: true });
});"""
"""Keeps every sentence that the page says, so that none is missed where another one follows at once."""


def until(page: Any, condition: str, seconds: float = 900) -> None:
    """Wait for a condition of the page; `page.wait_for_function` would need eval, which the page forbids.

    To ask costs three processes a few milliseconds each: it is done the less often the longer it takes.
    """
    end, pause = time.monotonic() + seconds, 10.0
    while not page.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > end:
            raise AssertionError(f"{condition} did not come true; the page said: {page.evaluate('window.said')}")
        page.wait_for_timeout(pause)
        pause = min(1.25 * pause, 200.0)


def next_error(page: Any) -> str:
    """-> the next error that the page says, or has said since it was last asked."""
    until(page, "said.some(({ error }) => error)")
    return str(page.evaluate("said.splice(0, said.findIndex(({ error }) => error) + 1).at(-1).text"))


@pytest.fixture(scope="module")
def open_page(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Open the page in a context of its own, in another browser if one is given: `page.until(condition)` waits, `page.next_error()` is the
    next error that it says, its requests and complaints are on `page.sent` and `page.complaints`."""
    with pages_of(browser, served) as opened:
        yield opened


@pytest.fixture(scope="session")
def engine_page(browser: Any, served: Served) -> Iterator[Any]:
    """A page whose engine and modules are asked by several files of tests, none of which changes it."""
    with pages_of(browser, served) as opened:
        # The room of the network, which tests no map and measures no region by itself.
        yield opened("#/network/relu8/5")


@contextlib.contextmanager
def pages_of(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    contexts = []

    def opened(
        fragment: str = "",
        ready: bool = True,
        server: Any = None,
        before: Any = None,
        among: Any = None,
        **context: Any,
    ) -> Any:
        contexts.append((among or browser).new_context(viewport={"width": 1280, "height": 1000}, **context))
        page = contexts[-1].new_page()
        page.add_init_script(RECORDER)
        page.until, page.next_error = partial(until, page), partial(next_error, page)
        page.sent, page.complaints = [], []
        page.on("request", lambda request: page.sent.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        if before is not None:
            before(page)
        page.goto((server or served).url + fragment)
        if ready:
            page.until("document.body.dataset.ready")
            assert page.evaluate("document.body.dataset.ready") == "yes", page.evaluate("said")
        return page

    yield opened
    for context in contexts:
        context.close()
