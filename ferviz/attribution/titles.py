"""What a picture says in words about the method and the targets that it shows."""

from __future__ import annotations

from collections.abc import Sequence

PREDICTED = "predicted"
"""The target that stands for whatever class the network says."""

TITLES = {
    "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "hirescam": "HiResCAM", "layercam": "LayerCAM", "xgradcam": "XGrad-CAM",
    "eigencam": "Eigen-CAM", "scorecam": "Score-CAM", "ablationcam": "Ablation-CAM", "smoothgrad": "SmoothGrad", "rise": "RISE",
}  # fmt: skip
"""Methods whose usual spelling is not their name with a capital."""

SIZES = ("saliency", "smoothgrad", "guided-backprop")
"""Methods that tell how much a pixel matters; which way, only when their maps are signed."""


def title(method: str) -> str:
    """Return a method's name as people write it; "tf-keras-vis:gradcam" is another package's."""
    source, _, name = method.rpartition(":")
    words = TITLES.get(name) or name[:1].upper() + name[1:].replace("-", " ")
    return f"{words} ({source})" if source else words


def subtitle(method: str, targets: Sequence[str], labels: Sequence[str], signed: bool) -> str:
    """Return what the maps show. targets: their names. labels: the network's classes. signed: some values are negative."""
    pair = contrast(targets, labels)
    if pair:
        return f"what speaks for {pair[0]} rather than {pair[1]}"
    speaks = "what speaks for and against" if signed else "what matters for" if method in SIZES else "what speaks for"
    if len(targets) > 1:
        return f"{speaks} each {'class' if set(targets) <= set(labels) else 'target'}"
    return f"{speaks} the predicted class" if targets[0] == PREDICTED else f"{speaks} {targets[0]}"


def contrast(targets: Sequence[str], labels: Sequence[str]) -> tuple[str, str] | None:
    """Return (a, b) where the only target is "a-b" of two classes; class names may themselves contain a hyphen."""
    if len(targets) != 1 or targets[0] in labels:
        return None
    known = (*labels, PREDICTED)
    pairs = ((a, targets[0][len(a) + 1 :]) for a in known if targets[0].startswith(f"{a}-"))
    return next(((a, b) for a, b in pairs if b in known), None)
