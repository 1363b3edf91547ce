"""
Look at a data set
==================

Before a network is trained: how many faces of each class, what a typical one looks like, and which pictures occur twice. The faces
here are drawn by ferviz itself: cartoons of which only the mouth differs between the classes.
"""

import ferviz
from ferviz.data.synthetic import cartoons

faces = cartoons.make(240, seed=1, task="mouth")
data = faces.dataset(0.25)
print(len(data), "faces of", ", ".join(data.names))

summary = ferviz.describe_data(data)
summary.save("data.png", force=True)
summary

# %%
# Every cartoon comes with a mask of the pixels that can change with the class. A network that is good at this task has to use them, so a
# heatmap can be checked against the mask.

print(f"the mouth takes {faces.masks.mean():.0%} of a picture")
print("written: data.png")
