"""Fuzzing of every reader of files: seeds, mutations that know the format, and workers in which nothing may happen but a sentence."""
