"""Whole pictures of results: explanations, comparisons, activations and filters, drawn by Pillow and by matplotlib."""
