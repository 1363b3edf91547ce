"""Results as tables: which rows of one, and data frames for other programs."""
