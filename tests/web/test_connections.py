"""Clients that take more than their share: dripping requests, viewers who never read, bodies, too many at once."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ferviz.web.connections import ServerLimits
from ferviz.web.server import LiveServer

TRIES = 500


class Camera:
    """A Live that always has a newer picture, larger than any buffer on the way."""

    over = False

    def jpeg(self, after: int, seconds: float) -> tuple[int, bytes]:
        return after + 1, bytes(8 << 20)

    def state(self) -> dict[str, Any]:
        return {"rate": float("nan")}


@pytest.fixture
def serve() -> Iterator[Callable[..., LiveServer]]:
    """serve(**limits) -> a running server."""
    with contextlib.ExitStack() as stack:

        def start(**limits: Any) -> LiveServer:
            camera = Camera()
            server = LiveServer(camera, 0, ServerLimits(**limits))  # type: ignore[arg-type]
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            stack.callback(setattr, camera, "over", True)
            return server

        yield start


def connect(server: LiveServer, sent: bytes = b"") -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", server.port))
    client.sendall(sent)
    return client


def request(server: LiveServer, path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{more}\r\n".encode()


def status(server: LiveServer, path: str = "/state") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer


def ended(client: socket.socket) -> bool:
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def test_a_dripping_request_ends_at_its_deadline(serve) -> None:
    server = serve(request=0.2)
    with connect(server, b"GET /state HTTP/1.1\r\nX: ") as client:
        for _ in range(2000):
            try:
                client.send(b"a")
            except ConnectionError:
                return
            if select.select([client], [], [], 0.01)[0]:
                assert ended(client)
                return
    pytest.fail("the server still listens to it")


def test_dripping_connections_make_room_for_a_further_one(serve) -> None:
    server = serve(connections=3, request=600)
    drips = [connect(server, b"GET ") for _ in range(3)]
    assert status(server) == 200
    assert ended(drips[0])  # the one that had waited longest
    for drip in drips:
        drip.close()


def test_where_nobody_waits_a_further_connection_is_refused_at_once(serve) -> None:
    server = serve(connections=1, write=600)
    with connect(server, request(server, "/stream")) as viewer:
        assert viewer.recv(12) == b"HTTP/1.1 200"
        with connect(server) as further:
            assert further.recv(12) == b"HTTP/1.1 503"


def test_a_viewer_who_never_reads_is_dropped(serve) -> None:
    server = serve(viewers=1, write=0.05, stalled=600)
    with connect(server, request(server, "/stream")) as viewer:
        assert viewer.recv(12) == b"HTTP/1.1 200"
        assert any(status(server, "/stream") == 200 for _ in range(TRIES))


def test_a_further_viewer_takes_the_place_of_one_that_stalls(serve) -> None:
    server = serve(viewers=1, write=600, stalled=0)
    with connect(server, request(server, "/stream")) as viewer:
        assert viewer.recv(12) == b"HTTP/1.1 200"
        assert any(status(server, "/stream") == 200 for _ in range(TRIES))
        assert ended(viewer)


def test_viewers_who_read_keep_their_places(serve) -> None:
    server = serve(viewers=1, write=600, stalled=600)
    with connect(server, request(server, "/stream")) as viewer:
        assert viewer.recv(12) == b"HTTP/1.1 200"
        assert status(server, "/stream") == 503
        assert len(viewer.recv(100)) == 100


@pytest.mark.parametrize("header", ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_body_is_refused(serve, header) -> None:
    server = serve()
    with connect(server, request(server, "/state", header) + b"hello") as client:
        assert client.recv(12) == b"HTTP/1.1 413"
        assert ended(client)


def test_the_state_is_json_without_nan(serve) -> None:
    server = serve()
    with connect(server, request(server, "/state", "Connection: close\r\n")) as client:
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.endswith(b'{"rate": null}')
