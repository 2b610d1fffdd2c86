"""Bugs in how a step is made: what is decided, committed, and acted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.core.commands import MakeCall
from bridge.engine.journal.effects import Effects
from bridge.engine.journal.rounds import Rounds
from bridge.engine.partition import records, restoring
from bridge.engine.partition.endings import Endings
from bridge.engine.partition.owned_partition import OwnedPartition, Room
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.ports import Committed, NotCommitted, OutRecord, PartitionEntries
from tests.simulation.mutants.plans import alone, capped, heavy, requests, stormy
from tests.simulation.mutants.table import mutant


def _begin_calls(self: Rounds, work: PartitionRound) -> None:
    """Let the calls of a round leave, whatever becomes of its commit."""
    effects = self._effects
    leave_by = self._clock.monotonic() + effects._lease.total_seconds()
    for birth in work.grants:
        request = work.requests.get(birth)
        if request is not None:
            work.owned.put_request(request)
        for command in work.commands.get(birth, ()):
            if isinstance(command, MakeCall):
                effects._run_command(work.owned, work.changed[birth], command, leave_by)


@mutant("I2", requests)
def call_before_commit(patch: pytest.MonkeyPatch) -> None:
    """Calls leave while their intents are still being committed."""
    under_way, run_commands = Rounds._under_way, Effects._run_commands

    def early(self: Rounds, works: Sequence[PartitionRound]) -> None:
        under_way(self, works)
        for work in works:
            _begin_calls(self, work)

    def later(self: Effects, work: PartitionRound, began: float) -> None:
        for birth in work.grants:
            work.commands[birth] = [one for one in work.commands.get(birth, ()) if not isinstance(one, MakeCall)]
        work.grants.clear()
        run_commands(self, work, began)

    patch.setattr(Rounds, "_under_way", early)
    patch.setattr(Effects, "_run_commands", later)


@mutant("I2", requests)
def call_though_not_committed(patch: pytest.MonkeyPatch) -> None:
    """Calls leave though the commit of their intents failed."""
    redo = Rounds._redo

    def careless(self: Rounds, works: list[PartitionRound], outcome: NotCommitted) -> None:
        for work in works:
            if not work.owned.closed:
                _begin_calls(self, work)
                work.grants.clear()
        redo(self, works, outcome)

    patch.setattr(Rounds, "_redo", careless)


@mutant("I4", requests)
def memory_of_an_undone_commit(patch: pytest.MonkeyPatch) -> None:
    """What was decided is remembered though it was not committed."""
    redo = Rounds._redo

    def careless(self: Rounds, works: list[PartitionRound], outcome: NotCommitted) -> None:
        for work in works:
            for lifecycle in work.changed.values():
                work.owned.put(lifecycle)
        redo(self, works, outcome)

    patch.setattr(Rounds, "_redo", careless)


@mutant("I1", requests, 4)
def forgotten_after_an_undone_commit(patch: pytest.MonkeyPatch) -> None:
    """What a round took, and could not commit, is not taken again."""

    def careless(self: Rounds, works: list[PartitionRound], outcome: NotCommitted) -> None:
        for work in works:
            if work.taken_deliveries:
                work.owned.next_offset = work.next_offset
            work.taken_deliveries.clear()
        redo(self, works, outcome)

    redo = Rounds._redo
    patch.setattr(Rounds, "_redo", careless)


@mutant("I4", requests)
def events_in_a_transaction_of_their_own(patch: pytest.MonkeyPatch) -> None:
    """Events are committed before the state that remembers having told them."""
    build = Rounds.__init__

    class Split:
        """A journal of two transactions a round."""

        def __init__(self, journal: Any) -> None:
            self._journal = journal

        async def commit(self, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
            for mine in (True, False):
                part = [replace(entry, records=_part_of(entry.records, mine)) for entry in entries]
                outcome: Committed | NotCommitted = await self._journal.commit(part)
                if isinstance(outcome, NotCommitted):
                    return outcome
            return Committed()

    def split(self: Rounds, **parts: Any) -> None:
        build(self, **{**parts, "journal": Split(parts["journal"])})

    patch.setattr(Rounds, "__init__", split)


def _part_of(records: Sequence[OutRecord], mine: bool) -> tuple[OutRecord, ...]:
    return tuple(record for record in records if record.topic.endswith("task-events") is mine)


@mutant("I1", alone)
def cursor_not_written(patch: pytest.MonkeyPatch) -> None:
    """The cursor is not written with the records that it passes."""
    entries = RecordWriter.entries

    def without(self: RecordWriter, work: PartitionRound) -> PartitionEntries:
        made = entries(self, work)
        return replace(made, records=tuple(one for one in made.records if one.key != records.CURSOR_KEY))

    patch.setattr(RecordWriter, "entries", without)


@mutant("I7", requests)
def request_kept_after_its_answer(patch: pytest.MonkeyPatch) -> None:
    """What a call needed, secrets included, stays in the store when VCD has accepted it."""
    patch.setattr(records, "_request_is_done", lambda before, after: not after.is_open)


@mutant("I7", requests)
def ending_not_remembered(patch: pytest.MonkeyPatch) -> None:
    """No record of an ending is written."""
    patch.setattr(RecordWriter, "_endings", lambda self, work: [])


@mutant("I3", requests)
def dedupe_forgotten(patch: pytest.MonkeyPatch) -> None:
    """No request id is known."""
    patch.setattr(OwnedPartition, "known", lambda self, name: None)


@mutant("I3", requests)
def endings_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The ids of ended requests are free again at once."""
    patch.setattr(OwnedPartition, "remember", lambda self, ended: None)


@mutant("I3", stormy, 3)
def dedupe_forgotten_by_the_next_owner(patch: pytest.MonkeyPatch) -> None:
    """A partition that comes from another owner starts without the ids of what has ended."""

    def forget(owned: OwnedPartition) -> None:
        owned._endings = Endings()

    _restored(patch, forget)


def _restored(patch: pytest.MonkeyPatch, change: Callable[[OwnedPartition], None]) -> None:
    """What a restore makes of the store, changed."""

    async def changed(*args: Any, **more: Any) -> OwnedPartition:
        owned = await restoring.build(*args, **more)
        change(owned)
        return owned

    patch.setattr("bridge.engine.ownership.build", changed)


def _told(patch: pytest.MonkeyPatch, by: int) -> None:
    """Restored lifecycles have told another number of events."""

    def change(owned: OwnedPartition) -> None:
        for birth, one in owned.lifecycles.items():
            owned.lifecycles[birth] = replace(one, sequence=max(0, one.sequence + by))

    _restored(patch, change)


@mutant("I4", stormy)
def sequence_starts_over_after_a_restore(patch: pytest.MonkeyPatch) -> None:
    """The next owner tells an event's number once more."""
    _told(patch, -1)


@mutant("I4", stormy)
def sequence_skips_after_a_restore(patch: pytest.MonkeyPatch) -> None:
    """The next owner leaves an event's number out."""
    _told(patch, 1)


@mutant("I8", capped)
def cap_ignored(patch: pytest.MonkeyPatch) -> None:
    """Requests are opened however many are open."""
    patch.setattr(OwnedPartition, "room", lambda self, *_, **__: Room.FREE)


@mutant("I8", heavy)
def bytes_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """Requests are opened however much of them waits."""
    room = OwnedPartition.room

    def counting(self: OwnedPartition, max_open: int, max_bytes: int, **more: int) -> Room:
        return room(self, max_open, 1 << 40, **more)

    patch.setattr(OwnedPartition, "room", counting)
