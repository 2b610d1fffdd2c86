"""``python -m bridge``: the same as ``vcd-bridge``."""

from __future__ import annotations

import sys

from bridge.cli.entry import main as run_command


def main() -> None:
    """Entry point of the command ``vcd-bridge``."""
    sys.exit(run_command())


if __name__ == "__main__":
    main()
