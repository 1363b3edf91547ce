"""
Compare methods
===============

Grad-CAM shows where evidence lies in one layer; RISE and region occlusion show what the score loses when a place is hidden, and the
bundled network has learned to draw that in one pass. They answer two questions, and need not agree.
"""

from pathlib import Path

import ferviz

here = Path(__file__).parent

model = ferviz.load_model()
face = ferviz.find_faces(here / "astronaut.png", largest=True)[0]
methods = ("gradcam", "fastshap", "rise", "region-occlusion")
comparison = ferviz.compare_explanations(model, face, methods=methods, target="happy")
comparison.save("compare_methods.png", force=True)
comparison

# %%
# In its last layer this network collects the evidence for happy around the nose, but hiding the nose costs it nothing, while hiding the
# mouth does. Each map was tested on the network itself: what it points at is hidden and shown, and so is a blob in the middle of the face.

for method, explanation in zip(methods, comparison.explanations, strict=True):
    ((verdict,),) = explanation.trust.verdicts
    print(f"{method:17s}", verdict.sentence)

# %%
# The rank correlation of each pair of maps:

for method, row in zip(methods, comparison.correlation, strict=True):
    print(f"{method:17s}", "  ".join(f"{value:+.2f}" for value in row))
print("written: compare_methods.png")
