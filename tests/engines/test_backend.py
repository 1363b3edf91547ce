"""What is refused when Keras is imported, and what is held back; that it comes quietly on the right backend: tests/test_threads.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def python(code: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS", "GRPC", "GLOG"))}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, "HOME": str(home), **environment}, capture_output=True, text=True, timeout=900
    )  # fmt: skip


def test_keras_on_another_backend_is_refused_in_one_sentence(tmp_path: Path) -> None:
    code = (
        "import sys, types\n"
        "fake = types.ModuleType('keras'); fake.config = types.SimpleNamespace(backend=lambda: 'jax')\n"
        "sys.modules['keras'] = fake\n"
        "from ferviz.engines.backend import keras; from ferviz.errors import ModelError\n"
        "try: keras()\n"
        "except ModelError as error: print(error)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = python(code, tmp_path)
    assert "already imported with its jax backend" in done.stdout, done.stderr


def test_what_is_no_log_noise_still_reaches_standard_error(tmp_path: Path) -> None:
    code = (
        "import os; from ferviz.native_logs import silenced\n"
        "with silenced():\n"
        "    os.write(2, b'I0000 00:00:1795228951.123767 7660 port.cc:153] oneDNN\\nSegmentation something\\n')\n"
        "try:\n"
        "    with silenced(): os.write(2, b'last words\\n'); raise ImportError\n"
        "except ImportError: os.write(2, b'end\\n')"
    )
    assert python(code, tmp_path).stderr.splitlines() == ["Segmentation something", "last words", "end"]
