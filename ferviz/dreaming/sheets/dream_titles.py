"""What a picture of dreams is called, and each dream on it."""

from __future__ import annotations

from collections.abc import Sequence

from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.terms.class_terms import Logit
from ferviz.dreaming.terms.layer_terms import Channel, Layer, Neuron


def dream_title(objectives: Sequence[Objective], whose: str, pictured: bool) -> tuple[str, str]:
    """Return a heading that says what is shown, and what stands beside it.

    Args:
        objectives: what was dreamt.
        whose: the network.
        pictured: the dreams begin with a picture.
    """
    kinds = {_kind(objective) for objective in objectives}
    layers = ", ".join(dict.fromkeys(name for objective in objectives for name in objective.layers))
    if kinds == {"class"}:
        if pictured:
            return "A picture, before and after", f"made more of a class for {whose}"
        return "Dreams of classes", f"what raises them for {whose}"
    if kinds == {"contrast"}:
        return "Dreams of contrasts", f"one class rather than another, for {whose}"
    if kinds == {"channel"}:
        return "Dreams of channels", f"what excites channels of {layers} of {whose}"
    if kinds == {"neuron"}:
        return "Dreams of single cells", f"what excites cells of {layers} of {whose}"
    if kinds == {"layer"}:
        if pictured:
            return "A picture, before and after", f"more of what {layers} of {whose} sees"
        return "Dreams of whole layers", f"what excites {layers} of {whose}"
    return "Dreams", f"what moves {whose}"


def dream_names(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return what each dream is called on the picture.

    Args:
        objectives: what was dreamt.
    """
    one_layer = len({name for objective in objectives for name in objective.layers}) == 1
    names = []
    for objective in objectives:
        term = objective.terms[0][1]
        if _kind(objective) == "contrast" and " - " in objective.name:
            names.append(" rather than ".join(objective.name.split(" - ", 1)))
        elif _kind(objective) == "channel" and one_layer and not objective.label and isinstance(term, Channel):
            names.append(f"channel {term.index}")
        else:
            names.append(objective.name)
    return tuple(names)


def _kind(objective: Objective) -> str:
    terms = [term for _, term in objective.terms]
    if all(isinstance(term, Logit) for term in terms):
        weights = [weight for weight, _ in objective.terms]
        return "class" if len(terms) == 1 else "contrast" if weights == [1, -1] else "sum"
    if len(terms) != 1:
        return "sum"
    for kind, name in ((Neuron, "neuron"), (Channel, "channel"), (Layer, "layer")):
        if isinstance(terms[0], kind):
            return name
    return "other"
