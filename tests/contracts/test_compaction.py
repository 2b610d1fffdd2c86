"""Compaction of the store: a restore finds the same before and after it, whenever it strikes."""

from __future__ import annotations

from collections.abc import Sequence, Set

from confluent_kafka import Message

from bridge.core.coordinates import Birth, TopicPartition
from bridge.engine.partition.records import CURSOR_KEY, request_key, state_key
from bridge.kafka.restoring import Log
from tests.contracts.side import PATIENCE_SECONDS, Client, Kafka, contract

OPEN, OVER, UNDONE = (Birth("requests", 0, offset) for offset in range(3))

Written = tuple[bytes, bytes | None]
Restored = dict[bytes, tuple[int, bytes]]
"""Offset and value by key."""


@contract
def test_compaction_leaves_what_a_restore_finds(kafka: Kafka) -> None:
    """Of each key the last committed record, at its offset; tombstones go after their time; no log's start moves."""
    topic, owner = kafka.compacted_topic(), kafka.producer(kafka.name())
    _write(owner, topic, (state_key(OPEN), b"intent"), (request_key(OPEN), b"body"), (CURSOR_KEY, b"first"))
    _write(owner, topic, (state_key(OVER), b"intent"), (state_key(OPEN), b"following"), (request_key(OPEN), None))
    _write(owner, topic, (state_key(OVER), None))
    _write(owner, topic, (state_key(OPEN), b"undone"), (state_key(UNDONE), b"undone"), commits=False)
    kafka.until_stable(topic)
    assert _restored(topic, kafka.records(topic))[CURSOR_KEY] == (2, b"first")
    for gone in ({b"intent", b"body"}, {None}):
        _work_until(kafka, owner, topic, gone, {state_key(OPEN): (5, b"following")})
    assert kafka.ends(topic)[0] == 0
    everything = kafka.records(topic, isolation="read_uncommitted")
    assert b"undone" not in [one.value() for one in everything]


@contract
def test_nothing_above_the_last_stable_offset_is_compacted(kafka: Kafka) -> None:
    """Nor is anything below it for the sake of what lies above: a reader sees the one before the other can be seen."""
    topic, owner, other = kafka.compacted_topic(), kafka.producer(kafka.name()), kafka.producer(kafka.name())
    _write(owner, topic, (state_key(OPEN), b"superseded"), (CURSOR_KEY, b"first"))
    _write(owner, topic, (state_key(OPEN), b"before"))
    kafka.sleep(0.2)  # what follows is in a segment of its own: the real cleaner takes whole ones
    other.begin_transaction()
    other.produce(topic, b"open", state_key(UNDONE), partition=0)
    assert other.flush(PATIENCE_SECONDS) == 0
    _write(owner, topic, (state_key(OPEN), b"behind"))
    _work_until(kafka, owner, topic, {b"superseded"}, {state_key(OPEN): (3, b"before")})
    other.abort_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    assert _restored(topic, kafka.records(topic))[state_key(OPEN)][1] == b"behind"
    assert kafka.ends(topic)[0] == 0


def _write(owner: Client, topic: str, *records: Written, commits: bool = True) -> None:
    """One transaction."""
    owner.begin_transaction()
    for key, value in records:
        owner.produce(topic, value, key, partition=0)
    (owner.commit_transaction if commits else owner.abort_transaction)(PATIENCE_SECONDS)


def _work_until(kafka: Kafka, owner: Client, topic: str, gone: Set[bytes | None], found: Restored) -> None:
    """Write cursors, as an owner at work does, until these values are gone. All the while a restore finds a cursor, and
    beside it the same."""
    deadline, number = kafka.now() + PATIENCE_SECONDS, 0
    while True:
        records = kafka.records(topic)
        restored = _restored(topic, records)
        assert restored.pop(CURSOR_KEY, None) is not None
        assert restored == found
        if not gone & {one.value() for one in records}:
            return
        assert kafka.now() < deadline, f"{gone} are still there"
        number += 1
        _write(owner, topic, (CURSOR_KEY, b"%d" % number))
        kafka.sleep(0.05)


def _restored(topic: str, records: Sequence[Message]) -> Restored:
    """What the bridge's restore makes of it."""
    log = Log(TopicPartition(topic, 0), latest_only=True)
    for record in records:
        log.take(record)
    return {one.key: (one.offset, one.value) for one in log.records()}
