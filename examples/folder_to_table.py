"""A folder of pictures to a table: label, probability, and how much of the evidence lies in eyes, nose and mouth."""

import argparse
import csv
from pathlib import Path

import ferviz
from ferviz.faces.regions import regions
from ferviz.images import list_pictures

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", nargs="?", default=Path(__file__).parent)
parser.add_argument("--out", type=Path, default=Path("faces.csv"))
parser.add_argument("--method", default="gradcam")
args = parser.parse_args()

model = ferviz.load_model()
faces = []
for path in list_pictures([args.folder]):
    try:
        faces += ferviz.find_faces(path)
    except ferviz.FervizError as error:  # no face, or not a picture: say so and go on
        print(error)

explanation = ferviz.explain(model, faces, method=args.method)
height, width = explanation.heatmaps.shape[-2:]
bands = regions(height, width)

with args.out.open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["picture", "label", "probability", *bands])
    for face, prediction, heat in zip(faces, explanation.predictions, explanation.heatmaps[:, 0], strict=True):
        total = heat.sum() or 1.0
        shares = [f"{heat[mask].sum() / total:.3f}" for mask in bands.values()]
        table.writerow([face.source, prediction.label, f"{prediction.probabilities[prediction.label]:.3f}", *shares])
print(f"written: {args.out} ({len(faces)} faces)")
