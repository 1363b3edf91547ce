"""PyTorch networks: an engine over a live `nn.Module`, without TensorFlow and without an export."""
