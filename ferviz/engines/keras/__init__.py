"""Keras networks: the engine that traces them, the one that only predicts, and what else is read off a traced network."""

from ferviz.engines.keras.keras_engine import KerasEngine

__all__ = ["KerasEngine"]
