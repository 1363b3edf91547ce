"""Explained faces: what the tables of a run say, as a data set whose pictures stay where they are until somebody looks at them."""
