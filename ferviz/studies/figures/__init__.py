"""The pages that studies draw, as matplotlib Figures (never through pyplot)."""
