"""A simulated partition is cleaned as a real one is: what a reader restores afterwards is what was committed."""

from __future__ import annotations

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord
from tests.simulation.cluster.log import PartitionLog, State, Transaction

PARTITION = TopicPartition("changelog", 0)


def _record(key: str, value: str | None) -> OutRecord:
    return OutRecord("changelog", 0, key.encode(), value.encode() if value is not None else None)


def _write(log: PartitionLog, key: str, value: str | None, *, commits: bool = True, now_ms: int = 0) -> None:
    transaction = Transaction(1, "owner", 0, 0.0)
    log.append(_record(key, value), transaction, now_ms)
    transaction.state, transaction.commits = State.PREPARED, commits
    log.mark(transaction, now_ms)


def _restored(log: PartitionLog) -> dict[bytes, bytes | None]:
    entries, _ = log.read(log.start, 10_000, committed=True)
    return {entry.record.key or b"": entry.record.value for entry in entries if entry.record is not None}


def test_of_each_key_the_latest_committed_record_stays() -> None:
    log = PartitionLog(PARTITION, compacted=True)
    for number in range(100):
        _write(log, f"k{number % 3}", str(number))
    _write(log, "k0", "undone", commits=False)
    log.clean(0)
    entries, _ = log.read(0, 10_000, committed=False)
    assert len(entries) == 3
    assert _restored(log) == {b"k0": b"99", b"k1": b"97", b"k2": b"98"}
    assert log.end == 202
    assert len(list(log.visible())) == 100, "whoever read all the time has seen everything"


def test_tombstones_go_after_their_time_and_what_they_ended_stays_gone() -> None:
    log = PartitionLog(PARTITION, compacted=True, tombstone_ms=1000)
    _write(log, "k", "1")
    _write(log, "k", None)
    log.clean(500)
    assert _restored(log) == {b"k": None}
    log.clean(2000)
    assert _restored(log) == {}


def test_nothing_above_the_last_stable_offset_is_cleaned() -> None:
    log = PartitionLog(PARTITION, compacted=True)
    _write(log, "k", "before")
    dead = Transaction(2, "dead", 0, 0.0)
    log.append(_record("k", "open"), dead, 0)
    _write(log, "k", "behind")
    log.clean(0)
    assert (log.stable_end, log.end) == (2, 5)
    assert _restored(log) == {b"k": b"before"}, "its successor cannot be read yet"
    dead.state, dead.commits = State.PREPARED, False
    log.mark(dead, 0)
    assert _restored(log) == {b"k": b"behind"}


def test_what_is_too_old_goes_and_the_log_begins_later() -> None:
    log = PartitionLog(PARTITION, retention_ms=1000)
    for now_ms in (0, 500, 1200):
        log.append(_record("k", str(now_ms)), None, now_ms)
    assert log.start == 1
    assert [entry.offset for entry in log.read(0, 10, committed=True)[0]] == [1, 2]
    log.delete_before(3)
    assert (log.start, log.read(3, 10, committed=True)) == (3, ([], 3))
