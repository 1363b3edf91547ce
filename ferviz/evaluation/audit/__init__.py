"""Would this accuracy be believed? What a reader asks of a published figure, answered from the network, its run and its data."""
