"""An operator's word: one input record beside its target, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.cli.composing import Composed, entity_key
from bridge.cli.options import UsageError
from bridge.cli.requests.advice import Wanted, external_way, known_as
from bridge.core.action_request import named_task
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.inputs import CancelWanted, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Ended, Kind, Lifecycle
from bridge.core.requests import Resolution

if TYPE_CHECKING:
    from bridge.cli.requests.known import Known
    from bridge.kafka.clients import ReadRecord
    from bridge.kafka.config import KafkaConfig
    from bridge.ports import StoredRecord
    from bridge.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What an operator wants of the lifecycle called ``name``, and who says so."""

    verb: str
    name: str
    by: str
    outcome: str | None = None
    task_href: str | None = None
    reason: str | None = None

    @property
    def wanted(self) -> Wanted:
        """As the core takes it."""
        match self.verb:
            case "retry":
                return RetryWanted(self.by)
            case "cancel":
                return CancelWanted(self.by)
            case _:
                return ResolveWanted(self._resolution, self.by)

    @property
    def task_id(self) -> str | None:
        """URN of the Task that it gives to its target, as the core reads it; None: it gives none."""
        return named_task(self._resolution)

    @property
    def _resolution(self) -> Resolution:
        return Resolution(outcome=self.outcome, task_href=self.task_href)

    def document(self, target: Lifecycle | Ended | None) -> dict[str, Any]:
        """The ``ActionRequest`` to send."""
        told: dict[str, Any] = {
            "kind": self.verb, "target_request_id": known_as(target, self.name), "requested_by": self.by,
        }  # fmt: skip
        if self.verb == "resolve":
            resolution = {"outcome": self.outcome, "task_href": self.task_href, "reason": self.reason}
            told["resolution"] = {name: value for name, value in resolution.items() if value is not None}
            told["resolution"]["decided_by"] = self.by
        return told


def refuse_others(word: Word, target: Lifecycle | Ended | None) -> None:
    """Raises UsageError: external tasks and observations are driven by records of their own."""
    if isinstance(target, Lifecycle) and target.observation is not None:
        raise UsageError(
            f"{word.name!r} is of an observation: requests {word.verb} is for action requests",
            hint="vcd-bridge send --observation stop --organization … ends an observation",
        )
    if isinstance(target, Lifecycle) and target.kind is Kind.EXTERNAL_TASK:
        raise UsageError(
            f"{word.name!r} is an external task: requests {word.verb} is for action requests",
            hint=external_way(word.verb, target),
        )


def send_word(
    settings: Settings, connection: KafkaConfig, word: Word, target: Lifecycle | Ended | None, key: str | None
) -> Birth:
    """Write the record: beside its target, under its target's record key. Raises what ``send`` raises."""
    import json

    from bridge.cli.sending import with_targets_keys
    from bridge.kafka import clients
    from bridge.ports import OutRecord

    document, topic, partition = word.document(target), input_of(settings, target), None
    if key is not None:
        raw = key.encode()
    elif target is not None:
        raw, partition = _record_key(connection, target), target.birth.partition
    else:
        guess = Composed(word.name, document, key_is_guess=True)
        raw = with_targets_keys(settings, topic, [guess])[0].key.encode()
    value = json.dumps(document, ensure_ascii=False).encode()
    record = OutRecord(topic, partition, raw, value, (("content-type", b"application/json"),))
    return clients.send(connection, [record])[0]


def input_of(settings: Settings, target: Lifecycle | Ended | None) -> str:
    """The topic of the target's own record; of one that is not known, that of most requests."""
    return target.birth.topic if target is not None else settings.topics.action_requests


def _record_key(connection: KafkaConfig, target: Lifecycle | Ended) -> bytes:
    """The key of the target's own record; what ``send`` would have given it where the topic has lost that."""
    from bridge.kafka.looking import record_at

    record = record_at(connection, target.birth)
    if record is not None and record.key is not None:
        return record.key
    entity = target.entity if isinstance(target, Lifecycle) else None
    return (entity_key(entity) if entity is not None else target.request_id or str(target.birth)).encode()


# --- what became of it ------------------------------------------------------------------------------------------------


