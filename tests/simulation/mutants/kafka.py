"""Bugs in how transactions are made, and in how the store is read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.coordinates import TopicPartition
from bridge.kafka import journal
from bridge.kafka.transaction import TransactionalWriter, Work
from tests.simulation.mutants.plans import stormy, undecided
from tests.simulation.mutants.table import mutant


@mutant("I7", stormy)
def offsets_left_out(patch: pytest.MonkeyPatch) -> None:
    """Offsets are not part of the transaction: nothing fences it, and nothing says how far it got."""

    def without(self: TransactionalWriter, producer: Any, work: Work, failures: list[Any]) -> None:
        self._produce_all(producer, work.entries, failures)

    patch.setattr(TransactionalWriter, "_write", without)


def _outcome(patch: pytest.MonkeyPatch, happened: bool) -> None:
    def settle(writer: TransactionalWriter, partitions: Sequence[TopicPartition], tag: str) -> bool:
        writer.replace()
        return happened

    patch.setattr(journal, "_settle", settle)


@mutant("I7", undecided)
def unknown_outcome_is_failure(patch: pytest.MonkeyPatch) -> None:
    """A commit whose answer was lost is taken for one that did not happen."""
    _outcome(patch, happened=False)


@mutant("I4", undecided)
def unknown_outcome_is_success(patch: pytest.MonkeyPatch) -> None:
    """A commit whose answer was lost is taken for one that happened."""
    _outcome(patch, happened=True)
