"""Judges input records one by one, in offset order: opens lifecycles, answers, dead-letters, recognises repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.catalogue.load import Catalogue
from bridge.core.admission import Admission, AdmissionContext, Rejection, judge
from bridge.core.events import Reason
from bridge.core.lifecycle import Ended, Lifecycle
from bridge.core.opening import Opening, answer_repeat, asker, conflict, open_request, reject, too_much_parked
from bridge.core.repeats import Known, recognise
from bridge.core.requests import ActionRequest, Malformed, RequestKind, SchemaUnavailable, Undecodable
from bridge.engine.controls import take_control, target_came
from bridge.engine.partition import Room
from bridge.engine.records import RecordWriter
from bridge.engine.round import PartitionRound
from bridge.engine.schemas import SchemaWaits
from bridge.ports import Delivery, RequestCodec


@dataclass(slots=True)
class Taken:
    """How one record went. ``left``: it was not taken, its schema is asked for or a cap is reached."""

    left: bool = False
    starts: Lifecycle | None = None
    """A newly received lifecycle that could start in this same round if a permit is free."""


class Intake:
    """The judge of deliveries. ``context`` gives what admission depends on, e.g. the negotiated API version."""

    def __init__(
        self,
        codec: RequestCodec,
        catalogue: Catalogue,
        context: Callable[[], AdmissionContext],
        writer: RecordWriter,
        schemas: SchemaWaits,
    ) -> None:
        self._codec = codec
        self._catalogue = catalogue
        self._context = context
        self._writer = writer
        self._schemas = schemas

    def take(self, work: PartitionRound, delivery: Delivery, room: Room = Room.FREE) -> Taken:
        """Decide one record. One whose schema cannot be had waits for it, and is dead-lettered in the end.

        Without ``room`` no request is opened; what operators send for those that are open is taken still.
        """
        decoded = self._codec.decode(delivery)
        taken = Taken()
        if room is Room.FULL and isinstance(decoded, ActionRequest) and decoded.kind is RequestKind.REQUEST:
            return Taken(left=True)
        if isinstance(decoded, SchemaUnavailable):
            if not self._schemas.gave_up(work.owned, decoded.schema_id):
                self._schemas.wait(work.owned, decoded.schema_id)
                return Taken(left=True)
            decoded = Undecodable(stage="VALUE_CONVERTER", error_class="SchemaUnavailable", message=decoded.message)
        match decoded:
            case Undecodable():
                self._dead_letter(work, delivery, decoded)
            case Malformed():
                who = asker(delivery.birth, delivery.key, decoded)
                work.answer(reject(work.now, who, Reason(decoded.code, decoded.message, decoded.field)))
            case ActionRequest(kind=RequestKind.REQUEST):
                taken = self._request(work, delivery, decoded, room)
            case ActionRequest():
                who = asker(delivery.birth, delivery.key, decoded)
                take_control(work, who, decoded, may_wait=room is Room.FREE)
        work.owned.waits_for_schema = None
        work.taken_deliveries.append(delivery)
        work.next_offset = delivery.offset + 1
        return taken

    def _dead_letter(self, work: PartitionRound, delivery: Delivery, error: Undecodable) -> None:
        work.dead_letters.append(self._writer.dead_letter(delivery, error))
        work.dead_lettered.append((delivery.birth, error))

    def _request(self, work: PartitionRound, delivery: Delivery, request: ActionRequest, room: Room) -> Taken:
        who = asker(delivery.birth, delivery.key, request)
        verdict = judge(
            request,
            birth=delivery.birth,
            now=work.now,
            catalogue=self._catalogue,
            context=self._context(),
        )
        known = work.known(request.request_id) if request.request_id is not None else None
        recognised = recognise(known, verdict.content_hash)
        if known is not None and recognised is Known.REPEAT:
            # A redelivered request is a repeat also when its times have passed meanwhile.
            self._repeat(work, delivery, request, known)
        elif isinstance(verdict, Rejection):
            work.answer(reject(work.now, who, verdict.reason))
        elif known is not None and recognised is Known.CONFLICT:
            work.answer(conflict(work.now, who, known))
        else:
            return self._open(work, delivery, request, verdict, room)
        return Taken()

    def _open(
        self, work: PartitionRound, delivery: Delivery, request: ActionRequest, verdict: Admission, room: Room
    ) -> Taken:
        opening = Opening(
            organization=request.organization,
            content_hash=verdict.content_hash,
            entity=verdict.entity,
            lane=verdict.lane,
            created_name=verdict.created_name,
            start_by=request.start_by,
            watch_until=request.watch_until,
        )
        who = asker(delivery.birth, delivery.key, request)
        if room is Room.TOO_MUCH_PARKED:
            work.answer(reject(work.now, who, too_much_parked(work.owned.partition.partition)))
            return Taken()
        if not self._writer.request_fits(work.owned, verdict.stored):
            message = "the request is larger than the store's records may be"
            work.answer(reject(work.now, who, Reason("request_too_large", message, "body")))
            return Taken()
        decision = open_request(work.now, who, opening)
        at_once = work.may_start_at_once(decision.lifecycle)
        work.open(decision, verdict.stored)
        if verdict.deprecated:
            work.deprecated.add(delivery.birth)
        if request.request_id is not None:
            target_came(work, request.request_id, delivery.birth)
        return Taken(starts=decision.lifecycle if at_once else None)

    def _repeat(
        self, work: PartitionRound, delivery: Delivery, request: ActionRequest, known: Lifecycle | Ended
    ) -> None:
        if request.correlation_id is not None and request.correlation_id != known.correlation_id:
            work.answer(answer_repeat(work.now, asker(delivery.birth, delivery.key, request), known))
        else:
            work.repeats.append((known, delivery.birth))
