"""What training minimises: the classes, what teachers answer, and what the cells of a map give."""
