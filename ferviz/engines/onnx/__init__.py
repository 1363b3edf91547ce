"""ONNX networks: a reader of our own that turns a file into a TensorFlow graph, with gradients, for the graph engine."""
