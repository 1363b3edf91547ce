"""One gradient rule per operation, written only in operations that LiteRT has; `RULES` has them by the operation's name.

TensorFlow's own gradients use operations of their own (ReluGrad, MaxPoolGrad, depthwise back-propagation, shapes computed
while it runs) that no LiteRT runtime knows. The rules here say the same with products, paddings, slices and plain
convolutions, for any number of pictures at once; constants (weights) never get a gradient.
"""

from ferviz.engines.compiler.gradient_rules import conv_gradients, elementwise_gradients, shape_gradients
from ferviz.engines.compiler.gradient_rules.rule import RULES

__all__ = ["RULES", "conv_gradients", "elementwise_gradients", "shape_gradients"]
