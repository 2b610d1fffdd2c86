"""Takes commands about external tasks."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.commands import Decision
from bridge.core.control import TargetCame, unknown_external_key
from bridge.core.coordinates import Birth
from bridge.core.events import Reason
from bridge.core.external.fitting import RESERVE_BYTES
from bridge.core.external.judging import (
    ANOTHER_KEY,
    Repeat,
    content_hash,
    fingerprint,
    judge_change,
    judge_create,
    namespace_of,
)
from bridge.core.external.opening import command_of, open_external, open_orphan, open_waiting
from bridge.core.external_commands import DecodedExternal, ExternalCommand, ExternalVerb
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.found import FoundOrphan
from bridge.core.inputs import Commanded
from bridge.core.lifecycle import Ended, Kind, Lifecycle, StoredRequest
from bridge.core.opening import Asker, kept_key, reject, too_many_tasks, too_much_stored
from bridge.core.repeats import Known, recognise
from bridge.core.requests import Malformed
from bridge.engine.desks.intake import Taken
from bridge.engine.partition.owned_partition import Room
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.errors import InvariantViolation
from bridge.ports import Delivery, ExternalCodec


class ExternalDesk:
    """``is_provider`` tells whether the login is one of the provider."""

    def __init__(
        self, codec: ExternalCodec, rules: ExternalRules, is_provider: Callable[[], bool], writer: RecordWriter
    ) -> None:
        self._codec = codec
        self._rules = rules
        self._is_provider = is_provider
        self._writer = writer

    def decode(self, delivery: Delivery) -> DecodedExternal:
        return self._codec.decode(delivery)

    def waits_for_room(self, record: ExternalCommand) -> bool:
        """Never: the ends that would make room come in behind it."""
        return False

    def who(self, delivery: Delivery, record: ExternalCommand | Malformed) -> Asker:
        return Asker(
            birth=delivery.birth,
            key=kept_key(delivery.key) if record.external_key is None else None,
            request_id=None,
            correlation_id=record.correlation_id,
            requested_by=None,
            operation=None,
            traceparent=record.traceparent,
            lifecycle=Kind.EXTERNAL_TASK,
            external_key=record.external_key,
        )

    def take(self, work: PartitionRound, delivery: Delivery, record: ExternalCommand, room: Room) -> Taken:
        known = work.known(record.external_key)
        if record.verb is ExternalVerb.CREATE:
            self._create(work, delivery, record, known, room)
        elif known is not None and not _was_rejected(known):
            self._change(work, delivery, record, known)
        elif room is Room.FREE:
            self._wait(work, delivery, record)
        else:
            reason = unknown_external_key(record.external_key, waited=False)
            work.answer(reject(work.now, self.who(delivery, record), reason))
        return Taken()

    def _wait(self, work: PartitionRound, delivery: Delivery, command: ExternalCommand) -> None:
        who = self.who(delivery, command)
        decision = open_waiting(work.now, who, command, self._rules)
        if decision.request is not None and not self._fits(work, decision.request):
            work.answer(reject(work.now, who, _too_large()))
        else:
            work.open(decision)

    def take_found(self, work: PartitionRound, most: int) -> None:
        found = work.owned.found
        while found and work.size < most:
            orphan = found.popleft()
            work.taken_found.append(orphan)
            if not isinstance(orphan, FoundOrphan):
                raise InvariantViolation(f"{work.owned.partition}: {type(orphan).__name__} for external tasks")
            external_key, task = orphan.external_key, orphan.task
            known = work.known(external_key)
            is_open = isinstance(known, Lifecycle) and known.is_open
            if work.has_task(task.id):
                continue
            if is_open and self._rules.orphans is OrphanPolicy.ADOPT:
                work.left_found.append((external_key, task.id, "its key has a Task already: it can only be ended"))
                continue
            decision = open_orphan(work.now, work.owned.partition, external_key, task, self._rules)
            work.open(decision)
            if not decision.lifecycle.left_over:
                self._let_waiting_act(work, external_key)

    # --- create ---------------------------------------------------------------------------------------------------

    def _create(
        self,
        work: PartitionRound,
        delivery: Delivery,
        command: ExternalCommand,
        known: Lifecycle | Ended | None,
        room: Room,
    ) -> None:
        who = self.who(delivery, command)
        recognised = recognise(known, content_hash(command))
        if known is not None and recognised is Known.REPEAT:
            work.take_repeat(who, known)
        elif known is not None and recognised is Known.CONFLICT:
            work.answer(reject(work.now, who, _conflict(command, known)))
        elif (refusal := judge_create(command, self._rules, is_provider=self._is_provider())) is not None:
            work.answer(reject(work.now, who, refusal))
        elif room is not Room.FREE and not self._takes_the_place_of_another(work, command, room):
            work.answer(reject(work.now, who, too_many_tasks(work.owned.partition.partition)))
        else:
            self._open(work, delivery, command)

    def _takes_the_place_of_another(self, work: PartitionRound, command: ExternalCommand, room: Room) -> bool:
        """What waits for this very create ends with it, so that no more is open than before."""
        return room is Room.FULL and bool(work.waiting_for(command.external_key))

    def _open(self, work: PartitionRound, delivery: Delivery, command: ExternalCommand) -> None:
        who = self.who(delivery, command)
        namespace = namespace_of(command, self._rules)
        if isinstance(namespace, Reason):
            work.answer(reject(work.now, who, namespace))
            return
        decision = open_external(work.now, who, command, namespace, self._rules)
        if decision.request is not None and not self._fits(work, decision.request, reserve=RESERVE_BYTES):
            work.answer(reject(work.now, who, _too_large()))
            return
        work.open(decision)
        self._let_waiting_act(work, command.external_key)

    def _let_waiting_act(self, work: PartitionRound, external_key: str) -> None:
        """The updates and the finish that came before, in their order."""
        for waiting in work.waiting_for(external_key):
            request, known = work.request(waiting.birth), work.known(external_key)
            if request is None or request.body is None:
                reason = Reason("state_unreadable", "what the command asked for cannot be read any more: send it again")
                work.apply(waiting.birth, TargetCame(reason))
            elif isinstance(known, Lifecycle):
                verdict = self._act(work, command_of(request.body), waiting.birth, known)
                work.apply(waiting.birth, TargetCame(verdict if isinstance(verdict, Reason) else None))

    # --- update and finish ----------------------------------------------------------------------------------------

    def _change(
        self, work: PartitionRound, delivery: Delivery, command: ExternalCommand, known: Lifecycle | Ended
    ) -> None:
        verdict = self._act(work, command, delivery.birth, known)
        match verdict:
            case Reason():
                work.answer(reject(work.now, self.who(delivery, command), verdict))
            case Repeat():
                work.repeats.append((known, delivery.birth))
            case None:
                pass

    def _act(
        self, work: PartitionRound, command: ExternalCommand, birth: Birth, known: Lifecycle | Ended
    ) -> Reason | Repeat | None:
        verdict = judge_change(command, known, work.request(known.birth))
        if verdict is not None or isinstance(known, Ended):
            return verdict
        decision = work.decided(known, Commanded(command, birth, fingerprint(command)))
        refusal = self._no_room_for(work, decision, command)
        if refusal is None:
            work.adopt(decision)
        return refusal

    def _no_room_for(self, work: PartitionRound, decision: Decision, command: ExternalCommand) -> Reason | None:
        """Why the store cannot take the document as the command changes it. An ending may use up what is reserved."""
        before, after = work.request(decision.lifecycle.birth), decision.request
        if before is None or after is None:
            return None
        ends = command.verb is ExternalVerb.FINISH
        if not self._fits(work, after, reserve=0 if ends else RESERVE_BYTES):
            return _too_large()
        growth = after.size_bytes - before.size_bytes
        if ends or growth <= 0 or work.has_room_for(growth):
            return None
        return too_much_stored(work.owned.partition.partition)

    def _fits(self, work: PartitionRound, request: StoredRequest, *, reserve: int = 0) -> bool:
        return self._writer.request_fits(work.owned, request, reserve=reserve)


def _was_rejected(known: Lifecycle | Ended) -> bool:
    """A rejected create does not occupy its key: what follows may belong to the next one."""
    return recognise(known, known.content_hash) is Known.NEW


def _too_large() -> Reason:
    return Reason("request_too_large", "the document of the task would be larger than the store's records may be")


def _conflict(command: ExternalCommand, known: Lifecycle | Ended) -> Reason:
    if known.birth.offset < 0:
        message = f"the task of {known.external_key!r} was found without its record and adopted: update or finish it"
        return Reason("external_key_conflict", message, "external_key")
    ended = isinstance(known, Ended) or not known.is_open
    advice = ANOTHER_KEY if ended else "an update changes it, another task needs another key"
    message = f"external key {command.external_key!r} belongs to a task with other content, first seen at {known.birth}"
    return Reason("external_key_conflict", f"{message}; {advice}", "external_key")
