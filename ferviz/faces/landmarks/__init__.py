"""Five landmarks on every face: those of a detector, of YuNet, of the network that comes with ferviz, or as the last resort a template."""
