"""A network that ferviz has never seen, here a tiny untrained one, goes through the same calls."""

import argparse
from pathlib import Path

import ferviz

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path("your_own_network.png"))
args = parser.parse_args()

# Any Keras network will do: functional, Sequential, subclassed, nested. This one stands in for yours.
import keras  # noqa: E402

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
network.save(args.out.with_suffix(".keras"))

# The file says nothing about value range and classes, so we do.
model = ferviz.load_model(args.out.with_suffix(".keras"), labels=["happy", "sad", "neutral"], scaling="-1..1")
for layer in model.layers:
    print(f"{layer.name:20s} {layer.kind:16s} {layer.shape}")

faces = ferviz.find_faces(Path(__file__).parent / "astronaut.png")
ferviz.explain(model, faces, target="happy-sad", layer="last_map").save(args.out, force=True)
print("written:", args.out)
