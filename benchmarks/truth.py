"""Do attribution methods find the evidence where it is known? The table of benchmarks/results.md.

    python benchmarks/truth.py [--faces 96] [--task mouth] [--methods rise,shapley] [--save tests/attribution/mouth_network.npz]

Trains a small network on cartoon faces (ferviz.data.synthetic.cartoons) of which one part alone tells the class, then
explains faces it has not seen. Printed for each method: how often the highest value lies in the telling region (pointing
game), what share of the positive evidence lies there, that share over the region's own share of the picture (1 = chance), and
the parameter randomisation test: the rank correlation of its (signed) maps with those of the same network after its last
layer was drawn anew, mean over four draws: near 1 means that the map does not depend on what the network has learned about
the classes.
--save keeps the trained weights; tests/attribution/test_truth.py asks the network that was kept so, which it does not train again.
Everything is seeded; the numbers differ from machine to machine in the last digits only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.attribution.explain import explain
from ferviz.attribution.maps.metrics import mass_inside, pointing_game, rank_correlation
from ferviz.attribution.methods.registry import METHODS, methods
from ferviz.data.synthetic.cartoons import CartoonSet, make
from ferviz.engines.backend import keras as get_keras
from ferviz.engines.keras import KerasEngine
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

SIZE = 48


def network(classes: int, seed: int = 0, size: int = SIZE) -> Any:
    """A small network with a 12 x 12 last map and a global mean before its one dense layer."""
    keras = get_keras()
    layers = keras.layers
    initial = iter(keras.initializers.HeNormal(seed=seed + i) for i in range(9))
    picture = layers.Input((size, size, 1))
    x = picture
    for number, filters in enumerate((12, 24, 32), 1):
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer=next(initial), name=f"conv{number}"
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        if number < 3:
            x = layers.MaxPooling2D(name=f"pool{number}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(picture, layers.Dense(classes, kernel_initializer=next(initial), name="logits")(x))


def trained(
    task: str = "mouth", faces: int = 1536, epochs: int = 14, seed: int = 0, size: int = SIZE
) -> tuple[Model, float]:
    """Train on one cartoon task -> the model and its accuracy on 256 faces that it has not seen."""
    keras = get_keras()
    data, unseen = make(faces, seed, task, size), make(256, seed + 1, task, size)
    net, batches = network(len(data.names), seed, size), -(-faces // 32)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, epochs * batches))
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(faces), batches):
            net.train_on_batch(data.images[rows, ..., None] / np.float32(255), data.labels[rows])
    model = model_of(net, data.names, task)
    return model, float((model.logits(unseen.images).argmax(1) == unseen.labels).mean())


def model_of(net: Any, names: tuple[str, ...], task: str) -> Model:
    """A network with what it takes and says."""
    size = net.input_shape[1]
    return Model(f"cartoon-{task}", "", names, InputSpec(size, size, 1), KerasEngine(net))


def loaded(path: Path, task: str = "mouth") -> Model:
    """The network whose weights were kept."""
    names = make(1, 0, task).names
    net = network(len(names))
    with np.load(path, allow_pickle=False) as file:
        net.set_weights([file[name] for name in file.files])
    return model_of(net, names, task)


def randomised(model: Model, seed: int = 100) -> Model:
    """The same network with its last layer's weights drawn anew, as large as they were (first step of Adebayo et al. 2018)."""
    net = network(len(model.labels), size=model.input.height or SIZE)
    weights = model.engine.network.get_weights()  # type: ignore[attr-defined]
    weights[-2] = np.random.default_rng(seed).normal(size=weights[-2].shape) * weights[-2].std()
    net.set_weights(weights)
    return Model("randomised", "", model.labels, model.input, KerasEngine(net))


def first(test: CartoonSet, n: int) -> CartoonSet:
    """The first n faces."""
    return CartoonSet(test.images[:n], test.labels[:n], test.masks[:n], test.names, test.parameters.take(slice(0, n)))


def maps_of(model: Model, name: str, test: CartoonSet, signed: bool = False, **more: Any) -> np.ndarray:
    """-> (N, S, S), each face's map for its true class; signed where the method can be."""
    settings = {**(METHODS[name].signed if signed else {}), **more}
    truth, found = np.array(model.labels)[test.labels], np.zeros(test.images.shape, np.float32)
    for label in model.labels:
        rows = truth == label
        found[rows] = explain(model, test.images[rows], name, label, test=False, **settings).heatmaps[:, 0]
    return found


def score(model: Model, name: str, test: CartoonSet, **settings: Any) -> dict[str, float]:
    """-> pointing: share of hits; mass: share of evidence in the region; chance: the region's share of the picture."""
    maps = maps_of(model, name, test, **settings)
    return {
        "pointing": float(pointing_game(maps, test.masks).mean()),
        "mass": float(mass_inside(maps, test.masks).mean()),
        "chance": float(test.masks.mean()),
    }


def after_randomising(model: Model, name: str, test: CartoonSet, draws: int = 4) -> float:
    """-> mean rank correlation of the signed maps with those of networks whose last layer was drawn anew."""
    ours = maps_of(model, name, test, signed=True)
    found = []
    for seed in range(draws):
        theirs = maps_of(randomised(model, 100 + seed), name, test, signed=True)
        found += [rank_correlation(a, b) for a, b in zip(ours, theirs, strict=True)]
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=96)
    parser.add_argument("--task", default="mouth")
    parser.add_argument("--methods", help="names with commas between; none = all")
    parser.add_argument("--save", type=Path, help="keep the weights in this .npz file, and measure nothing")
    arguments = parser.parse_args()
    model, accuracy = trained(arguments.task)
    if arguments.save:
        np.savez(arguments.save, *model.engine.network.get_weights())  # type: ignore[attr-defined]
        print(f"{arguments.task}: accuracy {accuracy:.3f} on 256 new faces, kept in {arguments.save}")
        return
    test = make(arguments.faces, 7, arguments.task)
    print(
        f"{arguments.task}: accuracy {accuracy:.3f} on 256 new faces; the region is {test.masks.mean():.1%} of the picture\n"
    )
    print(
        "| method | highest value in the region | evidence in the region | x chance | correlation after randomising |"
    )
    print("|---|---|---|---|---|")
    chosen = (
        arguments.methods.split(",")
        if arguments.methods
        else [n for n in methods() if ":" not in n and not METHODS[n].needs_explainer]
    )
    for name in chosen:
        s, few = score(model, name, test), first(test, 12)
        again = after_randomising(model, name, few)
        print(
            f"| {name} | {s['pointing']:.0%} | {s['mass']:.0%} | {s['mass'] / s['chance']:.1f} | {again:+.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
