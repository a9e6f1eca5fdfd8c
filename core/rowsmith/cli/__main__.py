"""Runs the command line as ``python -m rowsmith.cli``."""

from rowsmith.cli import main

if __name__ == "__main__":
    main()
