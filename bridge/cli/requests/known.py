"""What the store knows of lifecycles, read as a restore reads it; the bridges go on meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bridge.cli.console import note
from bridge.cli.options import UsageError
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.lifecycle import Cursor, Ended, Kind, Lifecycle, StoredRequest
from bridge.errors import StoreConflict

if TYPE_CHECKING:
    from bridge.kafka.looking import StoredPartition
    from bridge.ports import StoredRecord, TopicNames
    from bridge.settings import Settings

Takes = Callable[["StoredRecord"], bool]
Choose = Callable[[Sequence["StoredRecord"]], Takes]
CLOCKS_APART = timedelta(minutes=10)
"""How much earlier than its time a record is looked for: topics bear the times of other hosts."""
REQUEST_PART = b"|request"
"""How keys of stored requests end."""


@dataclass(frozen=True, slots=True)
class About:
    """Of the store what one lifecycle needs to be told, judged before anything is decoded: its own records, those of
    its lane, and whoever has a certain Task."""

    name: str
    task_id: str | None = None

    def choose(self, records: Sequence[StoredRecord]) -> Takes:
        """Judges the records of one partition: lanes do not reach beyond it."""
        from bridge.avro.framing import text_header

        named = [record for record in records if self._is_named(record)]
        own = {_birth(record) for record in named}
        lanes = {lane for record in named if (lane := text_header(record.headers, "vb_lane")) is not None}
        return lambda record: (
            _birth(record) in own
            or (bool(lanes) and text_header(record.headers, "vb_lane") in lanes)
            or self._has_task(record)
        )

    def takes_ended(self, record: StoredRecord) -> bool:
        return self.name.encode() in record.value or record.key == self.name.encode() or self._has_task(record)

    def _is_named(self, record: StoredRecord) -> bool:
        from bridge.avro.framing import text_header

        names = (text_header(record.headers, "vb_request_id"), text_header(record.headers, "vb_external_key"))
        return self.name in names or _birth(record) == self.name.encode() or self._is_of_observation(record)

    def _is_of_observation(self, record: StoredRecord) -> bool:
        """An observation is called by its organization, what it has seen by that and its URN."""
        from bridge.avro.framing import text_header

        organization, remembered = (
            text_header(record.headers, f"vb_{name}") for name in ("organization", "observation")
        )
        if organization is None or not self.name.startswith(organization):
            return False
        urn = self.name.removeprefix(organization).removeprefix("/")
        is_order = text_header(record.headers, "vb_lifecycle") == Kind.OBSERVATION
        return is_order if not urn else json.dumps(urn) in (remembered or "")

    def _has_task(self, record: StoredRecord) -> bool:
        return self.task_id is not None and self.task_id.encode() in record.value


def _birth(record: StoredRecord) -> bytes:
    return record.key.rpartition(b"|")[0]


@dataclass(slots=True)
class Known:
    """``unreadable``: partitions whose store this version cannot read, with the reason."""

    names: TopicNames
    now: datetime
    lifecycles: dict[Birth, Lifecycle] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    requests: dict[Birth, StoredRequest] = field(default_factory=dict)
    cursors: dict[TopicPartition, Cursor | None] = field(default_factory=dict)
    unreadable: dict[TopicPartition, str] = field(default_factory=dict)

    def of_partition(self, partition: TopicPartition) -> list[Lifecycle]:
        return [one for birth, one in self.lifecycles.items() if birth.topic_partition == partition]

    def named(self, name: str) -> list[Lifecycle | Ended]:
        """What a request id, an external key or a birth names: those that are open, else the last that ended of each
        partition. Records about another one have no name of their own, only a birth."""
        open_ones: list[Lifecycle | Ended] = [
            one
            for one in self.lifecycles.values()
            if str(one.birth) == name or (one.kind is not Kind.CONTROL and one.name == name)
        ]
        if open_ones:
            return open_ones
        last: dict[TopicPartition, Lifecycle | Ended] = {}
        for one in self.ended:
            if one.name == name or str(one.birth) == name:
                last[one.birth.topic_partition] = one
        return list(last.values())

    def one(self, name: str) -> Lifecycle | Ended | None:
        """The only one of that name. Raises UsageError when there are several."""
        found = self.named(name)
        if len(found) > 1:
            births = ", ".join(str(one.birth) for one in found)
            raise UsageError(f"{len(found)} lifecycles are called {name!r}", hint=f"name one by its birth: {births}")
        return found[0] if found else None

    def holder(self, task_id: str, other_than: Birth) -> Lifecycle | Ended | None:
        """Whose Task that is already, but for one lifecycle."""
        everybody: list[Lifecycle | Ended] = [*self.lifecycles.values(), *self.ended]
        return next((one for one in everybody if one.task_id == task_id and one.birth != other_than), None)


def read_known(
    settings: Settings,
    *,
    ended: bool,
    ended_since: datetime | None = None,
    requests: bool = False,
    choose: Choose = lambda records: lambda record: True,
    takes_ended: Takes = lambda record: True,
) -> Known:
    """Everything in the store, or what ``choose``, given a partition's records, takes of them before they are decoded.

    ``ended``: also what ended within the dedupe window, or not long before ``ended_since``. ``requests``: also the
    calls, whose bodies are large.
    What is missing from it is told on standard error. Raises ConfigurationError or TemporaryError.
    """
    from bridge.cli.connections import kafka_config
    from bridge.kafka.looking import read_store
    from bridge.settings.naming import topic_names

    names = topic_names(settings)
    stored = read_store(
        kafka_config(settings), names, ended=ended,
        ended_since=ended_since - CLOCKS_APART if ended_since is not None else None,
        wanted=lambda key: requests or not key.endswith(REQUEST_PART),
    )  # fmt: skip
    known = Known(names, datetime.now(UTC))
    for partition in stored:
        if partition.held_up_at is not None:
            note(
                f"{partition.partition}: a transaction is open at offset {partition.held_up_at} of its changelog, and "
                "does not end; what it holds is not shown"
            )
        kept = [record for record in partition.ended if takes_ended(record)]
        _take(known, partition, _chosen(partition.changelog, choose(partition.changelog)), kept)
    return known


def _take(
    known: Known, stored: StoredPartition, changelog: Sequence[StoredRecord], ended: Sequence[StoredRecord]
) -> None:
    from bridge.avro.store_codec import AvroStoreCodec
    from bridge.engine.partition.restoring import contents_of

    partition = stored.partition
    try:
        contents = contents_of(changelog, ended, AvroStoreCodec(), known.now)
    except StoreConflict as conflict:
        known.unreadable[partition] = conflict.message
        note(f"{partition} is not shown: {conflict.message} ({conflict.hint})")
        return
    for remark in contents.remarks:
        note(f"{partition}: {remark}")
    known.lifecycles |= contents.lifecycles
    known.requests |= contents.requests
    known.ended += contents.ended
    known.cursors[partition] = contents.cursor


def _chosen(records: Iterable[StoredRecord], takes: Takes) -> list[StoredRecord]:
    from bridge.engine.partition.records import CURSOR_KEY

    return [record for record in records if record.key == CURSOR_KEY or takes(record)]
