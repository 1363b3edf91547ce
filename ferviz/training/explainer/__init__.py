"""Teaching a network to explain itself: a small network that answers at once what hiding parts of the face would tell."""
