"""The number by which a store that has lost lifecycles is known never refuses one that has lost none."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.simulation.world import Plan, play
from tests.support.checker.evidence import CursorWrite, Evidence, Place, StateWrite


def _miscounted(evidence: Evidence) -> list[str]:
    """Where a restore would find another number of lifecycles than the cursor says, transaction by transaction."""
    found: list[str] = []
    live: dict[Place, set[str]] = defaultdict(set)
    told: dict[Place, int | None] = {}
    for place in {write.place for write in evidence.writes}:
        writes = [write for write in evidence.writes if write.place == place]
        for write, after in zip(writes, [*writes[1:], None], strict=True):
            if isinstance(write, StateWrite):
                (live[place].add if write.phase is not None else live[place].discard)(write.birth)
            elif isinstance(write, CursorWrite):
                told[place] = write.open_lifecycles
            ends = after is None or after.transaction != write.transaction
            if ends and told.get(place) != len(live[place]):
                found.append(f"{place} at {write.offset}: told {told.get(place)}, holds {len(live[place])}")
    return found


@pytest.mark.parametrize("first", [0, 4])
def test_after_every_transaction_the_store_holds_what_its_cursor_says(first: int) -> None:
    """Crashes, fences and unknown commits, external tasks, adopted orphans, records that wait for others."""
    for seed in range(first, first + 4):
        evidence = play(Plan.from_seed(seed)).evidence
        assert evidence is not None
        assert any(isinstance(write, CursorWrite) for write in evidence.writes)
        assert _miscounted(evidence) == [], f"seed {seed}"
