"""The example in docs/explanation/compiled-networks.md runs with nothing but LiteRT and NumPy, and draws what ferviz draws."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_example_runs_and_agrees_with_ferviz(tmp_path: Path) -> None:
    from ferviz.attribution.explain import explain
    from ferviz.models.load import load_model

    page = (ROOT / "docs" / "explanation" / "compiled-networks.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "Interpreter" in block]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    imported = set(re.findall(r"^(?:import|from) ([\w., ]+?)(?: import .*)?$", code, re.M))
    assert imported == {"sys, numpy as np", "ai_edge_litert.interpreter"}
    face = np.random.default_rng(4).integers(0, 256, (48, 48), dtype=np.uint8)
    (tmp_path / "face.raw").write_bytes(face.tobytes())
    (tmp_path / "bundled.ferviz").write_bytes((ROOT / "ferviz" / "assets" / "bundled.ferviz").read_bytes())
    code += '\nassert not [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras", "ferviz", "cv2", "PIL")]\n'
    code += 'np.save("heatmap.npy", heatmap)\n'
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = explain(load_model(engine="litert"), face)
    (said,) = made.predictions
    assert int(done.stdout.split()[0]) == list(said.probabilities).index(said.label)
    np.testing.assert_allclose(np.load(tmp_path / "heatmap.npy")[0], made.raw[0, 0], rtol=1e-4, atol=1e-6)
