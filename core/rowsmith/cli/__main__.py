"""Entry point of ``python -m rowsmith.cli``."""

import sys
from pathlib import Path

from rowsmith.cli import main

if __name__ == "__main__":
    # Started as a module, Python looks for every module in the working folder first, where a run directory from
    # elsewhere may lie.
    if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]
    main()
