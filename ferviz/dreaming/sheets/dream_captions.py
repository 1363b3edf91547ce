"""What stands under each dream, and under all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ferviz.dreaming.result import Dream


def captions(dream: Dream) -> list[list[str]]:
    """Describe each dream in a few lines: what the network that dreams says of it, then each judge.

    Args:
        dream: the dreams.

    Returns:
        (K,) lists of lines.
    """
    texts: list[list[str]] = []
    for k in range(len(dream)):
        if dream.targets[k]:
            was = f" (before {dream.probability_before[k]:.2f})" if len(dream.before) else ""
            lines = [_verdict("this network", dream.targets[k], dream.predicted[k], dream.probability[k], was)]
        else:
            lines = [f"{dream.trace[k, 0]:.3g} to {dream.scores[k]:.3g}"]
        if dream.judgement is not None:
            j = dream.judgement
            lines += [
                _verdict(name, j.targets[k], predicted[k], probability[k])
                for name, predicted, probability in zip(j.judges, j.predicted, j.probability, strict=True)
            ]
        texts.append(lines)
    return texts


def notes(dream: Dream) -> tuple[str, ...]:
    """Return the sentences under a sheet: how the dreams were made, and how to read the captions.

    Args:
        dream: the dreams.
    """
    s = dream.settings
    if s.get("octaves"):
        largest = s["octaves"][-1]
        how = f"DeepDream of a picture, {len(s['octaves'])} octaves up to {largest[1]} x {largest[0]}"
    else:
        prior = s.get("prior")
        strength = "" if prior in (None, "none", "spectrum") else f" at strength {s.get('strength', 1):g}"
        begun = "from a picture, " if s.get("start") == "picture" else ""
        how = f"{begun}prior: {prior}{strength}"
    samples = f"{s.get('samples')} sample" + ("" if s.get("samples") == 1 else "s")
    digest = f" ({str(s.get('model_sha256'))[:8]})" if s.get("model_sha256") else ""
    sentences = [
        f"{how}; {s.get('steps')} steps, {samples} each, seed {s.get('seed')}; network {s.get('model')}{digest}."
    ]
    under = "Under each picture: what is raised, over the steps"
    if any(dream.targets):
        under += '; "this network" is the one that dreams, and how sure it is of the class'
    if dream.judgement is not None:
        under += "; the other names are judges that took no part"
    sentences.append(f"{under}.")
    if isinstance(s.get("margins"), dict) and s["margins"]:
        cells = ", ".join(f"{count} along each border of {layer}" for layer, count in s["margins"].items())
        sentences.append(f"Cells that see the padding do not count: {cells}.")
    if s.get("copies") not in (None, 1):
        sentences.append("Each copy has its own start and its own views, and is rewarded for being unlike the others.")
    return (*sentences, "A dream shows what moves this network, not how people look.")


def _verdict(judge: str, target: str, predicted: str, probability: float, before: str = "") -> str:
    if np.isnan(probability):
        return f"{judge}: {predicted} (does not know {target})"
    return f"{judge}: {target} {probability:.2f}{before}" + ("" if predicted == target else f", predicts {predicted}")
