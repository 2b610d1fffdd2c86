"""Takes action requests, and what operators send about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridge.catalogue.load import Catalogue
from bridge.core.admission import Admission, AdmissionContext, Rejection, judge
from bridge.core.events import Reason
from bridge.core.opening import (
    Asker,
    Opening,
    asker,
    conflict,
    open_request,
    reject,
    too_much_parked,
)
from bridge.core.repeats import Known, recognise
from bridge.core.requests import ActionRequest, Decoded, Malformed, RequestKind
from bridge.engine.desks.controls import take_control, target_came
from bridge.engine.desks.intake import Taken
from bridge.engine.partition.owned_partition import Room
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.ports import Delivery, RequestCodec


class ActionDesk:
    """``stream``: the catalogue's name of what its topic takes. ``context`` gives what admission depends on, e.g. the
    negotiated API version."""

    def __init__(
        self,
        stream: str,
        codec: RequestCodec,
        catalogue: Catalogue,
        context: Callable[[], AdmissionContext],
        writer: RecordWriter,
    ) -> None:
        self._stream = stream
        self._codec = codec
        self._catalogue = catalogue
        self._context = context
        self._writer = writer

    def decode(self, delivery: Delivery) -> Decoded:
        return self._codec.decode(delivery)

    def waits_for_room(self, record: ActionRequest) -> bool:
        return record.kind is RequestKind.REQUEST

    def who(self, delivery: Delivery, record: ActionRequest | Malformed) -> Asker:
        return asker(delivery.birth, delivery.key, record)

    def take(self, work: PartitionRound, delivery: Delivery, record: ActionRequest, room: Room) -> Taken:
        if record.kind is RequestKind.REQUEST:
            return self._request(work, delivery, record, room)
        take_control(work, self.who(delivery, record), record, may_wait=room is Room.FREE)
        return Taken()

    def take_found(self, work: PartitionRound, most: int) -> None:
        """Nothing: a Task of VCD's own bears no mark to find it by."""

    def _request(self, work: PartitionRound, delivery: Delivery, request: ActionRequest, room: Room) -> Taken:
        who = asker(delivery.birth, delivery.key, request)
        verdict = judge(
            request,
            birth=delivery.birth,
            now=work.now,
            catalogue=self._catalogue,
            context=self._here(),
        )
        known = work.known(request.request_id) if request.request_id is not None else None
        recognised = recognise(known, verdict.content_hash)
        if known is not None and recognised is Known.REPEAT:
            # A redelivered request is a repeat also when its times have passed meanwhile.
            work.take_repeat(who, known)
        elif isinstance(verdict, Rejection):
            work.answer(reject(work.now, who, verdict.reason))
        elif known is not None and recognised is Known.CONFLICT:
            work.answer(conflict(work.now, who, known))
        else:
            return self._open(work, delivery, request, verdict, room)
        return Taken()

    def _here(self) -> AdmissionContext:
        context = self._context()
        return replace(context, streams=replace(context.streams, here=self._stream))

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
            of_hold=verdict.operation.hold_action is not None,
        )
        who = asker(delivery.birth, delivery.key, request)
        if room is Room.TOO_MUCH_RESTS:
            work.answer(reject(work.now, who, too_much_parked(work.owned.partition.partition)))
            return Taken()
        if not self._writer.request_fits(work.owned, verdict.stored):
            message = "the request is larger than the store's records may be"
            work.answer(reject(work.now, who, Reason("request_too_large", message, "body")))
            return Taken()
        decision = open_request(work.now, who, opening)
        at_once = work.may_start_at_once(decision.lifecycle)
        work.open(replace(decision, request=verdict.stored))
        if verdict.deprecated:
            work.deprecated.add(delivery.birth)
        if request.request_id is not None:
            target_came(work, request.request_id, delivery.birth)
        return Taken(starts=decision.lifecycle if at_once else None)
