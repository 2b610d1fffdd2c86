"""Builds a partition's memory from its store: restored state = committed state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.cursor import offset_doubt, require_whole, starting_offset
from bridge.core.inputs import Unreadable
from bridge.core.lifecycle import OBSERVATION_KINDS, Cursor, Ended, Kind, Lifecycle, Phase, StoredRequest
from bridge.core.restored import in_our_time
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import CURSOR_KEY, STATE_PART
from bridge.errors import StoreConflict, StoreRecordUnreadable
from bridge.ports import Headers, RestoredPartition, StoreCodec, StoredRecord

SLICE = 200
"""Records that are decoded in one go: some milliseconds, in which nothing else of the process moves."""


@dataclass(slots=True)
class Contents:
    """What a store partition says. ``unreadable``: lifecycles that are told from their headers alone, with the reason.

    ``remarks``: what a person should know of how it was read, a sentence each.
    """

    lifecycles: dict[Birth, Lifecycle] = field(default_factory=dict)
    unreadable: dict[Birth, str] = field(default_factory=dict)
    requests: dict[Birth, StoredRequest] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    cursor: Cursor | None = None
    cursor_at: int = -1
    """Its offset in the changelog."""
    moved: list[Birth] = field(default_factory=list)
    """Those with times of a clock that was ahead of ours."""
    remarks: list[str] = field(default_factory=list)


async def build(
    partition: TopicPartition, epoch: int, restored: RestoredPartition, codec: StoreCodec, now: datetime
) -> OwnedPartition:
    """The memory of a restored partition, ready to be read from where its work stands.

    A large store takes seconds; the other partitions and the probes are served meanwhile. Raises StoreConflict when the
    partition must not be taken.
    """
    if partition.partition >= restored.store_partitions:
        raise StoreConflict(
            f"{partition}: the store has {restored.store_partitions} partitions, too few for this one",
            hint="run `vcd-bridge topics apply`: partition counts of input and store must match",
        )
    contents = Contents()
    for _ in _reading(contents, restored.changelog, restored.ended, codec, now):
        await asyncio.sleep(0)
    offset = starting_offset(
        str(partition),
        cursor=contents.cursor,
        has_state=bool(contents.lifecycles or contents.ended),
        committed=restored.committed,
        low=restored.low,
        high=restored.high,
        topic_id=restored.topic_id,
    )
    require_whole(
        str(partition),
        cursor=contents.cursor,
        open_lifecycles=len(contents.lifecycles),
        counted_last=contents.cursor_at >= restored.removed_at.get(STATE_PART, -1),
    )
    owned = OwnedPartition(
        partition, epoch, restored.topic_id, offset, restored.high,
        input_partitions=restored.input_partitions,
        stored_offset=contents.cursor.next_offset if contents.cursor is not None else None,
    )  # fmt: skip
    doubt = offset_doubt(contents.cursor, committed=restored.committed, low=restored.low)
    owned.remarks = (*((doubt,) if doubt is not None else ()), *contents.remarks)
    await _fill(owned, contents)
    return owned


async def _fill(owned: OwnedPartition, contents: Contents) -> None:
    for number, ended in enumerate(contents.ended):
        owned.remember(ended)
        if number % SLICE == 0:
            await asyncio.sleep(0)
    # Of two with one name it belongs to the one that a record opened; the other was found running without one.
    for birth in sorted(contents.lifecycles, key=lambda birth: (birth.offset < 0, birth)):
        owned.put(contents.lifecycles[birth])
    for birth, request in contents.requests.items():
        if birth in owned.lifecycles:
            owned.put_request(request)
    for birth, message in contents.unreadable.items():
        owned.feed(birth, Unreadable(message))


def contents_of(
    changelog: Sequence[StoredRecord], ended: Sequence[StoredRecord], codec: StoreCodec, now: datetime
) -> Contents:
    """Records of one store partition, decoded.

    Raises StoreConflict for what a newer version or somebody else has written.
    """
    contents = Contents()
    for _ in _reading(contents, changelog, ended, codec, now):
        pass
    return contents


def _reading(
    contents: Contents,
    changelog: Sequence[StoredRecord],
    ended: Sequence[StoredRecord],
    codec: StoreCodec,
    now: datetime,
) -> Iterator[None]:
    """Fills ``contents``, a slice of the records at each step."""
    for number, record in enumerate(changelog):
        _take(contents, record, codec, now)
        if number % SLICE == 0:
            yield
    for number, record in enumerate(ended):
        try:
            contents.ended.append(codec.decode_ended(record))
        except StoreRecordUnreadable as error:
            # It only shortens the dedupe window of one id; it must not stop a partition.
            contents.remarks.append(f"an ending is forgotten, and a repeat of it would be called: {error.message}")
        if number % SLICE == 0:
            yield
    if contents.moved:
        told = f"{len(contents.moved)} lifecycles bear times of a clock that was ahead of ours"
        contents.remarks.append(f"{told}, {contents.moved[0]} for one: they are moved back")
    contents.ended.sort(key=lambda one: one.ended_at)


def _take(contents: Contents, record: StoredRecord, codec: StoreCodec, now: datetime) -> None:
    if record.key == CURSOR_KEY:
        contents.cursor, contents.cursor_at = _cursor(record, codec), record.offset
        return
    birth, part = _named(record.key)
    if part == "state":
        _read_state(contents, birth, record, codec, now)
    else:
        _read_request(contents, birth, record, codec)


def _named(key: bytes) -> tuple[Birth, str]:
    """Which lifecycle's record it is, and which of its two."""
    try:
        text, _, part = key.decode().rpartition("|")
        return Birth.parse(text), part
    except ValueError:
        raise StoreConflict(
            f"the store holds a record that the bridge does not write (key {key[:80]!r})",
            hint="somebody else writes to the changelog: write a tombstone for that key, and restart",
        ) from None


