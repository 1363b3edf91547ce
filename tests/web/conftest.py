"""The studio's server in a thread of this process, and a page of a real browser on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ferviz
from ferviz.web.guards import Guards
from ferviz.web.page_data import studio_network
from ferviz.web.serve import bind
from ferviz.web.site import Site, build_site

TOKEN = "a-token-for-tests"


class Served:
    """A studio that is served. site: its page."""

    def __init__(self, site: Site, video: Any = None) -> None:
        import uvicorn

        from ferviz.web.app import Studio

        self.listener = bind(0)
        self.port = self.listener.getsockname()[1]
        self.studio = Studio(site, video)
        guards = Guards(self.studio.app, self.port, TOKEN)
        config = uvicorn.Config(guards, log_level="critical", lifespan="off", ws="none", server_header=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=10)
        self.listener.close()


@pytest.fixture(scope="session")
def site() -> Site:
    return build_site(
        [studio_network(ferviz.load_model(), "network")], server=True, notice="", camera=None, video=False
    )


@pytest.fixture(scope="session")
def served(site: Site) -> Iterator[Served]:
    pytest.importorskip("uvicorn", reason="the extra studio is not installed")
    server = Served(site)
    yield server
    server.stop()


def until(page: Any, condition: str, seconds: float = 120) -> None:
    """Wait for a condition of the page; `page.wait_for_function` would need eval, which the page forbids."""
    for _ in range(int(seconds / 0.02)):
        if page.evaluate(f"() => Boolean({condition})"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"{condition} did not come true; the page says: {page.inner_text('#message')}")


@pytest.fixture(scope="session")
def open_page(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Open the page in a context of its own; its requests and complaints are on `page.requests` and `page.complaints`."""
    contexts = []

    def opened(fragment: str = "", ready: bool = True, **context: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1000}, **context))
        page = contexts[-1].new_page()
        page.sent, page.complaints = [], []
        page.on("request", lambda request: page.sent.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(served.url + fragment)
        if ready:
            until(page, "document.body.dataset.ready")
        return page

    yield opened
    for context in contexts:
        context.close()
