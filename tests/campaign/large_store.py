"""A store of a million records as a group of bridges leaves it: open requests, ended ones, and what was tombstoned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

from bridge.avro.store_codec import AvroStoreCodec
from bridge.core.content import Content
from bridge.core.coordinates import Birth
from bridge.core.events import Outcome
from bridge.core.lifecycle import Cursor, Ended, Lifecycle, Phase, StoredRequest
from bridge.engine.partition.records import CURSOR_KEY, request_key, state_key
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.queries import topic_facts
from bridge.ports import Headers, StoredRecord
from tests.support.bridge import Site
from tests.support.checker.evidence import EndedRecord, InputRecord, Write
from tests.support.gathering import changelog_of, endings_of
from tests.support.kafka import delete_records

OLD = "old-"
"""Begins the ids of its requests."""
_CODEC = AvroStoreCodec()


@dataclass(slots=True)
class LargeSite(Site):
    """The evidence leaves out what was in the store before the first bridge, and repeats of it."""

    past: int = 0
    """Offset of the first record that is the bridges' own, on every partition."""

    def read_inputs(self) -> list[InputRecord]:
        return [one for one in Site.read_inputs(self) if not (one.request_id or "").startswith(OLD)]

    def wait_ended(self, request_ids: Sequence[str], seconds: float = 60.0) -> list[dict[str, Any]]:
        """Nothing is told of a repeat: what it repeats was told to the same ticket long ago."""
        return Site.wait_ended(self, [one for one in request_ids if not one.startswith(OLD)], seconds)

    def read_changelog(self) -> list[Write]:
        return changelog_of(self.bootstrap, self.changelog, self.requests, self._new)

    def read_ended(self) -> list[EndedRecord]:
        return endings_of(self.bootstrap, self.ended, self._new)

    def _new(self, record: StoredRecord) -> StoredRecord | None:
        """The bridge may have written states of old ones anew: a lane is released."""
        if dict(record.headers).get("campaign_old"):
            return None
        birth = record.key.partition(b"|")[0].decode()
        return None if record.key != CURSOR_KEY and Birth.parse(birth).offset < self.past else record


@dataclass(frozen=True, slots=True)
class Size:
    """Per partition: ``ended`` remembered requests, ``lived`` whose whole life the changelog still holds (6 records
    each), ``parked`` ones (2 each) that wait for an operator."""

    ended: int
    lived: int
    parked: int

    @property
    def records(self) -> int:
        return self.ended + 6 * self.lived + 2 * self.parked + 1


def old_request(number: int) -> dict[str, object]:
    """The ``number``-th request of a partition's past, as its producer would send it again."""
    parameters = {"id": f"vapp-00000000-0000-4000-7777-{number:012d}"}
    named = {"request_id": f"{OLD}{number}", "correlation_id": f"CHG{number}"}
    return {**named, "operation": "deployVApp", "parameters": parameters}


def fill(site: LargeSite, size: Size) -> int:
    """Writes it for every partition; the input is as retention would have left it. Returns how many records."""
    connection = Connection(KafkaConfig(bootstrap_servers=site.bootstrap, group_id=site.group))
    topic_id = topic_facts(connection, [site.requests], embedded=False)[site.requests].topic_id
    producer = Producer({"bootstrap.servers": site.bootstrap, "linger.ms": 50, "batch.num.messages": 10_000,
                         "queue.buffering.max.messages": 200_000})  # fmt: skip
    past = site.past = size.ended + size.parked
    for partition in range(site.partitions):
        for _ in range(past):
            _produce(producer, site.requests, b"x", None, partition, ())
        for topic, key, value, headers in _records(site, partition, size, topic_id):
            _produce(producer, topic, value, key, partition, headers)
    assert producer.flush(120) == 0
    for partition in range(site.partitions):
        delete_records(site.bootstrap, site.requests, partition, before=past)
    return size.records * site.partitions


def _produce(
    producer: Producer, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Headers
) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition, headers=[*headers, ("campaign_old", b"1")])
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _records(
    site: Site, partition: int, size: Size, topic_id: str
) -> Iterator[tuple[str, bytes, bytes | None, Headers]]:
    """In the order in which they were written: topic, key, value, headers."""
    for number in range(size.ended + size.parked):
        birth = Birth(site.requests, partition, number)
        lifecycle = _lifecycle(birth, number)
        if size.ended - size.lived <= number:
            states = [lifecycle] if number >= size.ended else _life(lifecycle)
            yield site.changelog, request_key(birth), *_CODEC.encode_request(_stored(birth, number))
            for state in states:
                yield site.changelog, state_key(birth), *_CODEC.encode_state(state)
        if number < size.ended:
            if size.ended - size.lived <= number:
                yield site.changelog, request_key(birth), None, ()
                yield site.changelog, state_key(birth), None, ()
            yield site.ended, str(birth).encode(), *_CODEC.encode_ended(_end(lifecycle))
    cursor = Cursor(topic_id=topic_id, next_offset=size.ended + size.parked)
    yield site.changelog, CURSOR_KEY, *_CODEC.encode_cursor(cursor)


def _life(lifecycle: Lifecycle) -> list[Lifecycle]:
    intent = replace(lifecycle, phase=Phase.INTENT, sequence=0, parked_reason=None, parked_at=None)
    accepted = replace(intent, phase=Phase.FOLLOWING, sequence=1, status="queued", task_id=_task(lifecycle.birth))
    return [intent, accepted, replace(accepted, sequence=2, status="running")]


def _lifecycle(birth: Birth, number: int) -> Lifecycle:
    now = datetime.now(UTC).replace(microsecond=0)
    return Lifecycle(
        birth=birth, phase=Phase.PARKED, sequence=1, request_id=f"{OLD}{number}", key=f"{OLD}{number}".encode(),
        correlation_id=f"CHG{number}", requested_by="campaign", operation="deployVApp", content_hash=_hash(number),
        entity=_path(number), lane=_path(number), received_at=now, attempt=1, tries=1, intent_at=now,
        first_intent_at=now, parked_reason="outcome_unknown", parked_from=Phase.UNSURE, parked_at=now,
    )  # fmt: skip


def _end(lifecycle: Lifecycle) -> Ended:
    return Ended(
        birth=lifecycle.birth, request_id=lifecycle.request_id, content_hash=lifecycle.content_hash,
        correlation_id=lifecycle.correlation_id, outcome=Outcome.SUCCESS, ended_at=lifecycle.received_at,
        task_id=_task(lifecycle.birth), sequence=3,
    )  # fmt: skip


def _stored(birth: Birth, number: int) -> StoredRequest:
    path = f"{_path(number)}/action/deploy"
    return StoredRequest(birth=birth, method="POST", path=path, query=(), media_type=None, body=None)


def _task(birth: Birth) -> str:
    return f"urn:vcloud:task:00000000-0000-4000-{birth.partition:04d}-{birth.offset:012d}"


def _path(number: int) -> str:
    return f"/vApp/vapp-00000000-0000-4000-7777-{number:012d}"


def _hash(number: int) -> str:
    parameters = {"id": _path(number).rpartition("/")[2]}
    return Content(operation="deployVApp", parameters=parameters, query={}, body={}, organization=None).hash
