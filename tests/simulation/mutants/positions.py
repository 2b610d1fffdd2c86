"""Bugs in where reading begins, and in what a store that has lost records is taken for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.core import cursor as cursor_rules
from bridge.core.lifecycle import Cursor
from bridge.engine.partition import restoring
from tests.simulation.mutants.plans import losing, moved
from tests.simulation.mutants.table import mutant


def _begins(patch: pytest.MonkeyPatch, choose: Callable[[Cursor, int, int], int | None]) -> None:
    """Where there are a cursor and a committed offset reading begins where ``choose`` says; None: where it should."""
    starting_offset = cursor_rules.starting_offset

    def wrong(partition: str, *, cursor: Cursor | None, committed: int | None, low: int, **more: Any) -> int:
        chosen = choose(cursor, committed, low) if cursor is not None and committed is not None else None
        right = starting_offset(partition, cursor=cursor, committed=committed, low=low, **more) if chosen is None else 0
        return right if chosen is None else chosen

    patch.setattr(restoring, "starting_offset", wrong)


@mutant("I7", moved, 2)
def rewound_offset_is_used(patch: pytest.MonkeyPatch) -> None:
    """A committed offset below the store's cursor counts: what was worked off is read again."""
    _begins(patch, lambda cursor, committed, low: max(committed, low) if committed < cursor.next_offset else None)


@mutant("I1", moved)
def offset_ahead_is_used(patch: pytest.MonkeyPatch) -> None:
    """A committed offset ahead of the store's cursor counts: what lies between is never read."""
    _begins(patch, lambda cursor, committed, low: committed if committed > max(cursor.next_offset, low) else None)


@mutant("I7", losing, 4)
def open_count_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A store that has lost its open lifecycles is taken for whole."""
    patch.setattr(restoring, "require_whole", lambda *_, **__: None)