class Result(StrEnum):
    """What is known of a record that was sent, when the waiting ends."""

    SENT = "sent"
    """Nobody waited."""
    UNREAD = "unread"
    """No bridge has read it yet."""
    WAITS = "waits"
    """It waits for its target to come."""
    TAKEN = "taken"
    """A bridge has read it and has not refused it; its target has told nothing since."""
    TOLD = "told"
    """Its target has told an event since."""
    REFUSED = "refused"

    @property
    def is_good(self) -> bool:
        return self in {Result.SENT, Result.TAKEN, Result.TOLD}


@dataclass(slots=True)
class Watched:
    """What comes after a record was sent at ``sent``. ``target``: birth of the lifecycle that it is about."""

    sent: Birth
    target: Birth | None
    read: bool = False
    waits: bool = False
    refusal: Mapping[str, Any] | None = None
    told: Mapping[str, Any] | None = None
    state: Lifecycle | None = field(default=None)
    """The target as last stored since."""

    @property
    def is_over(self) -> bool:
        return self.refusal is not None or (self.read and self.told is not None)

    @property
    def result(self) -> Result:
        if self.refusal is not None:
            return Result.REFUSED
        if self.read and self.told is not None:
            return Result.TOLD
        if self.waits:
            return Result.WAITS
        return Result.TAKEN if self.read else Result.UNREAD

    def take_event(self, event: Mapping[str, Any]) -> None:
        if event["birth"] == str(self.sent):
            self.refusal = event
        elif event["birth"] == str(self.target) and self.told is None:
            self.told = event

    def take_stored(self, record: ReadRecord) -> None:
        """A record of the changelog of the partition that it was sent to."""
        from bridge.avro.store_codec import AvroStoreCodec
        from bridge.engine.partition.records import CURSOR_KEY, state_key
        from bridge.errors import BridgeError

        stored = _stored(record)
        if record.key == state_key(self.sent):
            self.waits = stored is not None
        if stored is None:
            return
        try:
            if record.key == CURSOR_KEY:
                self.read = self.read or AvroStoreCodec().decode_cursor(stored).next_offset > self.sent.offset
            elif self.target is not None and record.key == state_key(self.target):
                self.state = AvroStoreCodec().decode_state(stored)
        except BridgeError:
            return  # what cannot be read tells nothing; the events do


async def watch_word(
    settings: Settings, connection: KafkaConfig, watched: Watched, places: Mapping[TopicPartition, int], seconds: float
) -> None:
    """Read events and store from ``places`` on until it is known what became of it, or the time is up."""
    from bridge.avro.event_decoder import EventDecoder, EventUndecodableError
    from bridge.cli.connections import schema_registry
    from bridge.kafka.clients import tail

    registry, deadline = schema_registry(settings), time.monotonic() + seconds
    decoder = EventDecoder(registry)
    topics = sorted({place.topic for place in places})
    records = tail(
        connection, topics, places=places, stop=lambda: watched.is_over or time.monotonic() >= deadline
    )  # fmt: skip
    # The reader blocks this thread; nothing else runs here, and the registry is asked in threads of its own.
    for record in records:
        if record is None:
            continue
        if record.at.topic != settings.topics.task_events:
            watched.take_stored(record)
            continue
        try:
            watched.take_event(await decoder.decode(record.value, record.headers))
        except EventUndecodableError:
            continue
    if registry is not None:
        await registry.close()


def places_to_watch(
    settings: Settings, connection: KafkaConfig, known: Known, target: Lifecycle | Ended | None
) -> dict[TopicPartition, int]:
    """Where events and the target's store end now. To be taken before the record is sent."""
    from bridge.kafka.looking import ends_of

    changelog = known.names.changelog(input_of(settings, target))
    return ends_of(connection, [settings.topics.task_events, changelog])


def only(places: Mapping[TopicPartition, int], settings: Settings, partition: int) -> dict[TopicPartition, int]:
    """All of the events, and of the store the partition that the record was sent to."""
    events = settings.topics.task_events
    return {one: offset for one, offset in places.items() if one.topic == events or one.partition == partition}


def _stored(record: ReadRecord) -> StoredRecord | None:
    from bridge.ports import StoredRecord

    if record.key is None or record.value is None:
        return None
    return StoredRecord(record.key, record.value, record.headers)
