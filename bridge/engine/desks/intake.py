"""Takes input records one by one, in offset order. What they mean is the business of their topic's desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bridge.core.events import Reason
from bridge.core.lifecycle import Lifecycle
from bridge.core.opening import Asker, reject
from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable
from bridge.engine.partition.owned_partition import Room
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.engine.partition.schemas import SchemaWaits
from bridge.ports import Delivery


@dataclass(slots=True)
class Taken:
    """How one record went. ``left``: it was not taken: its schema is asked for, a cap is reached, or what it is about
    has to end first."""

    left: bool = False
    starts: Lifecycle | None = None
    """A newly received lifecycle that could start in this same round if a permit is free."""


_Record = TypeVar("_Record")


class Desk(Protocol, Generic[_Record]):
    """Knows the records of one input topic."""

    def decode(self, delivery: Delivery) -> _Record | Malformed | Undecodable | SchemaUnavailable: ...

    def waits_for_room(self, record: _Record) -> bool:
        """Whether the record is left until there is room: reading stops at it."""
        ...

    def who(self, delivery: Delivery, record: _Record | Malformed) -> Asker: ...

    def take(self, work: PartitionRound, delivery: Delivery, record: _Record, room: Room) -> Taken:
        """Open, change, answer or recognise."""
        ...

    def take_found(self, work: PartitionRound, most: int) -> None:
        """Open a lifecycle for each Task that was found without one, up to ``most`` steps of the round."""
        ...


class Intake:
    """The judge of deliveries: ``desks`` by input topic."""

    def __init__(self, desks: Mapping[str, Desk[Any]], writer: RecordWriter, schemas: SchemaWaits) -> None:
        self._desks = desks
        self._writer = writer
        self._schemas = schemas

    def take_found(self, work: PartitionRound, most: int) -> None:
        """Take over what was found running and unowned, up to ``most`` steps of the round."""
        self._desks[work.owned.partition.topic].take_found(work, most)

    def take(self, work: PartitionRound, delivery: Delivery, room: Room = Room.FREE) -> Taken:
        """Decide one record. One whose schema cannot be had waits for it, and is dead-lettered in the end.

        Without ``room`` a lifecycle is opened later or never; what is sent about those that are open is taken still.
        """
        desk = self._desks[delivery.partition.topic]
        decoded = desk.decode(delivery)
        taken = Taken()
        if isinstance(decoded, SchemaUnavailable):
            if not self._schemas.gave_up(work.owned, decoded.schema_id):
                self._schemas.wait(work.owned, decoded.schema_id)
                return Taken(left=True)
            decoded = Undecodable(stage="VALUE_CONVERTER", error_class="SchemaUnavailable", message=decoded.message)
        match decoded:
            case Undecodable():
                work.dead_letters.append(self._writer.dead_letter(delivery, decoded))
                work.dead_lettered.append((delivery.birth, decoded))
            case Malformed():
                reason = Reason(decoded.code, decoded.message, decoded.field)
                work.answer(reject(work.now, desk.who(delivery, decoded), reason))
            case _:
                if room is Room.FULL and desk.waits_for_room(decoded):
                    return Taken(left=True)
                taken = desk.take(work, delivery, decoded, room)
                if taken.left:
                    return taken
        work.owned.waits_for_schema = None
        work.taken_deliveries.append(delivery)
        work.next_offset = delivery.offset + 1
        return taken
