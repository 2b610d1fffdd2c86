"""``python -m bridge``: the same as ``vcd-bridge``."""

from __future__ import annotations

from bridge.cli.loading import loading


def main() -> None:
    """Entry point of the command ``vcd-bridge``."""
    with loading():
        from bridge.cli.entry import command

    command()


if __name__ == "__main__":
    main()
