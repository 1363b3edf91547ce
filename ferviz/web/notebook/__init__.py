"""The studio's canvas as a widget for notebooks."""
