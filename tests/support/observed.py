"""The bridge's command line with the simulator's answers kept in a file: ``observed FILE simulator …``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bridge.cli.loading import loading

with loading():
    from bridge.__main__ import main
    from tests.fidelity.conformity.answers import Kept, watch


def run(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def keep(answer: Kept) -> None:
        os.write(file, answer.line().encode())

    watch(keep)
    main()


if __name__ == "__main__":
    run(Path(sys.argv.pop(1)))
