"""python -m ferviz."""

from ferviz.cli import main

if __name__ == "__main__":
    main()
