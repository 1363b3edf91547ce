"""
A folder of pictures to a table
===============================

For every face of a folder: label, probability, and how much of the evidence lies in each region of the face.
"""

import csv
from pathlib import Path

import ferviz
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.images.listing import list_pictures

here = Path(__file__).parent
folder = here / "astronaut.png"  # a picture, or a folder: everything below it is read

model = ferviz.load_model()
faces = []
for path in list_pictures([folder]):
    try:
        faces += ferviz.find_faces(path)
    except ferviz.FervizError as error:  # no face, or not a picture: report it and continue
        print(error)

# %%
# One call explains all faces; the regions are placed by each face's landmarks.

explanation = ferviz.explain(model, faces, method="gradcam")
masks = FaceRegions.of(locate_landmarks(faces), explanation.heatmaps.shape[-2:]).masks

rows = []
for face, prediction, heatmap, regions in zip(
    faces, explanation.predictions, explanation.heatmaps[:, 0], masks, strict=True
):
    total = heatmap.sum() or 1.0
    shares = {name: float((heatmap * mask).sum() / total) for name, mask in zip(REGIONS, regions, strict=True)}
    rows.append({"picture": Path(face.source).name, "label": prediction.label, **shares})
    print(prediction.label, {name: f"{share:.0%}" for name, share in shares.items()})

with Path("faces.csv").open("w", newline="") as file:
    table = csv.DictWriter(file, ["picture", "label", *REGIONS])
    table.writeheader()
    table.writerows(rows)
print(f"written: faces.csv ({len(faces)} faces)")
explanation
