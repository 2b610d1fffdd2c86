"""What an outsider reads of a run: the topics as a read_committed reader has seen them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.core.coordinates import TopicPartition
from bridge.ports import StoredRecord, TopicNames
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.cluster.log import Entry
from tests.simulation.loop import EPOCH
from tests.support.changelog import ended_of, write_of
from tests.support.checker.evidence import (
    CursorWrite,
    DeadLetter,
    EndedRecord,
    Event,
    Order,
    Place,
    Raw,
    StateWrite,
    Write,
    place_of,
)
from tests.support.decoding import event_of


@dataclass(slots=True)
class Outsider:
    """Reads on where it was: each record is decoded once. ``look`` brings everything up to date."""

    kafka: SimKafka
    names: TopicNames
    events: list[Event] = field(default_factory=list)
    event_times: dict[str, float] = field(default_factory=dict)
    event_transactions: dict[str, int] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    ended: list[EndedRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    ticket_updates: list[str] = field(default_factory=list)
    cursors: dict[Place, int] = field(default_factory=dict)
    """How far each input partition has been worked off, as the store has it."""
    phases: dict[str, str] = field(default_factory=dict)
    """Open lifecycles as the store has them, by birth."""
    orders: dict[str, Order] = field(default_factory=dict)
    """How far the open observations have come."""
    _positions: dict[TopicPartition, int] = field(default_factory=dict)

    def look(self) -> None:
        for topic in self.names.inputs:
            for entry, at in self._news(self.names.changelog(topic)):
                self._take_write(topic, at.partition, entry)
            for entry, _ in self._news(self.names.ended(topic)):
                number = entry.transaction.number if entry.transaction is not None else None
                self.ended.append(replace(ended_of(_stored(entry)), transaction=number))
        told_on = (self.names.task_events, self.names.observed_tasks, self.names.blocking_tasks)
        for topic in filter(None, told_on):
            for entry, _ in self._news(topic):
                self._take_event(entry)
        for entry, _ in self._news(self.names.dead_letters):
            self.dead_letters.append(DeadLetter(_coordinates(entry), _raw(entry)))
        if self.names.ticket_updates is not None:
            for entry, _ in self._news(self.names.ticket_updates):
                self.ticket_updates.append(json.loads(_value(entry))["event_id"])

    def received(self) -> dict[str, Raw]:
        """By birth: what became dead letters, as it was sent."""
        found = {}
        for letter in self.dead_letters:
            topic, partition = place_of(letter.birth)
            history = self.kafka.log(TopicPartition(topic, partition)).history
            found[letter.birth] = _raw(history[int(letter.birth.rpartition("/")[2])])
        return found

    def standing(self) -> Sequence[str]:
        """Births of lifecycles that are open and neither parked nor followed by an observation."""
        return [birth for birth, phase in self.phases.items() if phase != "parked" and not self._is_observed(birth)]

    def _is_observed(self, birth: str) -> bool:
        """It goes on for good, or is what one that does has seen."""
        at_rest = self.phases[birth] in {"following", "kept"}
        return place_of(birth)[0] == self.names.observations and at_rest

    def in_phase(self, phase: str, topic: str) -> Sequence[str]:
        """Births on an input's topic."""
        return [birth for birth, found in self.phases.items() if found == phase and place_of(birth)[0] == topic]

    def parked(self) -> dict[str, Event]:
        """Stories whose last word is that they are parked, with that event."""
        last = {event["birth"]: event for event in self.events}
        return {birth: event for birth, event in last.items() if event["change"] == "parked"}

    def _news(self, topic: str) -> Iterator[tuple[Entry, TopicPartition]]:
        for partition in self.kafka.partitions_of(topic):
            log = self.kafka.log(partition)
            start, end = self._positions.get(partition, 0), log.stable_end
            self._positions[partition] = end
            for entry in log.history[start:end]:
                transaction = entry.transaction
                if entry.record is not None and (transaction is None or transaction.commits):
                    yield entry, partition

    def _take_write(self, topic: str, number: int, entry: Entry) -> None:
        assert entry.record is not None
        assert entry.transaction is not None
        write = write_of(
            _stored(entry), entry.record.value, topic=topic, partition=number, offset=entry.offset, at=_at(entry),
            writer=entry.transaction.owner,
        )  # fmt: skip
        decided = entry.transaction.decided
        assert decided is not None
        write = replace(write, transaction=entry.transaction.number, committed_at=EPOCH.timestamp() + decided)
        self.writes.append(write)
        if isinstance(write, CursorWrite):
            self.cursors[write.place] = write.next_offset
        elif isinstance(write, StateWrite):
            if write.phase is None:
                self.phases.pop(write.birth, None)
                self.orders.pop(write.birth, None)
            else:
                self.phases[write.birth] = write.phase
            if write.order is not None:
                self.orders[write.birth] = write.order

    def _take_event(self, entry: Entry) -> None:
        assert entry.record is not None
        event = event_of(entry.record.value, entry.record.headers)
        self.events.append(event)
        self.event_times[event["event_id"]] = _at(entry)
        if entry.transaction is not None:
            self.event_transactions[event["event_id"]] = entry.transaction.number

    def offset_transactions(self) -> dict[Place, set[int]]:
        """By input partition: the transactions that moved its offset."""
        found: dict[Place, set[int]] = defaultdict(set)
        for transaction in self.kafka.transactions.begun:
            if transaction.commits:
                for _, partition in transaction.offsets:
                    found[(partition.topic, partition.partition)].add(transaction.number)
        return found

    def writes_in_log_order(self) -> list[Write]:
        """Per partition, as the judge wants them."""
        return sorted(self.writes, key=lambda write: (write.topic, write.partition, write.offset))


def _at(entry: Entry) -> float:
    return EPOCH.timestamp() + entry.timestamp_ms / 1000


def _raw(entry: Entry) -> Raw:
    assert entry.record is not None
    return Raw(entry.record.key, entry.record.value, entry.record.headers)


def _value(entry: Entry) -> bytes:
    assert entry.record is not None
    return entry.record.value or b""


def _stored(entry: Entry) -> StoredRecord:
    assert entry.record is not None
    return StoredRecord(entry.record.key or b"", entry.record.value or b"", entry.record.headers)


def _coordinates(entry: Entry) -> str:
    assert entry.record is not None
    told: dict[str, Any] = {name: (value or b"").decode() for name, value in entry.record.headers}
    return "/".join(told[f"__connect.errors.{part}"] for part in ("topic", "partition", "offset"))
