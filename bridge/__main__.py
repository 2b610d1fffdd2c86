"""``python -m bridge``: the same as ``vcd-bridge``."""

from __future__ import annotations

from bridge.cli.entry import command


def main() -> None:
    """Entry point of the command ``vcd-bridge``."""
    command()


if __name__ == "__main__":
    main()
