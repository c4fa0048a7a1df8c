"""``python -m skdsm``: see skdsm.command."""

import sys

from skdsm.command.main import main

if __name__ == "__main__":
    sys.exit(main())
