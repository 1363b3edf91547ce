"""The studio's server: who is let in, what is refused, and that the folder it exports is what it serves."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferviz.errors import OutputExistsError, UsageError
from ferviz.web.serve import bind
from ferviz.web.site import Site

TOKEN = "a-token-for-tests"


def ask(served: Any, *arguments: Any, **headers: str) -> Any:
    return served.ask(*arguments, **headers)


def test_the_token_goes_from_the_address_into_a_cookie(served: Any) -> None:
    answer = ask(served, f"/?token={TOKEN}", Cookie="")
    assert (answer.status, answer.getheader("location")) == (303, "/")
    cookie = answer.getheader("set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask(served).status == 200


@pytest.mark.parametrize("cookie", ["", "ferviz-1=x", "ferviz-{port}=wrong", "ferviz-{port}=", 'ferviz-{port}="\\"'])
def test_without_the_token_nothing_is_told(served: Any, cookie: str) -> None:
    answer = ask(served, "/data.json", Cookie=cookie.format(port=served.port))
    assert answer.status == 403
    assert "address that ferviz studio printed" in json.loads(answer.content)["error"]


def test_a_wrong_token_in_the_address_is_refused(served: Any) -> None:
    assert ask(served, "/?token=wrong").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:{port}.evil.example", "localhost:1", "127.0.0.1:{port}:80"]
)
def test_other_hosts_are_refused(served: Any, host: str) -> None:
    assert ask(served, Host=host.format(port=served.port)).status == 421


def test_two_hosts_are_refused(served: Any) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=900) as client:
        own = f"Host: 127.0.0.1:{served.port}\r\n"
        client.sendall(f"GET / HTTP/1.1\r\n{own}{own}Connection: close\r\n\r\n".encode())
        assert client.recv(4096).split()[1] in (b"421", b"400")


@pytest.mark.parametrize("target", ["http://evil.example/data.json", "//evil.example/data.json", "evil.example:80"])
def test_addresses_of_other_hosts_are_refused(served: Any, target: str) -> None:
    """Whole addresses, as a proxy gets them."""
    own = f"Host: 127.0.0.1:{served.port}\r\nCookie: ferviz-{served.port}={TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=900) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\n{own}Connection: close\r\n\r\n".encode())
        answer = b""
        while part := client.recv(4096):
            answer += part
    assert answer.split()[1] in (b"400", b"404", b"421")
    assert b"networks" not in answer


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Sec_Fetch_Site": "cross-site"}), ("GET", {"Sec_Fetch_Site": "same-site"}), ("GET", {"Origin": "http://evil.example"}),
        ("POST", {"Origin": "http://evil.example"}), ("POST", {"Origin": ""}), ("POST", {"Origin": "null"}),
    ],
)  # fmt: skip
def test_other_sites_are_refused(served: Any, method: str, headers: dict[str, str]) -> None:
    assert ask(served, "/api/compile?name=a.h5", method, b"x" if method == "POST" else None, **headers).status == 403


def test_every_answer_carries_the_policy(served: Any) -> None:
    for path in ("/", "/no-such-page", "/data.json"):
        answer = ask(served, path)
        assert "default-src 'none'" in answer.getheader("content-security-policy")
        assert "unsafe-inline" not in answer.getheader("content-security-policy")
        assert answer.getheader("x-content-type-options") == "nosniff"
        assert answer.getheader("cache-control") == "no-store"
        assert answer.getheader("access-control-allow-origin") is None


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/app.py", "/static/../../app.py", "//etc/passwd", "/video"]
)
def test_only_the_pages_own_files_are_served(served: Any, path: str) -> None:
    assert ask(served, path).status == 404


@pytest.mark.parametrize("name", ["a.exe", "", "a.h5.txt", "../../a"])
def test_only_networks_are_taken(served: Any, name: str) -> None:
    answer = ask(served, f"/api/compile?name={name}", "POST", b"x")
    assert answer.status == 415
    assert ".h5" in json.loads(answer.content)["error"]


def parts(size: int) -> Iterator[bytes]:
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize("body", [b"x" * 50_000, parts(50_000)], ids=["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused(served: Any, monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    monkeypatch.setattr("ferviz.web.network_store.MAX_NETWORK", 20_000)
    with contextlib.suppress(ConnectionError):  # the server may close before everything is sent
        assert ask(served, "/api/compile?name=a.h5", "POST", body).status == 413


def test_a_dripping_upload_ends(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferviz.web.network_store.UPLOAD_SECONDS", 0.1)
    own = f"Host: 127.0.0.1:{served.port}\r\nOrigin: http://127.0.0.1:{served.port}\r\nCookie: ferviz-{served.port}={TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=900) as client:
        client.sendall(f"POST /api/compile?name=a.h5 HTTP/1.1\r\n{own}Content-Length: 100\r\n\r\nx".encode())
        assert client.recv(4096).split()[1] == b"408"


def test_headers_that_drip_end_the_connection(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"Host: 127.0.0.1:{served.port}\r\nCookie: ferviz-{served.port}={TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=900) as kept:
        kept.sendall(f"GET /icon.svg HTTP/1.1\r\n{own}\r\n".encode())
        assert kept.recv(100).split()[1] == b"200", "whole headers are answered"
        monkeypatch.setattr("ferviz.web.deadline.HEADER_SECONDS", 0.2)
        kept.sendall(b"GET /icon.svg HT")  # the second question of the connection drips
        while kept.recv(4096):
            pass
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: 127"):
        with (
            socket.create_connection(("127.0.0.1", served.port), timeout=900) as client,
            contextlib.suppress(ConnectionError),  # it may be closed before it sends
        ):
            client.sendall(sent)
            assert client.recv(100) == b""


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/run", b'{"task": "explain"}', 404), ("/api/data/sheet", b'{"faces": [0]}', 404), ("/api/data/sheet", b"[1]", 400),
        ("/api/data/sheet", b"no json", 400), ("/api/data/sheet", b"[" * 100_000, 400),
    ],
)  # fmt: skip
def test_without_data_there_is_nothing_to_ask(served: Any, path: str, body: bytes, status: int) -> None:
    assert ask(served, path, "POST", body).status == status
    assert ask(served, "/api/data").status == 404
    assert ask(served, "/api/data/face/0").status == 404


def test_a_broken_network_is_one_sentence(served: Any) -> None:
    answer = ask(served, "/api/compile?name=broken.ferviz", "POST", b"no network at all")
    assert answer.status == 422
    error = json.loads(answer.content)["error"]
    assert "Traceback" not in error
    assert "/" not in error.split("ferviz compile")[0], "no path of this machine"


def test_a_port_that_is_taken_is_one_sentence(served: Any) -> None:
    with pytest.raises(UsageError, match=str(served.port)):
        bind(served.port)


def test_the_exported_folder_is_the_page(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    site.export(folder)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == set(site.files)
    data = json.loads((folder / "data.json").read_text())
    for network in data["networks"]:
        assert (folder / network["file"]).read_bytes()[4:8] == b"TFL3"
    for example in data["examples"]:
        assert (folder / example["file"]).is_file()
    assert "http" not in (folder / "index.html").read_text().replace("http-equiv", "")
    with pytest.raises(OutputExistsError, match="force"):
        site.export(folder)


def test_what_is_vendored_is_what_its_note_says() -> None:
    import hashlib

    import ferviz

    folder = Path(ferviz.__file__).parent / "web" / "static" / "vendor" / "litert"
    noted = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert noted == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in (".js", ".wasm")
    }


@pytest.mark.slow
def test_the_command_prints_an_address_without_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, ferviz.web.serve as serve\n"
        "serve.serve = lambda site, listener, ready, *rest: (ready(f'port {listener.getsockname()[1]}'), listener.close())\n"
        "from ferviz.cli import run\n"
        "code = run(['studio', '--no-browser', '--quiet'])\n"
        "print(code, sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("port ")
    assert lines[-1] == "0 []", done.stderr
