"""Video: read it, track its faces, predict and explain every frame, and write the results."""

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".ogv", ".flv", ".3gp",
)  # fmt: skip
"""Suffixes of videos, where a path could also be a picture."""
