"""Bugs in how transactions are made, and in how the store is read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.coordinates import TopicPartition
from bridge.kafka import journal
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.producers import BrokenConnections, Producers
from bridge.kafka.restoring import Log
from bridge.kafka.transaction import TransactionalWriter, Work
from bridge.kafka.worker import Worker
from tests.simulation.mutants.plans import cut_off, hanging, slow_markers, stormy, unacknowledged, undecided
from tests.simulation.mutants.table import mutant
from tests.simulation.process import PROCESS


@mutant("I7", stormy)
def offsets_left_out(patch: pytest.MonkeyPatch) -> None:
    """Offsets are not part of the transaction: nothing fences it, and nothing says how far it got."""

    def without(self: TransactionalWriter, producer: Any, work: Work, failures: list[Any]) -> None:
        self._produce_all(producer, work.entries, failures)

    patch.setattr(TransactionalWriter, "_write", without)


@mutant("I1", hanging)
def hung_call_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    """A client's call that never returns is waited for: its process keeps its partitions and does nothing for them."""
    patch.setattr(Worker, "_hung", lambda self, message: None)


def _outcome(patch: pytest.MonkeyPatch, happened: bool) -> None:
    def settle(writer: TransactionalWriter, partitions: Sequence[TopicPartition], tag: str) -> bool:
        writer.producers.replace()
        return happened

    patch.setattr(journal, "_settle", settle)


@mutant("I4", undecided, 4)
def unknown_outcome_is_failure(patch: pytest.MonkeyPatch) -> None:
    """A commit whose answer was lost is taken for one that did not happen."""
    _outcome(patch, happened=False)


@mutant("I4", undecided)
def unknown_outcome_is_success(patch: pytest.MonkeyPatch) -> None:
    """A commit whose answer was lost is taken for one that happened."""
    _outcome(patch, happened=True)


@mutant("I7", slow_markers, 5)
def restored_to_the_last_stable_offset(patch: pytest.MonkeyPatch) -> None:
    """A restore takes what a reader can see now for all that there is, though a transaction is open."""

    def stopped(self: Log, offset: int) -> None:
        self.done = True

    patch.setattr(Log, "stopped_at", stopped)


@mutant("I6", cut_off)
def metadata_of_the_commit(patch: pytest.MonkeyPatch) -> None:
    """Who we are in the group is asked when offsets are sent, not when the transaction begins: a membership that was
    lost and won again passes the broker's fence. The journal's own last look at what it owns is left out, too."""
    asked = KafkaInbox.open
    inboxes: dict[Any, KafkaInbox] = {}

    async def opened(self: KafkaInbox) -> None:
        await asked(self)
        inboxes[PROCESS.get()] = self

    def fresh(self: Work) -> Any:
        thread = inboxes[PROCESS.get()]._thread
        assert thread is not None
        return thread._consumer.consumer_group_metadata()

    patch.setattr(KafkaInbox, "open", opened)
    patch.setattr(journal, "Work", lambda **parts: _Fresh(**{**parts, "still_owned": lambda: True}))
    patch.setattr(_Fresh, "fresh", fresh)


class _Fresh(Work):
    """Work whose metadata is of the moment in which it is asked for."""

    fresh: Any = None

    def __getattribute__(self, name: str) -> Any:
        if name == "group_metadata":
            return object.__getattribute__(self, "fresh")()
        return object.__getattribute__(self, name)


@mutant("I7", stormy)
def offset_left_out_for_one(patch: pytest.MonkeyPatch) -> None:
    """Of several partitions that a transaction writes for, one has no offset in it."""
    offsets = Work.offsets
    patch.setattr(Work, "offsets", lambda self: offsets(self)[:1])


@mutant("I7", undecided, 1)
def producer_is_kept_after_a_broken_connection(patch: pytest.MonkeyPatch) -> None:
    """The end of a transaction that comes late, over a connection that broke, ends the one after it."""

    def usable(self: Producers) -> Any:
        return self.replace() if self._current is None or self._suspect else self._current

    patch.setattr(Producers, "usable", usable)


@mutant("I7", unacknowledged, 1)
def producer_is_kept_after_a_request_without_answer(patch: pytest.MonkeyPatch) -> None:
    """The end of a transaction that comes late, over a connection given up in silence, ends the one after it."""
    log = BrokenConnections.log

    def told(self: BrokenConnections, level: int, text: str, *arguments: object) -> None:
        if arguments[:1] != ("REQTMOUT",):
            log(self, level, text, *arguments)

    patch.setattr(BrokenConnections, "log", told)
