"""The page of a live camera, with a file as the camera: stream, state, choices, and who is served."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from ferviz.errors import UnknownNameError, UsageError
from ferviz.images import read_image
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
from ferviz.video.reading import Video
from ferviz.web.live import Live
from ferviz.web.server import LiveServer


@pytest.fixture
def server(clip, squares, colours) -> Iterator[LiveServer]:
    """A page over a clip that starts again for ever."""
    live = Live(Video(clip(16), live=True), FrameAnalyzer(colours, AnalysisOptions(detector=squares)), loop=True)
    served = LiveServer(live, 0)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    live.start()
    thread.start()
    yield served
    live.stop()
    served.shutdown()
    served.server_close()
    thread.join(5)


def ask(server: LiveServer, method: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=sent)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


def test_the_stream_shows_marked_frames(server: LiveServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=frame"
    for _ in range(3):
        assert answer.readline() == b"--frame\r\n"
        assert answer.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(answer.readline().split(b":")[1])
        assert answer.readline() == b"\r\n"
        picture = read_image(answer.read(length))
        assert picture.shape[1] == 200
        assert picture.shape[0] > 120  # the legend lies below
        answer.readline()
    connection.close()


def test_state_snapshot_and_pause(server: LiveServer) -> None:
    server.live.jpeg(0, 20)
    state = json.loads(ask(server, "GET", "/state")[1])
    assert (state["paused"], state["method"], state["target"], state["faces"]) == (False, "none", "predicted", 2)
    assert state["targets"] == ["predicted", "angry", "happy", "sad"]
    assert "gradcam" in state["methods"]
    status, picture, _ = ask(server, "GET", "/snapshot.png")
    assert status == 200
    assert read_image(picture).shape[1] == 200
    status, body, _ = ask(server, "POST", "/pause?on=1", X_Ferviz="1")
    assert json.loads(body)["paused"] is True
    server.live.jpeg(server.live.state()["frame"], 0.3)  # at most the frame that was under way
    held = server.live.state()["frame"]
    assert server.live.jpeg(held, 0.3)[0] == held
    ask(server, "POST", "/pause?on=0", X_Ferviz="1")
    assert server.live.jpeg(held, 20)[0] > held


def test_method_and_class_can_be_chosen_among_those_that_exist(server: LiveServer) -> None:
    status, body, _ = ask(server, "POST", "/choose?target=happy", X_Ferviz="1")
    assert (status, json.loads(body)["target"]) == (200, "happy")
    for query, says in (("target=hapy", "happy"), ("method=gradcma", "gradcam"), ("target=all", "'all'")):
        status, body, _ = ask(server, "POST", f"/choose?{query}", X_Ferviz="1")
        assert status == 400
        assert says in json.loads(body)["error"]
    assert server.live.state()["target"] == "happy"
    with pytest.raises(UnknownNameError):
        server.live.choose(method="nothing")
    with pytest.raises(UsageError):
        server.live.choose(target="all")


def test_only_this_machines_browser_is_served(server: LiveServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    port = server.port
    assert ask(server, "GET", "/", Host=f"localhost:{port}")[0] == 200
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1", ""):
        assert ask(server, "GET", "/state", Host=host)[0] == 403
    assert ask(server, "GET", "/state", Origin="http://evil.example")[0] == 403
    assert ask(server, "POST", "/pause?on=1")[0] == 403  # without the header that only our page sends
    assert ask(server, "POST", "/pause?on=1", X_Ferviz="1", Origin="null")[0] == 403
    assert server.live.state()["paused"] is False
    for path in ("/../../etc/passwd", "/state/..", "/favicon.ico"):
        assert ask(server, "GET", path)[0] == 404
    _, page, headers = ask(server, "GET", "/")
    assert b"<script src" in page
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "Access-Control-Allow-Origin" not in headers


def test_a_taken_port_is_a_sentence(server: LiveServer) -> None:
    with pytest.raises(UsageError, match="another --port"):
        LiveServer(server.live, server.port)


def test_a_browser_that_goes_away_leaves_no_traceback(server: LiveServer, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    for request in (
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /stream HTTP/1.1\r\nHost: ",
        b"\x00\xff\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # closing resets the connection
            line.sendall(request)
    # One thread accepts, in the order of the connections, and returns from starting a request's thread before it accepts the next:
    # once this is answered, the three others have started, and each ends by itself.
    assert ask(server, "GET", "/state")[0] == 200
    for thread in set(threading.enumerate()) - before:
        if "process_request" in thread.name:
            thread.join()
    assert "Traceback" not in capfd.readouterr().err
    for error, said in ((ConnectionResetError(104, "gone"), ""), (KeyError("a defect"), "a defect")):
        try:
            raise error
        except (OSError, KeyError):
            server.handle_error(None, ("127.0.0.1", 9))
        assert said in (err := capfd.readouterr().err)
        assert bool(err) == bool(said)
