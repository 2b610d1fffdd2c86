"""Simulators in processes of their own: what they answered is judged when they have ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fidelity.conformity.answers import read_file
from tests.fidelity.conformity.judge import JUDGE


@contextmanager
def observed() -> Iterator[list[str]]:
    """The words after ``python -m`` in front of the bridge's own, in place of ``bridge``."""
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        file = Path(folder) / "answers"
        file.touch()
        yield ["tests.support.observed", str(file)]
        for answer in read_file(file):
            JUDGE.take(answer)
