"""
Explain one face
================

Where does each of the seven classes find its evidence? Grad-CAM answers for all of them from one pass through the network.
"""

from pathlib import Path

import ferviz

here = Path(__file__).parent

# %%
# ``load_model()`` without a file is the bundled network, which runs without TensorFlow.

model = ferviz.load_model()
faces = ferviz.find_faces(here / "astronaut.png")
explanation = ferviz.explain(model, faces, method="gradcam", target="all")
explanation

# %%
# The same as numbers. ``raw`` (faces, targets, h, w) is never normalised, so its values compare across classes and pictures.

for target, raw in zip(explanation.targets, explanation.raw[0], strict=True):
    row, column = divmod(int(raw.argmax()), raw.shape[1])
    print(
        f"{target:9s} strongest evidence {raw.max():.3f} at row {row}, column {column} of {raw.shape[0]}x{raw.shape[1]}"
    )

# %%
# Save it as a picture and as exact numbers; both carry the manifest: how it was made.

explanation.save("explain_one_face.png", force=True)
explanation.save("explain_one_face.npz", force=True)
print("written: explain_one_face.png, explain_one_face.npz")
