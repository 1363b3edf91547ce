"""What can be done with maps whatever method made them: resizing, where their cells look, numbers about them."""
