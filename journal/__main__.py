"""`python -m journal`: the command line of a live journal's operator."""

import sys

from journal.cli import main_of
from journal.commands import app

if __name__ == "__main__":
    sys.exit(main_of(app, "journal"))
