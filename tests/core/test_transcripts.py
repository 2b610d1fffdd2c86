"""Plays every transcript of ``tests/transcripts`` against the core: inputs, then exactly the expected decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts.player import play

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "transcripts").glob("*.txt"))


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 10


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    expected = path.read_text()
    assert play(expected) == expected.strip()
