"""`python -m longsight COMMAND`."""

import sys

from longsight.cli import main

if __name__ == "__main__":
    sys.exit(main())
