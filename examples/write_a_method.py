"""
A method of your own
====================

An attribution method is a function from activations and gradients to maps. Batches, targets, drawing and files come from ferviz.
"""

from pathlib import Path

import numpy as np

import ferviz

here = Path(__file__).parent

# %%
# ``activation`` is (N, h, w, C), ``gradient`` (N, T, h, w, C) for T targets; the answer is (N, T, h, w).


@ferviz.register.method("absolute-cam", "channels weighted by their gradient", title="Absolute CAM", from_maps=True)
def absolute_cam(activation, gradient, *, power: float = 1.0):
    """Weigh every channel by the size of its mean gradient, for or against the target."""
    weights = np.abs(gradient.mean((2, 3))) ** power
    return np.einsum("nhwk,ntk->nthw", activation, weights)


# %%
# It now works wherever a method is named, with its keyword as a setting.

model = ferviz.load_model()
faces = ferviz.find_faces(here / "astronaut.png")
explanation = ferviz.explain(model, faces, method="absolute-cam", target="happy,sad,neutral", power=2)
explanation.save("write_a_method.png", force=True)
print("written: write_a_method.png")
explanation
