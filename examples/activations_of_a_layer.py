"""What one layer makes of a face: its channels as an array, and as a picture."""

import argparse
from pathlib import Path

import ferviz

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("picture", nargs="?", default=Path(__file__).parent / "astronaut.png")
parser.add_argument("--layer", help="default: the layer that a heatmap would be made of")
parser.add_argument("--out", type=Path, default=Path("activations.png"))
args = parser.parse_args()

model = ferviz.load_model()
layer = args.layer or model.default_layer()[0]
activations = ferviz.activations(model, ferviz.find_faces(args.picture), layers=[layer])

array = activations.arrays[layer]
print(
    f"{layer}: {array.shape} (faces, rows, columns, channels), mean {array.mean():.3f}, {(array > 0).mean():.0%} active"
)
activations.plot(mode="channels").savefig(args.out, dpi=120)
print("written:", args.out)
