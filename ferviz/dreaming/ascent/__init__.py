"""The ascent of a dream: from objectives and start pictures to pictures, compiled by TensorFlow or in NumPy on any engine."""