def _cursor(record: StoredRecord, codec: StoreCodec) -> Cursor:
    try:
        return codec.decode_cursor(record)
    except StoreRecordUnreadable as error:
        raise StoreConflict(
            error.message, hint="without it nobody knows where to go on; restore the changelog, or use a new group_id"
        ) from error


def _read_request(contents: Contents, birth: Birth, record: StoredRecord, codec: StoreCodec) -> None:
    try:
        contents.requests[birth] = codec.decode_request(record)
    except StoreRecordUnreadable as error:
        # What cannot be read cannot be called: its lifecycle is parked when its turn comes.
        contents.remarks.append(f"a call cannot be made: {error.message}")


def _read_state(contents: Contents, birth: Birth, record: StoredRecord, codec: StoreCodec, now: datetime) -> None:
    try:
        stored = codec.decode_state(record)
    except StoreRecordUnreadable as error:
        observed = _observed(birth, record, codec, now)
        if observed is None:
            contents.unreadable[birth] = error.message
        contents.lifecycles[birth] = observed or _from_headers(birth, record.headers, now)
        contents.remarks.append(f"a lifecycle is told from its headers alone: {error.message}")
        return
    contents.lifecycles[birth] = in_our_time(stored, now)
    if contents.lifecycles[birth] is not stored:
        contents.moved.append(birth)


def _observed(birth: Birth, record: StoredRecord, codec: StoreCodec, now: datetime) -> Lifecycle | None:
    """An observation, or what one has seen, whose value cannot be read: its headers tell all that it needs to go on but
    the status that was told last. None: it is something else.

    Raises StoreConflict where they do not: begun anew it would tell again what it has told.
    """
    told = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    if told.get("vb_lifecycle") not in OBSERVATION_KINDS:
        return None
    part, sequence = codec.decode_observation(record), told.get("vb_sequence", "")
    phase = next((one for one in Phase if one == told.get("vb_phase")), None)
    if part is None or phase is None or not sequence.isdecimal():
        raise StoreConflict(
            f"the store's record of {birth}, which is about an observation, is damaged",
            hint="write a tombstone for its key, and restart: what it was about is told anew",
        )
    return Lifecycle(
        birth=birth,
        kind=Kind(told["vb_lifecycle"]),
        phase=phase,
        sequence=int(sequence),
        request_id=None,
        key=None,
        correlation_id=told.get("vb_correlation_id"),
        organization=told.get("vb_organization"),
        received_at=now,
        observation=part,
    )


def _from_headers(birth: Birth, headers: Headers, now: datetime) -> Lifecycle:
    """A lifecycle whose value cannot be read, as far as its headers tell: whose it is, its sequence and its lane."""
    told = {name: value.decode(errors="replace") for name, value in headers if value is not None}
    sequence = told.get("vb_sequence", "")
    external = told.get("vb_lifecycle") == Kind.EXTERNAL_TASK
    return Lifecycle(
        birth=birth,
        kind=Kind.EXTERNAL_TASK if external else Kind.ACTION_REQUEST,
        external_key=told.get("vb_external_key") if external else None,
        phase=Phase.PARKED,
        sequence=int(sequence) if sequence.isdecimal() else 0,
        request_id=told.get("vb_request_id"),
        key=None,
        correlation_id=told.get("vb_correlation_id"),
        operation=told.get("vb_operation"),
        content_hash=told.get("vb_content_hash", ""),
        lane=told.get("vb_lane") or None,
        received_at=now,
        parked_reason="state_unreadable",
        parked_at=now,
    )
