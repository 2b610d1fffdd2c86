"""A round as Kafka records: events, ticket updates, state, requests, tombstones, endings, cursor, dead letters.

All sized to fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.core.coordinates import Birth
from bridge.core.events import StatusEvent
from bridge.core.external import documents
from bridge.core.external.fitting import fitted
from bridge.core.external.marks import Marker
from bridge.core.lifecycle import FORMAT_VERSION, Cursor, Kind, Lifecycle, StoredRequest
from bridge.core.requests import Undecodable
from bridge.core.ticket_update import ticket_key, ticket_value
from bridge.engine.partition import dead_letters
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.round import PartitionRound
from bridge.ports import Delivery, EventCodec, Headers, Journal, OutRecord, PartitionEntries, StoreCodec, TopicNames

CURSOR_KEY = b"cursor"
STATE_PART = b"state"
"""How keys of states end, behind the last ``|``."""
TICKET_TYPE = b"vcdbridge.v1.TicketUpdate"
_LENGTH_BYTES = 10
"""Of the body, which the length of its own in the record grows with."""


def state_key(birth: Birth) -> bytes:
    """Changelog key of a lifecycle's state."""
    return f"{birth}|state".encode()


def request_key(birth: Birth) -> bytes:
    """Changelog key of the part of a request that a call needs."""
    return f"{birth}|request".encode()


