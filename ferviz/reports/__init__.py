"""A report about a network on a data set: one HTML file that one can send."""
