"""The panel: which attribution method, at which layer, to believe for a network."""