def record_bytes(record: OutRecord) -> int:
    """Size of key, value and headers, as it counts against a topic's limit (record overhead included)."""
    headers = sum(len(name) + len(value or b"") + 4 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + 70


def weighs_at_most(request: StoredRequest) -> int:
    """Bytes that a request's record cannot exceed: a symbol takes four at most, all around it less than 2 KiB.

    Names of query parameters are not empty, so their symbols pay for the lengths that stand before them.
    """
    return 4 * request.size_bytes + 2048


class RecordWriter:
    """Turns rounds into records."""

    def __init__(self, names: TopicNames, events: EventCodec, store: StoreCodec, journal: Journal) -> None:
        self._names = names
        self._events = events
        self._store = store
        self._journal = journal

    def entries(self, work: PartitionRound) -> PartitionEntries:
        """All records of one partition's round, in order: events first, then the state that follows from them."""
        owned = work.owned
        records = [record for event in work.events for record in self._told(work, event)]
        records += self._states(work)
        records += self._endings(work)
        records += work.dead_letters
        if work.next_offset != owned.stored_offset or work.open_count != owned.open_count:
            records.append(self._cursor(work))
        return PartitionEntries(
            partition=owned.partition, epoch=owned.epoch, next_offset=work.next_offset, records=tuple(records)
        )

    def event(self, event: StatusEvent) -> OutRecord:
        """The event's record, shrunk where its topic could not take it whole."""
        topic = self._names.told_on(event.stream)
        record = self._event_record(topic, event)
        if record_bytes(record) > self._journal.max_record_bytes(topic):
            record = self._event_record(topic, self._events.shrink(event))
        return record

    def ticket_update(self, topic: str, event: StatusEvent, headers: Headers) -> OutRecord:
        """A final event as flat JSON, cut where ``topic`` could not take it whole. ``headers``: those of the event."""
        record = _ticket_record(topic, event, headers)
        if record_bytes(record) > self._journal.max_record_bytes(topic):
            cut = self._events.shrink(event)
            record = _ticket_record(topic, cut, self._event_record(topic, cut).headers)
        return record

    def dead_letter(self, delivery: Delivery, error: Undecodable) -> OutRecord:
        """The record as received plus error headers; a stub with coordinates and hash where it does not fit."""
        topic = self._names.dead_letters
        letter = dead_letters.whole(topic, delivery, error)
        limit = self._journal.max_record_bytes(topic)
        if record_bytes(letter) <= limit:
            return letter
        return dead_letters.stub(topic, delivery, error, with_key=len(delivery.key or b"") < limit // 2)

    def request_fits(self, owned: OwnedPartition, request: StoredRequest, *, reserve: int = 0) -> bool:
        """Whether the store can take this request, and ``reserve`` bytes more."""
        most = self._journal.max_record_bytes(self._names.changelog(owned.partition.topic))
        # Nearly all do by far: those are not encoded only to be weighed.
        return weighs_at_most(request) + reserve <= most or self._bytes_left(owned, request) >= reserve

    def fitted(self, owned: OwnedPartition, lifecycle: Lifecycle, request: StoredRequest) -> StoredRequest:
        """The next call of an external task as the store can take it: what VCD shows is wanted too, at any length."""
        if lifecycle.kind is not Kind.EXTERNAL_TASK or self.request_fits(owned, request):
            return request
        most = self._bytes_left(owned, replace(request, body="")) - _LENGTH_BYTES
        marker = Marker(self._names.group_id, owned.partition)
        document = fitted(documents.read(request.body), most, marker, lifecycle.external_key or "")
        return replace(request, body=documents.write(document))

    def _bytes_left(self, owned: OwnedPartition, request: StoredRequest) -> int:
        changelog = self._names.changelog(owned.partition.topic)
        value, headers = self._store.encode_request(request)
        record = OutRecord(changelog, None, request_key(request.birth), value, headers)
        return self._journal.max_record_bytes(changelog) - record_bytes(record)

    def _told(self, work: PartitionRound, event: StatusEvent) -> Iterator[OutRecord]:
        record = self.event(event)
        yield record
        if self._names.ticket_updates is not None and work.settles(event):
            yield self.ticket_update(self._names.ticket_updates, event, record.headers)

    def _event_record(self, topic: str, event: StatusEvent) -> OutRecord:
        value, headers = self._events.encode(event)
        return OutRecord(topic, None, event.key, value, headers)

    def _states(self, work: PartitionRound) -> list[OutRecord]:
        partition = work.owned.partition
        changelog = self._names.changelog(partition.topic)
        records = []
        for birth, lifecycle in work.changed.items():
            stored = birth in work.owned.lifecycles
            if lifecycle.is_open:
                value, headers = self._store.encode_state(lifecycle)
                records.append(OutRecord(changelog, partition.partition, state_key(birth), value, headers))
            elif stored:
                records.append(OutRecord(changelog, partition.partition, state_key(birth), None))
            request = work.requests.get(birth)
            if request is not None and lifecycle.needs_request:
                value, headers = self._store.encode_request(request)
                records.append(OutRecord(changelog, partition.partition, request_key(birth), value, headers))
            elif _request_is_done(work.owned.lifecycles.get(birth), lifecycle):
                records.append(OutRecord(changelog, partition.partition, request_key(birth), None))
        return records

    def _endings(self, work: PartitionRound) -> list[OutRecord]:
        partition = work.owned.partition
        topic = self._names.ended(partition.topic)
        records = []
        for ended in work.ended():
            value, headers = self._store.encode_ended(ended)
            records.append(OutRecord(topic, partition.partition, str(ended.birth).encode(), value, headers))
        return records

    def _cursor(self, work: PartitionRound) -> OutRecord:
        partition = work.owned.partition
        cursor = Cursor(
            topic_id=work.owned.topic_id,
            next_offset=work.next_offset,
            format_version=FORMAT_VERSION,
            open_lifecycles=work.open_count,
        )
        value, headers = self._store.encode_cursor(cursor)
        return OutRecord(self._names.changelog(partition.topic), partition.partition, CURSOR_KEY, value, headers)


def _ticket_record(topic: str, event: StatusEvent, headers: Headers) -> OutRecord:
    return OutRecord(topic, None, ticket_key(event), ticket_value(event), tuple(_ticket_headers(headers)))


def _ticket_headers(headers: Headers) -> Iterator[tuple[str, bytes | None]]:
    """What a sink finds in an event's headers it finds in these; as CloudEvents the two are told apart by source."""
    for name, value in headers:
        match name:
            case "content-type":
                yield name, b"application/json"
            case "ce_type":
                yield name, TICKET_TYPE
            case "ce_source":
                yield name, (value or b"") + b"/ticket-updates"
            case _:
                yield name, value


def _request_is_done(before: Lifecycle | None, after: Lifecycle) -> bool:
    """Also where the request's record could not be read back: its tombstone is due all the same."""
    return before is not None and before.needs_request and not after.needs_request
