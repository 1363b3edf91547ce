"""Video: read it, follow its faces, predict and explain every frame, and write it down again."""

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".ogv", ".flv", ".3gp",
)  # fmt: skip
"""What is taken for a video where a path could also be a picture."""
