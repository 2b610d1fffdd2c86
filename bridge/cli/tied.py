"""``python -m bridge.cli.tied VERB …``: a verb that ends with its parent, however the parent ends.

Standard input is a pipe whose other end only the parent holds: its end of file is the parent's. Unlike a signal at the
parent's death, that needs no operating system in particular.
"""

from __future__ import annotations

import os
import threading

from bridge.cli.entry import command
from bridge.cli.interrupting import EXIT_INTERRUPTED

_INPUT = 0


def _end_with_parent() -> None:
    # Not through sys.stdin: a thread that reads there holds a lock that the interpreter wants when it ends.
    while os.read(_INPUT, 1024):
        continue
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    command()
