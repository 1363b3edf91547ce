"""What pictures of results show, as plain data."""
