"""Entry point of ``python -m rowsmith.cli``."""

import sys
from pathlib import Path

from rowsmith.cli import main

if __name__ == "__main__":
    # With ``python -m`` modules are imported from the working folder first, which may hold files of unknown origin.
    if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]
    main()
