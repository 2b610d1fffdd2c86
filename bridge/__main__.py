"""``python -m bridge``: the same as ``vcd-bridge``."""

from __future__ import annotations

import os
import sys

from bridge.cli.entry import EXIT_INTERRUPTED
from bridge.cli.entry import main as run_command


def main() -> None:
    """Entry point of the command ``vcd-bridge``."""
    code = run_command()
    if code == EXIT_INTERRUPTED:
        # The verb's thread may be in a client library's call, which nothing ends before its time-out.
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
