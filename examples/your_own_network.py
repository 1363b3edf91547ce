"""
A network of your own
=====================

A Keras network that ferviz has never seen, here a tiny untrained one, goes through the same calls. (This one needs TensorFlow, so its
output is not shown on the site.)
"""

# sphinx_gallery_thumbnail_path = "images/network-bundled.png"

from pathlib import Path

import keras

import ferviz

here = Path(__file__).parent

# %%
# Any Keras network will do: functional, Sequential, subclassed, nested. This one stands for yours.

keras.utils.set_random_seed(0)
network = keras.Sequential(
    [
        keras.Input((48, 48, 1)),
        keras.layers.Conv2D(8, 3, activation="relu", padding="same"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(16, 3, activation="relu", padding="same", name="last_map"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
network.save("your_own_network.keras")

# %%
# The file does not say which values the network was trained on, nor what its outputs mean, so we do.

model = ferviz.load_model("your_own_network.keras", labels=["happy", "sad", "neutral"], scaling="-1..1")
for layer in model.layers:
    print(f"{layer.name:20s} {layer.kind:16s} {layer.shape}")

faces = ferviz.find_faces(here / "astronaut.png")
explanation = ferviz.explain(model, faces, target="happy-sad", layer="last_map")
explanation.save("your_own_network.png", force=True)
print("written: your_own_network.png")
