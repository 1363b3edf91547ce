"""The single ideas that objectives are made of."""
