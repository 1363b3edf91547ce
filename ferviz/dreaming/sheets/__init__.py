"""What pictures of dreams show."""
