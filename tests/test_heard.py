"""A signal is heard in whichever thread it arrives."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = """
import os, signal, threading
other = threading.Event()
threading.Thread(target=other.wait, daemon=True).start()  # as numpy's are: it blocks nothing
from serving.heard import Heard
heard = Heard((signal.SIGHUP, signal.SIGTERM))
assert heard.wait(0) == set()
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
os.kill(os.getpid(), signal.SIGHUP)
assert heard.wait(10) == {signal.SIGHUP}
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGHUP)
assert heard.wait(10) | heard.wait(1) == {signal.SIGHUP, signal.SIGTERM}
assert heard.wait(0) == set()
print("alive")
"""


def test_a_signal_is_heard_whose_thread_ever_it_was_sent_to() -> None:
    """Blocked in the main thread it goes to another, where it ended the process."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
