"""Mutations of files: each takes the bytes of a seed, a random generator and the other seeds, and returns the bytes of a case."""
