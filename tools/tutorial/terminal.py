"""A terminal in which commands are typed one after the other: folder and environment stay as each command leaves them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.request import HTTPCookieProcessor, ProxyHandler

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+\S*")
SERVERS = {"studio", "live"}
"""Commands that go on until Ctrl-C."""
NAMED = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_INDEX_URL",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
)
"""What a new terminal takes over from this one; with everything about proxies."""


@dataclass
class Terminal:
    """A shell with its folder and environment.

    Attributes:
        folder: where it stands.
        notes: a folder of its own for what it has to remember; beside it lies the cache, which terminals share.
        limit: seconds that a command may take.
    """

    folder: Path
    notes: Path
    limit: float = 3600.0

    def __post_init__(self) -> None:
        self.notes.mkdir(parents=True, exist_ok=True)
        self.environment = {
            k: v for k, v in os.environ.items() if k in NAMED or k.startswith("PIP_") or "proxy" in k.lower()
        }
        self.environment |= {
            "FERVIZ_CACHE": str(self.notes.parent / "cache"),
            "HF_HOME": str(self.notes.parent / "cache" / "huggingface"),
            "BROWSER": "true",
            "COLUMNS": "100",
            "OMP_NUM_THREADS": "1",
        }

    def type(self, line: str) -> tuple[int, str]:
        """Type a command and return its exit code with all that it prints.

        Args:
            line: the command, as a page shows it.
        """
        script = f'trap \'export -p > "{self.notes}/exports"; pwd > "{self.notes}/folder"\' EXIT\n'
        if (self.notes / "exports").exists():
            script = f'. "{self.notes}/exports"\n{script}'
        words = line.split()
        if words[0] == "ferviz" and words[1] in SERVERS and "--export" not in words:
            return self._serve(f"exec {line}")
        done = subprocess.run(
            ["bash", "-c", script + line],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=self.limit,
        )
        self.folder = Path((self.notes / "folder").read_text().strip())
        return done.returncode, done.stdout.decode(errors="replace")

    def _serve(self, line: str) -> tuple[int, str]:
        """Start a server, open the page that it names, and press Ctrl-C."""
        output = self.notes / "served"
        script = f'. "{self.notes}/exports"\n{line}' if (self.notes / "exports").exists() else line
        with output.open("wb") as file:
            server = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        address, end = None, time.monotonic() + 120
        while address is None and server.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            address = ADDRESS.search(output.read_text(errors="replace"))
        if address is not None:
            # The address is traded for a cookie, as a browser does.
            opener = urllib.request.build_opener(ProxyHandler({}), HTTPCookieProcessor())
            with opener.open(address[0], timeout=30) as answer:
                assert answer.read(), address[0]
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGINT)
        code = server.wait(timeout=60)
        printed = output.read_text(errors="replace").partition("ferviz: interrupted")[0]
        return (0 if address and code in (0, 130) else code or 1), printed
