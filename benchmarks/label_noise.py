"""FER2013's labels, FERPlus' annotators and a network on the same faces: who agrees with whom.

python benchmarks/label_noise.py fer2013.csv fer2013new.csv [--model FILE] [--split PublicTest]
"""

from __future__ import annotations

import argparse

import numpy as np

import ferviz
from ferviz.data.ferplus import majority
from ferviz.emotions import FERPLUS


def main() -> None:
    """Print one line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("votes")
    parser.add_argument("--model")
    parser.add_argument("--split", default="PublicTest")
    arguments = parser.parse_args()
    model = ferviz.load_model(arguments.model)
    data = ferviz.read_data(arguments.data, labels="7", votes=arguments.votes, split=arguments.split)
    images = data.images
    logits = np.concatenate([model.logits(images[i : i + 256]) for i in range(0, len(images), 256)])
    predicted = np.array(model.labels)[logits.argmax(1)]
    label = np.array(data.names)[data.labels]
    votes = majority(data.votes)
    voted = np.where(votes < 0, "", np.array(FERPLUS)[votes])

    clear = np.isin(voted, data.names)
    wrong = clear & (predicted != label)
    neutral = clear & (label == "sad") & (predicted == "neutral")
    for text, faces, agree in (
        ("FERPlus' majority is the label, where there is a majority", voted != "", voted == label),
        ("the network predicts the label", np.ones(len(label), bool), predicted == label),
        (
            "the network predicts the label, where FERPlus' majority is the label too",
            clear & (voted == label),
            predicted == label,
        ),
        ("the network predicts FERPlus' majority, where it is one of the seven", clear, predicted == voted),
        ("FERPlus' majority is the prediction, where the network is wrong by the label", wrong, voted == predicted),
        ("FERPlus' majority is the label, where the network is wrong by the label", wrong, voted == label),
        (
            "FERPlus' majority is neutral, where the label is sad and the prediction neutral",
            neutral,
            voted == "neutral",
        ),
    ):
        print(f"| {text} | {faces.sum():,} | {100 * agree[faces].mean():.1f} % |")


if __name__ == "__main__":
    main()
