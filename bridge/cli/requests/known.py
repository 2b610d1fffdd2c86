"""What the store knows of lifecycles, read as a restore reads it; the bridges go on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
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

REQUEST_PART = b"|request"
"""How keys of stored requests end."""


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
    requests: bool = False,
    takes: Callable[[StoredRecord], bool] = lambda record: True,
) -> Known:
    """Everything in the store, or what ``takes`` says of its records before they are decoded.

    ``ended``: also what ended within the dedupe window. ``requests``: also the calls, whose bodies are large.
    What is missing from it is told on standard error. Raises ConfigurationError or TemporaryError.
    """
    from bridge.cli.connections import kafka_config
    from bridge.kafka.looking import read_store
    from bridge.settings.naming import topic_names

    names = topic_names(settings)
    stored = read_store(
        kafka_config(settings), names, ended=ended,
        wanted=lambda key: requests or not key.endswith(REQUEST_PART),
    )  # fmt: skip
    known = Known(names, datetime.now(UTC))
    for partition in stored:
        if partition.held_up_at is not None:
            note(
                f"{partition.partition}: a transaction is open at offset {partition.held_up_at} of its changelog, and "
                "does not end; what it holds is not shown"
            )
        _take(known, partition, takes)
    return known


def _take(known: Known, stored: StoredPartition, takes: Callable[[StoredRecord], bool]) -> None:
    from bridge.avro.store_codec import AvroStoreCodec
    from bridge.engine.restoring import contents_of

    partition = stored.partition
    try:
        contents = contents_of(_chosen(stored.changelog, takes), stored.ended, AvroStoreCodec(), known.now)
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


def _chosen(records: Iterable[StoredRecord], takes: Callable[[StoredRecord], bool]) -> list[StoredRecord]:
    from bridge.engine.records import CURSOR_KEY

    return [record for record in records if record.key == CURSOR_KEY or takes(record)]
