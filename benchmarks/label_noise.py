"""FER2013's labels, FERPlus' annotators and a network on the same faces: who agrees with whom, and what doubts about labels are worth.

python benchmarks/label_noise.py fer2013.csv fer2013new.csv [--model FILE] [--split PublicTest]

The doubts are those of the studio's data room: faces sorted by how little probability the network leaves their label. The second table
compares the first of them with FERPlus' votes. The third plants errors, other labels drawn at random, on faces whose label FERPlus'
majority shares, so that the truth is known: means of several draws, the lowest and the highest.
"""

from __future__ import annotations

import argparse

import numpy as np

import ferviz
from ferviz.data.ferplus import majority
from ferviz.emotions import FERPLUS
from ferviz.evaluation.metrics import wilson

FIRST = (20, 50, 100, 200, 500)
"""So many of the most doubtful faces are looked at."""
PLANTED = (0.01, 0.05, 0.1, 0.2)
DRAWS = 20


def interval(hits: int, count: int) -> str:
    """-> a share in percent, with Wilson's interval."""
    low, high = wilson(hits, count)
    return f"{100 * hits / count:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def print_doubts(probabilities: np.ndarray, labels: np.ndarray, names: tuple[str, ...], votes: np.ndarray) -> None:
    """Print how often annotators share the doubts about labels, for the first faces and for all.

    Args:
        probabilities: (N, K) of the network.
        labels: (N,) indices into `names`.
        names: K classes.
        votes: (N, 10) of FERPlus.
    """
    order = np.argsort(probabilities[np.arange(len(labels)), labels], kind="stable")
    own = votes[np.arange(len(labels)), [FERPLUS.index(names[k]) for k in labels]]
    wrong, disputed, nobody = own <= 1, own < votes.max(axis=1), own == 0
    print("\n| the most doubtful | nobody of ten gave the label | at most one did | another answer has more votes |")
    print("|---|---|---|---|")
    for count in (*FIRST, len(labels)):
        row = [interval(int(kind[order[:count]].sum()), count) for kind in (nobody, wrong, disputed)]
        print(f"| {'all' if count == len(labels) else 'first'} {count:,} | {' | '.join(row)} |")


def print_planted(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Print how many planted errors stand among the most doubtful faces: means of draws, and the lowest and the highest.

    Args:
        probabilities: (N, K) of the network.
        labels: (N,) that are right.
    """
    count, classes = probabilities.shape
    print(
        f"\n| errors planted in {count:,} faces | in the first 100 | in as many as were planted | half are found in |"
    )
    print("|---|---|---|---|")
    for share in PLANTED:
        number, rows = round(share * count), []
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            planted = np.zeros(count, bool)
            planted[rng.choice(count, number, replace=False)] = True
            given = np.where(planted, (labels + rng.integers(1, classes, count)) % classes, labels)
            hits = planted[np.argsort(probabilities[np.arange(count), given], kind="stable")].cumsum()
            rows.append((hits[99], 100 * hits[number - 1] / number, int((hits < number / 2).sum()) + 1))
        (top, precision, half), low, high = np.mean(rows, axis=0), np.min(rows, axis=0), np.max(rows, axis=0)
        row = f"| {100 * share:.0f} % ({number}) | {top:.0f} ({low[0]:.0f} to {high[0]:.0f}) | {precision:.0f} % "
        print(f"{row}({low[1]:.0f} to {high[1]:.0f}) | {half:.0f} faces |")


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
    probabilities = model.probabilities_of(logits)
    columns = [model.labels.index(name) for name in data.names]
    print_doubts(probabilities[:, columns], data.labels, data.names, data.votes)
    agreed = voted == label
    print_planted(probabilities[agreed][:, columns], data.labels[agreed])


if __name__ == "__main__":
    main()
