"""Documents of one HTML file that ask no other host for anything and run no script."""
