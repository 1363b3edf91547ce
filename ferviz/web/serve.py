"""Serving the studio on this machine, until it is ended."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import UsageError
from ferviz.web.site import Site

if TYPE_CHECKING:
    from ferviz.web.labelled import Labelled

HOST = "127.0.0.1"


def bind(port: int) -> socket.socket:
    """Return a socket that listens on the loopback.

    Args:
        port: 0 = any free one.

    Raises:
        UsageError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise UsageError(f"port {port} cannot be used ({reason}); choose another --port") from error
    return listener


def serve(
    site: Site,
    listener: socket.socket,
    ready: Callable[[str], None],
    video: Path | None = None,
    labelled: Labelled | None = None,
    opening: Mapping[str, Any] | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        site: the page.
        listener: what `bind` returned.
        ready: takes the address, token included, once the page can be opened.
        video: a video file that the page plays instead of a camera.
        labelled: the faces of the data room.
        opening: what the processes that work for the page are told.

    Raises:
        UsageError: the packages of the extra `studio` are not installed.
    """
    try:
        import uvicorn

        from ferviz.web.app import Studio
        from ferviz.web.deadline import DeadlineProtocol
    except ImportError as error:
        raise UsageError(
            f"the page's server needs the package {error.name}; install it with: pip install 'ferviz[studio]'"
        ) from error
    from ferviz.web.guards import TOKEN, Guards

    token = secrets.token_urlsafe(24)
    port = listener.getsockname()[1]
    studio = Studio(site, video, labelled, opening)
    config = uvicorn.Config(
        Guards(studio.app, port, token), log_level="critical", access_log=False, proxy_headers=False, server_header=False,
        date_header=False, limit_concurrency=32, timeout_keep_alive=5, lifespan="off", ws="none",
        http=DeadlineProtocol,
    )  # fmt: skip
    ready(f"http://{HOST}:{port}/?{TOKEN}={token}")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        studio.close()
