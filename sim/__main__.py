"""`python -m sim`: the command line of the simulated world."""

import sys

from journal.cli import main_of
from sim.commands import app

if __name__ == "__main__":
    sys.exit(main_of(app, "sim"))
