"""
Happy rather than surprise
==========================

A target can be a contrast of two classes. The map is signed then: red is evidence for the first, blue for the second.
"""

from pathlib import Path

import ferviz

here = Path(__file__).parent

model = ferviz.load_model()
faces = ferviz.find_faces(here / "astronaut.png")
explanation = ferviz.explain(model, faces, method="hirescam", target="happy-surprise")
explanation.save("happy_rather_than_surprise.png", force=True)
explanation

# %%
# Behind a linear head, HiResCAM adds up to what the layer contributed to the difference of the two logits, so shares can be computed.

raw = explanation.raw[0, 0]
print(f"for happy {raw[raw > 0].sum():+.2f}, for surprise {raw[raw < 0].sum():+.2f}, together {raw.sum():+.2f}")
print("written: happy_rather_than_surprise.png")
