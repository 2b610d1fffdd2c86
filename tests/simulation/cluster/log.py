"""A partition's log: open transactions hold its last stable offset back, markers take offsets, cleaning leaves gaps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Protocol

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord

_CLEAN_EVERY = 24
"""Superseded records that make a log dirty enough to be cleaned."""
_OFFSET = attrgetter("offset")


class State(StrEnum):
    """Of a transaction, as its coordinator has it; ``PREPARED``: decided, its markers are being written."""

    OPEN = "open"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """``owner``: the transactional id. ``began`` and ``decided``: virtual seconds."""

    number: int
    owner: str
    epoch: int
    began: float
    state: State = State.OPEN
    decided: float | None = None
    commits: bool = False
    """What was decided, from ``PREPARED`` on."""
    touched: dict[PartitionLog, None] = field(default_factory=dict)
    offsets: dict[tuple[str, TopicPartition], tuple[int, str]] = field(default_factory=dict)
    """By group and partition: offset and metadata."""


@dataclass(slots=True, eq=False)
class Entry:
    """One offset: a record, or the marker that ends a transaction (``record`` None)."""

    offset: int
    record: OutRecord | None
    transaction: Transaction | None
    timestamp_ms: int
    useless_by: int | None = None
    """Offset of what makes it so: a later record of its key, or a marker. Cleaning that gets so far takes it away."""


class Watcher(Protocol):
    """A consumer that reads a log."""

    def news(self, partition: TopicPartition) -> None:
        """The log has grown, or what can be read of it."""
        ...


class PartitionLog:
    """``compacted``: of each key the latest record stays. ``retention_ms``: what is older goes, None: nothing does.

    ``history`` keeps every entry for the judge of a run, who is an outsider that has been reading all the time.
    """

    def __init__(
        self,
        partition: TopicPartition,
        *,
        compacted: bool = False,
        retention_ms: int | None = None,
        tombstone_ms: int = 10_000,
    ) -> None:
        self.partition = partition
        self.compacted = compacted
        self.retention_ms = retention_ms
        self.tombstone_ms = tombstone_ms
        self.start = 0
        self.end = 0
        self.history: list[Entry] = []
        self.watchers: dict[Watcher, None] = {}
        self._entries: list[Entry] = []
        self._open: dict[Transaction, int] = {}
        """First offset of each open transaction; the first of them is the last stable offset."""
        self._latest: dict[bytes, Entry] = {}
        self._unsettled: dict[Transaction, list[Entry]] = {}
        self._dirty = 0

    @property
    def stable_end(self) -> int:
        """The last stable offset: a read_committed reader gets nothing at or above it."""
        return next(iter(self._open.values()), self.end)

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(self, record: OutRecord, transaction: Transaction | None, now_ms: int) -> int:
        entry = self._append(record, transaction, now_ms)
        if transaction is None:
            self._supersede(entry)
        else:
            self._open.setdefault(transaction, entry.offset)
            self._unsettled.setdefault(transaction, []).append(entry)
        self._expire(now_ms)
        self._tell()
        return entry.offset

    def mark(self, transaction: Transaction, now_ms: int) -> None:
        """The marker of a transaction that has ended."""
        marker = self._append(None, transaction, now_ms)
        marker.useless_by = marker.offset if self.compacted else None
        self._open.pop(transaction, None)
        for entry in self._unsettled.pop(transaction, ()):
            if transaction.commits:
                self._supersede(entry)
            elif self.compacted:
                entry.useless_by = marker.offset
                self._dirty += 1
        if self._dirty >= _CLEAN_EVERY:
            self.clean(now_ms)
        self._tell()

    def delete_before(self, offset: int) -> None:
        """As retention or an operator does it."""
        self.start = max(self.start, min(offset, self.end))
        del self._entries[: bisect_left(self._entries, self.start, key=_OFFSET)]
        self._tell()

    def clean(self, now_ms: int) -> None:
        """Compaction: never above the last stable offset."""
        stable = self.stable_end
        for key, entry in list(self._latest.items()):
            is_tombstone = entry.record is not None and entry.record.value is None
            if is_tombstone and now_ms - entry.timestamp_ms > self.tombstone_ms and entry.offset < stable:
                entry.useless_by = entry.offset
                del self._latest[key]
        self._entries = [one for one in self._entries if one.useless_by is None or one.useless_by >= stable]
        self._dirty = 0

    def _append(self, record: OutRecord | None, transaction: Transaction | None, now_ms: int) -> Entry:
        entry = Entry(self.end, record, transaction, now_ms)
        self.end += 1
        self._entries.append(entry)
        self.history.append(entry)
        return entry

    def _supersede(self, entry: Entry) -> None:
        if not self.compacted or entry.record is None or entry.record.key is None:
            return
        key = entry.record.key
        former = self._latest.get(key)
        if former is not None and former.offset > entry.offset:
            entry.useless_by = former.offset
        else:
            self._latest[key] = entry
            if former is None:
                return
            former.useless_by = entry.offset
        self._dirty += 1

    def _expire(self, now_ms: int) -> None:
        if self.retention_ms is None or not self._entries:
            return
        if now_ms - self._entries[0].timestamp_ms > self.retention_ms:
            old = now_ms - self.retention_ms
            self.delete_before(next((e.offset for e in self._entries if e.timestamp_ms >= old), self.end))

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher.news(self.partition)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, position: int, limit: int, *, committed: bool) -> tuple[list[Entry], int]:
        """Up to ``limit`` records at or above ``position``, and where to read on. ``committed``: settled ones only."""
        end = self.stable_end if committed else self.end
        found: list[Entry] = []
        for index in range(bisect_left(self._entries, position, key=_OFFSET), len(self._entries)):
            entry = self._entries[index]
            if entry.offset >= end:
                break
            if entry.record is not None and (not committed or _is_visible(entry)):
                if len(found) == limit:
                    return found, entry.offset
                found.append(entry)
        return found, max(position, end)

    def visible(self) -> Iterator[Entry]:
        """What a read_committed reader has seen who has read from the beginning, and all the time."""
        end = self.stable_end
        return (e for e in self.history if e.offset < end and e.record is not None and _is_visible(e))


def _is_visible(entry: Entry) -> bool:
    return entry.transaction is None or entry.transaction.commits
