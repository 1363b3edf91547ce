"""The variables that the ascent changes, and the pictures that follow from them."""
