"""A program for `test_outbound.py`: plays with the studio where every way out of the machine is missed, and counts who looks for one.

It runs in a network namespace of its own, which has nothing but the loopback. Whoever connects or sends to any other address there is
refused by the kernel, which counts it: `OutNoRoutes` of IPv4, `Ip6OutNoRoutes` of IPv6. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 900
OWN_ERRANDS = "--host-resolver-rules=" + ",".join(
    f"MAP *.{maker} 127.0.0.1" for maker in ("google.com", "googleapis.com", "gstatic.com")
)
"""Chromium asks its makers for updates of itself when it starts; that is no word of the page, whose requests are listed besides."""

PROBE = "2001:4860:4860::8888"
"""Chromium asks the kernel for a way to this address to know whether there is IPv6, and sends nothing there."""

ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that stand in no network: they are kept for examples."""


def raise_loopback() -> None:
    """Switch the loopback on; a new namespace begins without it."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, get_flags, name))[1]
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def take_address(address: str) -> None:
    """Give the loopback a further address of IPv6."""
    set_address, loopback = 0x8916, 1
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(
            any_socket, set_address, struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, address), 128, loopback)
        )


def refused() -> dict[str, int]:
    """-> how often somebody in this namespace has looked for a way out."""
    names, values = (line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines() if line[:4] == "Ip: ")
    counts = {"IPv4": int(dict(zip(names, values, strict=True))["OutNoRoutes"])}
    with contextlib.suppress(OSError):  # a kernel without IPv6
        rows = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
        counts["IPv6"] = int(rows["Ip6OutNoRoutes"])
    return counts


def look_for_a_way_out() -> None:
    """Do what nobody else may do: send a word to another machine, and try to connect to it."""
    for family, address in ELSEWHERE:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with contextlib.suppress(OSError), socket.socket(family, kind) as client:
                client.connect((address, 53))


def until(page: Any, condition: str) -> None:
    end = time.monotonic() + PATIENCE
    while not page.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > end:
            raise SystemExit(f"{condition} did not come true: {page.inner_text('#message')}")
        page.wait_for_timeout(20)


def play(page: Any, address: str, picture: str) -> None:
    """Do what people do on the page: open a picture, paint, ask for another map, and for one that the server computes."""
    page.goto(f"{address}#/network/relu8/1")  # in this room nothing of hundreds of passes begins by itself
    until(
        page,
        "document.body.dataset.ready && document.getElementById('channel-title').textContent.startsWith('Channel 1')",
    )
    page.evaluate("() => { studio.engine.spread = async () => { throw new Error('cancelled'); }; }")
    page.set_input_files("#file", picture)
    until(page, "studio.crop.width === 40")
    page.click("[data-room=face]")
    paint(page, 0.5)
    page.select_option("#method", "hirescam")
    until(page, "studio.map && studio.map.method === 'hirescam'")
    page.select_option("#method", "ablationcam")
    until(page, "studio.map && studio.map.method === 'ablationcam'")
    page.select_option("#method", "gradcam")
    until(page, "studio.map && studio.map.method === 'gradcam'")


def paint(page: Any, height: float) -> None:
    box, before = page.locator("#stage").bounding_box(), page.evaluate("studio.latencies.length")
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + height * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + height * box["height"])
    page.mouse.up()
    until(page, f"studio.latencies.length > {before}")


def kill(page: Any, server: subprocess.Popen[str]) -> str:
    """Kill the server and its processes while the page waits for an answer -> what the page says."""
    os.killpg(server.pid, signal.SIGSTOP)  # it takes the question, and never comes to answer it
    page.select_option("#method", "rise")
    until(page, "!document.getElementById('slow').hidden")
    page.evaluate("() => { document.getElementById('message').textContent = ''; }")
    os.killpg(server.pid, signal.SIGKILL)
    until(page, "document.getElementById('message').className === 'error'")
    return str(page.inner_text("#message"))


def main(chromium: str, picture: str) -> None:
    """Play, and print what was counted."""
    raise_loopback()
    take_address(PROBE)
    before = refused()
    look_for_a_way_out()
    noticed = {name: count - before[name] for name, count in refused().items()}
    from playwright.sync_api import sync_playwright

    before, asked = refused(), set[str]()
    command = [sys.executable, "-m", "ferviz", "studio", "--no-browser", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with sync_playwright() as playwright:
            options: dict[str, Any] = {
                "executable_path": chromium,
                "args": ["--no-sandbox", OWN_ERRANDS],
                "timeout": 1000 * PATIENCE,
            }
            page = playwright.chromium.launch(**options).new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(1000 * PATIENCE)
            page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
            play(page, address, picture)
            attempts = {name: count - before[name] for name, count in refused().items()}
            told = kill(page, server)
            page.select_option("#method", "gradcam")
            paint(page, 0.7)
            until(page, "studio.map && studio.map.method === 'gradcam' && !studio.hidden.every((share) => share === 0)")
            bars = page.inner_text("#bars")
            page.context.browser.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    own = urlsplit(address).netloc
    print(
        json.dumps(
            {"noticed": noticed, "attempts": attempts, "others": sorted(asked - {own, ""}), "told": told, "bars": bars}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
