"""What keeps other sites' pages, other machines and other people's programs away from the studio, before any route is looked up."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from ferviz.manifests import to_json

App = Callable[..., Awaitable[None]]

TOKEN = "token"
"""The name of the word in the printed address."""

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""The content security policy; in the page itself, too, for the exported folder."""

HEADERS = {
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Headers of every answer; an answer may have a cache-control of its own."""


class Guards:
    """Refuses requests that do not come from the page itself, and adds the headers to every answer.

    The host has to be this machine's own name with the port (another site could otherwise reach the page by a name that resolves to
    127.0.0.1); the browser must not say that another site asks; and the token must be there: once in the address, then in a cookie
    that no script can read and no other site's request carries.

    Args:
        app: the application behind it.
        port: on which it is served.
        token: the secret word.
    """

    def __init__(self, app: App, port: int, token: str) -> None:
        self.app, self.port, self.token = app, port, token
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self.origins = {f"http://{host}" for host in self.hosts}
        self.cookie = f"ferviz-{port}"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request.

        Args:
            scope, receive, send: as in ASGI.
        """
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message.get("headers", [])}
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *(pair for pair in own if pair[0] not in given)]
            await send(message)

        problem = self._problem(scope)
        if problem:
            await _answer(guarded, *problem)
        elif self._query_token(scope) is not None:
            # The token goes from the address into a cookie, so that it is in no history, bookmark or screenshot.
            cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            headers = [(b"location", scope["path"].encode()), (b"set-cookie", cookie.encode())]
            await _answer(guarded, 303, "", headers)
        else:
            await self.app(scope, receive, guarded)

    def _problem(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host, origin = headers.get("host", []), headers.get("origin", [])
        if len(host) != 1 or host[0] not in self.hosts:
            return 421, "this page is only for the browser of this machine"
        if headers.get("sec-fetch-site", ["none"])[0] not in ("same-origin", "none"):
            # A link from elsewhere may open the page, but not read or change anything.
            return 403, "another site's page asked for this"
        reads = scope["method"] in ("GET", "HEAD")
        if (origin and origin != [o for o in self.origins if [o] == origin]) or (not reads and not origin):
            return 403, "another site's page asked for this"
        given = self._query_token(scope)
        if given is None:
            given = self._cookie_token(headers.get("cookie", []))
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return 403, "the token is missing or wrong; open the address that ferviz studio printed"
        return None

    def _query_token(self, scope: MutableMapping[str, Any]) -> str | None:
        for pair in scope["query_string"].decode("latin-1")[:500].split("&"):
            name, _, value = pair.partition("=")
            if name == TOKEN:
                return str(value)
        return None

    def _cookie_token(self, values: list[str]) -> str:
        for value in values:
            try:
                morsel = SimpleCookie(value).get(self.cookie)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
        return ""


async def _answer(send: Any, status: int, reason: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = to_json({"error": reason}).encode() if reason else b""
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
