"""Foreign files: from the bytes of a network's file to a checked Keras model."""
