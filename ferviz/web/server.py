"""The local page of `ferviz live`: an MJPEG stream and a few buttons, for the browser of this machine alone.

It listens on 127.0.0.1. Requests whose Host is another name are refused (another site could otherwise reach it with a name that
resolves to 127.0.0.1), and requests that change something need a header that other sites' pages cannot send. What one client may take
of connections and time is bounded (`ServerLimits`), so that one that drips its request or never reads keeps nobody else away.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ferviz.errors import FervizError, UsageError
from ferviz.files import to_json
from ferviz.web.connections import Connections, DeadlineReader, ServerLimits
from ferviz.web.live import Live

HEADER = "X-Ferviz"
"""The header of requests that change something."""

_BOUNDARY = "frame"
_SEND_BUFFER = 64 * 1024  # bytes; a viewer who does not read has about a frame waiting, not megabytes of old ones
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_MAX_QUERY = 500  # letters

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>ferviz live</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/live.css"><script src="/live.js" defer></script>
<main><img src="/stream" alt="the camera's picture with its faces marked">
<form><button type="button" id="pause">Pause</button> <a id="snapshot" href="/snapshot.png" download="ferviz.png">Snapshot</a>
<label>Method <select id="method"></select></label> <label>Class <select id="target"></select></label>
<output id="rate"></output></form><p id="error" role="status"></p></main></html>
"""

STYLE = """body{margin:0;background:#f1f3f4;color:#1c1c1e;font:16px system-ui,sans-serif}
main{max-width:1100px;margin:1rem auto;padding:0 1rem}
img{display:block;width:100%;background:#ddd}form{display:flex;flex-wrap:wrap;gap:1rem;align-items:center;margin:.8rem 0}
button,select,a{font:inherit;padding:.3rem .8rem;color:inherit;background:#fff;border:1px solid #9aa0a6;
border-radius:4px;text-decoration:none}
output{margin-left:auto;color:#5f6368}#error{color:#9a5b00}
"""

SCRIPT = """const $ = id => document.getElementById(id);
const post = path => fetch(path, {method: "POST", headers: {"X-Ferviz": "1"}}).then(r => r.json()).then(show);
function fill(select, names, chosen) {
  if (select.options.length !== names.length) select.replaceChildren(...names.map(n => new Option(n, n)));
  if (document.activeElement !== select) select.value = chosen;
}
function show(s) {
  fill($("method"), s.methods, s.method); fill($("target"), s.targets, s.target);
  $("pause").textContent = s.paused ? "Go on" : "Pause"; $("pause").dataset.paused = s.paused;
  $("rate").textContent = s.over ? "the source has ended" : `${s.rate} frames a second, ${s.faces} ${s.faces === 1 ? "face" : "faces"}`;
  $("error").textContent = s.error;
}
$("pause").onclick = () => post("/pause?on=" + ($("pause").dataset.paused === "true" ? 0 : 1));
$("method").onchange = e => post("/choose?method=" + encodeURIComponent(e.target.value));
$("target").onchange = e => post("/choose?target=" + encodeURIComponent(e.target.value));
setInterval(() => fetch("/state").then(r => r.json()).then(show).catch(() => {}), 1000);
"""

_TEXTS = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/live.js": ("text/javascript; charset=utf-8", SCRIPT),
    "/live.css": ("text/css; charset=utf-8", STYLE),
}


class LiveServer(ThreadingHTTPServer):
    """Serves one Live on 127.0.0.1.

    Args:
        live: the camera.
        port: 0 = any free one.
        limits: what a client may take; None = the usual.

    Raises:
        UsageError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, live: Live, port: int = 0, limits: ServerLimits | None = None) -> None:
        self.live = live
        self.limits = limits or ServerLimits()
        self.connections = Connections(self.limits)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used ({error.strerror or error}); choose another --port"
            ) from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a client in a thread of its own, or refuse it at once where there is no room.

        Args:
            request, client_address: as in `socketserver.BaseServer`.
        """
        if self.connections.add(request):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(_BUSY)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """End a connection.

        Args:
            request: its socket.
        """
        self.connections.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that disconnect in the middle of a request; other errors are printed as usual.

        Args:
            request, client_address: as in `socketserver.BaseServer`.
        """
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/"


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ferviz", ""

    def setup(self) -> None:
        super().setup()
        self.limits = self.server.limits
        self.place = self.server.connections.get(self.connection)
        self._reader = DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self.place.waiting = True
        self._reader.deadline = time.monotonic() + self.limits.request
        super().handle_one_request()

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        # The request is here: from now on only writing can take time.
        self.place.waiting = False
        self.connection.settimeout(self.limits.write)
        if parsed and (self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a request has no body here")
            return False
        return parsed

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path = urlsplit(self.path).path
        if path in _TEXTS:
            kind, text = _TEXTS[path]
            self._answer(text.encode(), kind)
        elif path == "/state":
            self._answer_state()
        elif path == "/snapshot.png":
            picture = self.server.live.png()
            if picture:
                self._answer(picture, "image/png")
            else:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "there is no picture yet")
        elif path == "/stream":
            self._stream()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        if not self._is_local():
            return
        if self.headers.get(HEADER) is None:
            self._refuse(HTTPStatus.FORBIDDEN, "requests that change something need the header " + HEADER)
            return
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query[:_MAX_QUERY]).items()}
        try:
            if parts.path == "/pause":
                self.server.live.pause(query.get("on") == "1")
            elif parts.path == "/choose":
                self.server.live.choose(query.get("method"), query.get("target"))
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
                return
        except FervizError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._answer_state()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the console belongs to the command."""

    def _is_local(self) -> bool:
        names = {f"{host}:{self.server.port}" for host in ("127.0.0.1", "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in names and (origin is None or origin in {f"http://{name}" for name in names}):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this page is only for the browser of this machine")
        return False

    def _answer_state(self) -> None:
        self._answer(to_json(self.server.live.state()).encode(), "application/json")

    def _answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._begin(kind, status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, kind: str, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._answer(to_json({"error": reason}).encode(), "application/json", status)

    def _stream(self) -> None:
        if not self.server.connections.begin_stream(self.place):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers")
            return
        try:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}", HTTPStatus.OK)
            self.send_header("Connection", "close")
            self.end_headers()
            shown = 0
            while not self.server.live.over:
                number, picture = self.server.live.jpeg(shown, 5.0)
                if not picture:
                    continue
                # The same picture again where there is no newer one: only writing shows that a browser has disconnected.
                shown = number
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.place.writing_since = time.monotonic()
                self.wfile.write(head.encode() + picture + b"\r\n")
                self.place.writing_since = None
        except OSError:
            pass  # the viewer disconnected, was too slow, or made room for another
