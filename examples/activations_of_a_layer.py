"""
Activations of a layer
======================

What one layer makes of a face: its channels as a picture, and as an array.
"""

from pathlib import Path

import ferviz

here = Path(__file__).parent

model = ferviz.load_model()
layer, _ = model.default_layer()
faces = ferviz.find_faces(here / "astronaut.png")
activations = ferviz.activations(model, faces, layers=[layer])

figure = activations.plot(mode="channels")
figure.savefig("activations.png", dpi=120)
figure

# %%
# The array is (faces, rows, columns, channels).

array = activations.arrays[layer]
print(f"{layer}: {array.shape}, mean {array.mean():.3f}, {(array > 0).mean():.0%} of the values are active")
print("written: activations.png")
