"""
Compare methods
===============

Grad-CAM shows where evidence lies in one layer; occlusion and RISE show what the score loses when a place is hidden. They answer two
questions, and need not agree.
"""

from pathlib import Path

import numpy as np

import ferviz
from ferviz.rendering.sheets.comparison_sheet import methods_by_class

here = Path(__file__).parent

model = ferviz.load_model()
face = ferviz.find_faces(here / "astronaut.png", largest=True)[0]
targets = ["happy", "surprise", "neutral"]

maps = {}
for method in ("gradcam", "rise", "occlusion", "region-occlusion"):
    explanation = ferviz.explain(model, face, method=method, target=",".join(targets))
    maps[method] = explanation.heatmaps[0]

probabilities = model.predict(face)[0].probabilities
columns = [f"{target} {probabilities[target]:.2f}" for target in targets]
picture = methods_by_class(face.pixels, columns, maps)
picture.save("compare_methods.png")
picture

# %%
# In its last layer this network collects the evidence for happy around the nose, but hiding the nose costs it nothing, while hiding the
# mouth does. The correlation of each pair of maps:

happy = np.stack([maps[name][0].ravel() for name in maps])
for name, row in zip(maps, np.corrcoef(happy), strict=True):
    print(f"{name:17s}", "  ".join(f"{value:+.2f}" for value in row))
print("written: compare_methods.png")
