"""Explain one picture: where does each of the seven classes find its evidence?"""

import argparse
from pathlib import Path

import ferviz

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("picture", nargs="?", default=Path(__file__).parent / "astronaut.png")
parser.add_argument("--out", type=Path, default=Path("explain_one.png"))
parser.add_argument("--model", help="a network file; default: the bundled one")
args = parser.parse_args()

model = ferviz.load_model(args.model)
faces = ferviz.find_faces(args.picture)
explanation = ferviz.explain(model, faces, method="gradcam", target="all")

for face in explanation.predictions:
    ranked = sorted(face.probabilities.items(), key=lambda item: -item[1])
    print(", ".join(f"{label} {p:.2f}" for label, p in ranked[:3]))

# raw (faces, targets, h, w) is never normalised, so its numbers compare across classes and pictures.
for target, raw in zip(explanation.targets, explanation.raw[0], strict=True):
    row, column = divmod(int(raw.argmax()), raw.shape[1])
    print(
        f"{target:9s} strongest evidence {raw.max():.3f} at row {row}, column {column} of {raw.shape[0]}x{raw.shape[1]}"
    )

explanation.save(args.out, force=True)
explanation.save(args.out.with_suffix(".npz"), force=True)
print("written:", args.out, args.out.with_suffix(".npz"))
