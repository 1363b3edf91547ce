"""One face, every method, every class: the gallery of docs/how-to/explain-faces.md.

    python tools/draw_docs_methods.py [PICTURE] [--out gallery_methods.png] [--model FILE]

Rows are methods, columns are the network's classes; below each map stands whether it is better than a blob in the middle. Each row has
a scale of its own, shared by its classes, because methods measure in units of their own.
"""

import argparse
from pathlib import Path

import numpy as np

import ferviz
from ferviz.images import write_image
from ferviz.rendering.sheets.comparison_sheet import methods_by_class
from ferviz.rendering.sheets.sheet import Remark
from ferviz.trust.verdict import Verdict

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"rise": {"masks": 1024}, "integrated-gradients": {"steps": 64}}


def remark(verdict: Verdict) -> Remark:
    """Return a verdict in the words for below a map."""
    return Remark(verdict.sentence, verdict.short.removesuffix(" than a blob"), verdict.poor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default=ROOT / "examples" / "astronaut.png")
    parser.add_argument("--out", default="gallery_methods.png")
    parser.add_argument("--model")
    parser.add_argument("--methods", nargs="*", help="only these")
    arguments = parser.parse_args()
    model = ferviz.load_model(arguments.model)
    face = ferviz.find_faces(arguments.picture, largest=True)[0]
    names = arguments.methods or [name for name in ferviz.methods() if ":" not in name]
    maps, remarks = {}, {}
    for name in names:
        explanation = ferviz.explain(model, face, method=name, target="all", test=True, **QUICK.get(name, {}))
        maps[name] = explanation.heatmaps[0]
        remarks[name] = [remark(verdict) for verdict in explanation.trust.verdicts[0]]
        print(f"{name:22} strongest for {explanation.targets[int(np.abs(maps[name]).max((1, 2)).argmax())]}")
    prediction = model.predict(face)[0]
    columns = [f"{label} {prediction.probabilities[label]:.2f}" for label in model.labels]
    write_image(arguments.out, methods_by_class(face.pixels, columns, maps, remarks), force=True)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
