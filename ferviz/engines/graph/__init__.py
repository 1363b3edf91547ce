"""What every engine shares that has its network as one TensorFlow graph, whatever the network was written with."""

from ferviz.engines.graph.graph_engine import GraphEngine

__all__ = ["GraphEngine"]
