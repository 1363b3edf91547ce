"""
Dream of two classes
====================

A dream is a picture that raises the score of a class. Both begin with the same average face; whatever expression appears comes from
the network, and the prior only keeps them faces.
"""

import ferviz

# The compiled network dreams without TensorFlow. Sixteen steps are enough for a look; the default is 128, averaged over more samples.
model = ferviz.load_model(engine="litert")
dream = ferviz.dream(model, ["happy", "surprise"], steps=16, config=ferviz.DreamConfig(samples=1))
dream.save("dream_of_two_classes.png", force=True)
dream

# %%
# What the network says about the saved pictures. Others should judge too (``dream.evaluate``): a dream that only its own network recognises
# shows a weakness of that network.

for target, probability in zip(dream.targets, dream.probability, strict=True):
    print(f"{target}: {probability:.2f}")
print("written: dream_of_two_classes.png")
