"""A network as boxes and arrows: where the boxes go, and the figure."""
