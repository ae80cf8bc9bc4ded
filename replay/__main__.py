"""`python -m replay`: the command line of evaluation."""

import sys

from journal.cli import main_of
from replay.commands import app

if __name__ == "__main__":
    sys.exit(main_of(app, "replay"))
