"""Bugs in who calls and commits: leases, handovers, former owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.core import cursor as cursor_rules
from bridge.core.coordinates import TopicPartition
from bridge.core.lifecycle import Cursor
from bridge.engine.journal.effects import Effects
from bridge.engine.journal.rounds import Rounds
from bridge.engine.ownership import Ownership
from bridge.engine.partition import restoring
from bridge.engine.runner import Runner
from bridge.errors import StoreConflict
from bridge.kafka import journal
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.journal import TransactionalJournal
from bridge.kafka.transaction import Work
from bridge.ports import Committed, NotCommitted, PartitionEntries
from tests.simulation.mutants.plans import stalled, stormy, unheard, unsettled
from tests.simulation.mutants.table import mutant


@mutant("I6", unsettled)
def call_past_its_lease(patch: pytest.MonkeyPatch) -> None:
    """A call leaves however long ago its intent was decided."""
    run_commands = Effects._run_commands
    patch.setattr(Effects, "_run_commands", lambda self, work, began: run_commands(self, work, began + 3600))


@mutant("I6", unsettled, 22)
def handover_without_draining(patch: pytest.MonkeyPatch) -> None:
    """A partition is handed over while its calls are still about to leave, and they leave."""

    async def at_once(self: Rounds, owned: object) -> None:
        return None

    patch.setattr(Rounds, "quiet", at_once)
    patch.setattr(Runner, "_held_back", lambda self, owned, birth: None)


@mutant("I6", unsettled)
def commits_for_lost_partitions(patch: pytest.MonkeyPatch) -> None:
    """A partition that was handed over is worked on all the same, and the journal does not look who owns it."""

    async def keep(self: Ownership, partitions: frozenset[TopicPartition]) -> None:
        self._stop_restoring(partitions)
        self._p.inbox.release(partitions)

    patch.setattr(Ownership, "_hand_over", keep)
    _nobody_asks_who_owns(patch)


def _nobody_asks_who_owns(patch: pytest.MonkeyPatch) -> None:
    """The journal takes everything for its process's own, under whatever epoch."""
    commit, asked = TransactionalJournal.commit, KafkaInbox.snapshot
    epochs: dict[TopicPartition, int] = {}

    async def careless(self: TransactionalJournal, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        epochs.update({entry.partition: entry.epoch for entry in entries})
        return await commit(self, entries)

    async def all_are_ours(self: KafkaInbox) -> Any:
        return replace(await asked(self), epochs=epochs)

    patch.setattr(TransactionalJournal, "commit", careless)
    patch.setattr(KafkaInbox, "snapshot", all_are_ours)
    patch.setattr(journal, "Work", lambda **parts: Work(**{**parts, "still_owned": lambda: True}))


@mutant("I6", unsettled)
def late_answer_accepted_after_revoke(patch: pytest.MonkeyPatch) -> None:
    """A partition is let go at once, and what its calls are answered later is committed all the same.

    Three walls are broken: the handover waits for what is out, its memory is closed after that, and the journal looks
    who owns a partition before it begins and before it commits.
    """

    async def let_go(self: Ownership, partitions: frozenset[TopicPartition]) -> None:
        self._stop_restoring(partitions)
        for partition in partitions:
            if partition in self._p.rounds.partitions:
                self._p.rounds.partitions[partition].draining = True
                self._p.observer.unassigned(partition, lost=False)
        self._p.inbox.release(partitions)

    patch.setattr(Ownership, "_hand_over", let_go)
    _nobody_asks_who_owns(patch)


@mutant("I6", unheard, 8)
def call_after_the_loss(patch: pytest.MonkeyPatch) -> None:
    """A call leaves though its process has learnt that the partition is another's."""
    patch.setattr(Runner, "_held_back", lambda self, owned, birth: None)


@mutant("I6", stalled)
def lease_from_after_the_commit(patch: pytest.MonkeyPatch) -> None:
    """The lease runs from when the commit was answered, not from before it was asked for."""
    run_commands = Effects._run_commands
    patch.setattr(Effects, "_run_commands", lambda self, work, began: run_commands(self, work, self._clock.monotonic()))


@mutant("I1", stormy)
def refused_without_cause(patch: pytest.MonkeyPatch) -> None:
    """A partition that has been worked on is refused at first, and taken when it is looked at again."""
    starting_offset, refused = cursor_rules.starting_offset, set[tuple[str, int]]()

    def wary(partition: str, *, cursor: Cursor | None, **rest: Any) -> int:
        offset = starting_offset(partition, cursor=cursor, **rest)
        if cursor is not None and (partition, offset) not in refused:
            refused.add((partition, offset))
            raise StoreConflict(f"{partition}: the store is odd", hint="nothing")
        return offset

    patch.setattr(restoring, "starting_offset", wary)
