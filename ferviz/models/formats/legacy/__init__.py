"""Configurations of Keras 1 and 2, upgraded to the form that Keras 3 reads."""
