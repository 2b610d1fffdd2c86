"""Every branch of recovery of external tasks tells what it rests on; of action requests see the properties."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.core.commands import Decision
from bridge.core.external.lifecycle import decide_external
from bridge.core.external.transitions import EXTERNAL_TRANSITIONS
from bridge.core.inputs import Looked, Restored, Unreadable, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from tests.core.properties import rests_on
from tests.transcripts import player

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "transcripts").glob("external_*.txt"))
OF_RECOVERY = (Looked, Vanished, Unreadable, Restored)
Decide = Callable[..., Decision]


def test_every_branch_tells_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transcripts pass through every row of the table."""
    seen: set[tuple[Phase, type, Phase]] = set()
    quiet: list[str] = []
    monkeypatch.setattr(player, "decide_external", _watched(decide_external, seen, quiet))
    for path in TRANSCRIPTS:
        player.play(path.read_text())
    assert not quiet
    wanted = {
        (phase, kind, after)
        for phase, row in EXTERNAL_TRANSITIONS.items()
        for kind, ends in row.items()
        for after in ends
        if kind in OF_RECOVERY
    }
    assert wanted <= seen


def _watched(real: Decide, seen: set[tuple[Phase, type, Phase]], quiet: list[str]) -> Decide:
    def decide(now: object, before: Lifecycle, event: object, *more: object) -> Decision:
        decision = real(now, before, event, *more)
        if isinstance(event, OF_RECOVERY):
            seen.add((before.phase, type(event), decision.lifecycle.phase))
        moved = decision.lifecycle.phase is not before.phase or bool(decision.events)
        looked = isinstance(event, Looked) and event.attempt == before.attempt and before.phase is Phase.UNSURE
        looks_on = decision.lifecycle.phase is Phase.UNSURE and before.phase is Phase.PARKED
        of_recovery = looked or (moved and isinstance(event, OF_RECOVERY) and not looks_on)
        if of_recovery and not rests_on(before, decision):
            quiet.append(f"{before.phase} {type(event).__name__} -> {decision.lifecycle.phase}: {decision.events}")
        return decision

    return decide
